"""A still and something planted in it -> bytes of real files, made with Pillow, piexif and by hand."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import piexif
import pillow_heif
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable

SERIAL = b"SN-PLANTED-0042"
COORDINATES = b"lat=26.84670, lon=80.94620"
NOTE = b"planted note: house behind the temple"
WIDTH, HEIGHT = 96, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A file, what must be seen in it, and the bytes that may be nowhere in its clean copy."""

    name: str
    suffix: str
    data: bytes
    kind: str
    tag: str  # part of the name of a tag of that kind
    secrets: tuple[bytes, ...] = field(default=())
    pages: int | None = None  # of the clean copy, where that has fewer
    shown: bytes = b""  # what the clean copy must look like, where Pillow does not open the planted file


@cache
def pixels(seed: int = 1) -> np.ndarray:
    """Lopsided in colour, x and y, with detail everywhere."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(seed).integers(0, 40, (HEIGHT, WIDTH))
    return np.stack([(x * 2 + noise) % 256, (y * 3) % 256, (x + y * seed) % 256], -1).astype(np.uint8)


def picture(mode: str = "RGB", seed: int = 1) -> Image.Image:
    image = Image.fromarray(pixels(seed))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(pixels(seed)[:, :, 1]))
    return image.convert(mode)


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    pillow_heif.register_heif_opener(thumbnails=False)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


@cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@cache
def other_picture() -> bytes:
    """A second picture, as a JPEG: a thumbnail, a preview, a trailer."""
    return encoded(picture(seed=3).resize((48, 32)), "JPEG")


def exif(orientation: int = 6, *, thumbnail: bool = True) -> bytes:
    """A camera's EXIF block with `Exif\\0\\0` before it."""
    parts = {
        "0th": {piexif.ImageIFD.Orientation: orientation, piexif.ImageIFD.Make: "Sample"},
        "Exif": {
            piexif.ExifIFD.BodySerialNumber: SERIAL,
            piexif.ExifIFD.UserComment: b"ASCII\0\0\0" + NOTE,
            piexif.ExifIFD.MakerNote: b"maker" + other_picture(),
        },
        "GPS": {
            piexif.GPSIFD.GPSLatitudeRef: "N",
            piexif.GPSIFD.GPSLatitude: ((26, 1), (50, 1), (4812, 100)),
            piexif.GPSIFD.GPSLongitudeRef: "E",
            piexif.GPSIFD.GPSLongitude: ((80, 1), (56, 1), (4632, 100)),
        },
    }
    if thumbnail:
        parts |= {"1st": {piexif.ImageIFD.Compression: 6}, "thumbnail": other_picture()}
    return piexif.dump(parts)


def xmp(encoding: str = "utf-8") -> bytes:
    text = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="26,50.802N" '
        f'exif:GPSLongitude="80,56.772E" exif:Note="{NOTE.decode()}"/></rdf:RDF></x:xmpmeta>'
    )
    return text.encode(encoding)


def iptc() -> bytes:
    """Photoshop's block around an IPTC record with a city and a caption."""
    record = b"".join(
        b"\x1c\x02" + bytes((number,)) + struct.pack(">H", len(value)) + value
        for number, value in ((90, b"Lucknow"), (120, NOTE))
    )
    return (
        b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record + b"\0" * (len(record) % 2)
    )


def film() -> bytes:
    """The start of a motion photo's film."""
    return (
        struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 8 + len(NOTE), b"mdat") + NOTE
    )


# --- JPEG ---


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


@cache
def jpeg_base(orientation: int = 6) -> bytes:
    """With a profile and an orientation, and nothing to hide."""
    block = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    return encoded(picture(), "JPEG", quality=85, exif=block, icc_profile=profile(), dpi=(300, 300))


def after_soi(*segments: bytes) -> bytes:
    """In front of all other segments."""
    data = jpeg_base()
    return data[:2] + b"".join(segments) + data[2:]


def before_scan(*segments: bytes) -> bytes:
    data = jpeg_base()
    at = data.index(b"\xff\xda")
    return data[:at] + b"".join(segments) + data[at:]


def multi_picture() -> bytes:
    """CIPA DC-007: an index in the first picture, a second one after its end."""
    buffer = io.BytesIO()
    picture().save(buffer, "MPO", save_all=True, append_images=[picture(seed=3)], exif=exif(1, thumbnail=False))
    return buffer.getvalue()


def jpeg_cases() -> list[Planted]:
    extended = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", 500, 0) + xmp()
    jfxx = b"JFXX\0\x10" + other_picture()
    jfif = b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c\x02\x02" + SERIAL[:12]
    gain = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(8) + SERIAL)
    return [
        case(
            "jpeg-exif-gps", ".jpg", encoded(picture(), "JPEG", exif=exif(), icc_profile=profile()), "location", "GPS"
        ),
        case("jpeg-thumbnail", ".jpg", encoded(picture(), "JPEG", exif=exif()), "picture", "thumbnail"),
        case(
            "jpeg-xmp", ".jpg", after_soi(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp())), "location", "GPS"
        ),
        case(
            "jpeg-xmp-utf16",
            ".jpg",
            after_soi(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp("utf-16"))),
            "location",
            "GPS",
            NOTE.decode().encode("utf-16-le"),
        ),
        case("jpeg-xmp-extended", ".jpg", after_soi(segment(0xE1, extended)), "location", "GPS"),
        case("jpeg-iptc", ".jpg", after_soi(segment(0xED, iptc())), "location", "City", b"Lucknow"),
        case("jpeg-comment", ".jpg", before_scan(segment(0xFE, COORDINATES)), "location", "coordinates"),
        case("jpeg-jfif-thumbnail", ".jpg", before_scan().replace(*_jfif(jfif)), "picture", "thumbnail", SERIAL[:12]),
        case("jpeg-jfxx", ".jpg", before_scan(segment(0xE0, jfxx)), "picture", "JFIF extension"),
        case("jpeg-second-exif", ".jpg", before_scan(segment(0xE1, exif(1))), "location", "GPS"),
        case("jpeg-unknown-segment", ".jpg", before_scan(segment(0xE9, COORDINATES)), "location", "unknown segment"),
        case("jpeg-between-segments", ".jpg", before_scan(NOTE), "unknown", "bytes between segments"),
        case("jpeg-motion-photo", ".jpg", jpeg_base() + film(), "picture", "film"),
        case("jpeg-trailer", ".jpg", jpeg_base() + other_picture(), "picture", "data after the end"),
        case("jpeg-multi-picture", ".jpg", multi_picture(), "picture", "multi-picture index", pages=1),
        case("jpeg-gain-map", ".jpg", before_scan(gain) + other_picture(), "picture", "gain map"),
        case(
            "jpeg-credentials", ".jpg", before_scan(segment(0xEB, b"JP\0\1" + SERIAL)), "person", "content credentials"
        ),
        case("jpeg-profile-tail", ".jpg", _long_profile(), "unknown", "no ICC profile"),
    ]


def _jfif(changed: bytes) -> tuple[bytes, bytes]:
    data = jpeg_base()
    return data[2:20], segment(0xE0, changed)


def _long_profile() -> bytes:
    """Bytes after the profile's own end, inside its chunk."""
    return encoded(picture(), "JPEG", icc_profile=profile() + NOTE)


def case(
    name: str, suffix: str, data: bytes, kind: str, tag: str, *more: bytes, pages: int | None = None, shown: bytes = b""
) -> Planted:
    """Every planted value that stands in the data counts as a secret."""
    known = (SERIAL, COORDINATES, NOTE, b"GPSLatitude", other_picture()[-200:])
    secrets = (*(s for s in known if s in data), *more)
    assert all(s in data for s in secrets), name
    return Planted(
        name=name, suffix=suffix, data=data, kind=kind, tag=tag, secrets=secrets, pages=pages, shown=shown or data
    )


# --- PNG ---


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@cache
def png_base() -> bytes:
    return encoded(picture("RGBA"), "PNG", icc_profile=profile(), dpi=(300, 300))


def png_with(*chunks: bytes, after_picture: bool = False) -> bytes:
    data = png_base()
    at = len(data) - 12 if after_picture else 33
    return data[:at] + b"".join(chunks) + data[at:]


def apng() -> bytes:
    return encoded(
        picture(),
        "PNG",
        save_all=True,
        append_images=[picture(seed=2), picture(seed=3)],
        duration=[80, 120, 40],
        loop=3,
    )


def png_cases() -> list[Planted]:
    text = b"Comment\0" + NOTE
    packed = zlib.compress(xmp())
    raw = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  %8d\n" % len(exif()) + exif().hex().encode())
    itxt = b"XML:com.adobe.xmp\0\1\0\0\0" + packed
    return [
        case("png-exif", ".png", png_with(chunk(b"eXIf", exif()[6:])), "location", "GPS"),
        case("png-exif-last", ".png", png_with(chunk(b"eXIf", exif()[6:]), after_picture=True), "location", "GPS"),
        case("png-text", ".png", png_with(chunk(b"tEXt", text)), "text", "Comment"),
        case(
            "png-packed-text",
            ".png",
            png_with(chunk(b"zTXt", b"GPS\0\0" + zlib.compress(COORDINATES))),
            "location",
            "GPS",
        ),
        case("png-xmp", ".png", png_with(chunk(b"iTXt", itxt)), "location", "GPS", packed),
        case("png-raw-profile", ".png", png_with(chunk(b"zTXt", raw)), "location", "GPS", raw[-60:]),
        case("png-keyword", ".png", png_with(chunk(b"tEXt", NOTE + b"\0x")), "text", "text"),
        case("png-time", ".png", png_with(chunk(b"tIME", b"\x07\xea\1\1\1\1\1")), "time", "modification", b"tIME"),
        case("png-unknown-chunk", ".png", png_with(chunk(b"prVt", COORDINATES)), "location", "unknown chunk"),
        case("png-acropalypse", ".png", png_base() + png_base()[40:] + NOTE, "unknown", "data after the end"),
        case("png-in-picture", ".png", _after_last_row(), "unknown", "data after the picture"),
        case("apng-comment", ".png", apng()[:33] + chunk(b"tEXt", text) + apng()[33:], "text", "Comment"),
    ]


def _after_last_row() -> bytes:
    """Bytes in IDAT, behind the end of its zlib stream."""
    data = encoded(picture(), "PNG")
    at = data.index(b"IDAT") - 4
    size = struct.unpack_from(">I", data, at)[0]
    return data[:at] + chunk(b"IDAT", data[at + 8 : at + 8 + size] + NOTE) + data[at + 12 + size :]


# --- WebP ---


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    packed = b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(packed)) + b"WEBP" + packed


def webp_base(*, animated: bool = False, **options: Any) -> bytes:
    if animated:
        options |= {"save_all": True, "append_images": [picture(seed=2), picture(seed=3)], "duration": [80, 120, 40]}
        options |= {"loop": 2}
    return encoded(picture("RGBA"), "WEBP", icc_profile=profile(), **options)


def webp_plus(data: bytes, kind: bytes, body: bytes) -> bytes:
    """One more chunk at the end."""
    more = kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8 + len(more)) + data[8:] + more


def webp_cases() -> list[Planted]:
    plain = encoded(picture(), "WEBP", lossless=True)
    return [
        case("webp-exif", ".webp", webp_base(exif=exif()), "location", "GPS"),
        case("webp-xmp", ".webp", webp_base(xmp=xmp()), "location", "GPS"),
        case("webp-animated", ".webp", webp_base(animated=True, exif=exif(1), xmp=xmp()), "location", "GPS"),
        case("webp-unknown-chunk", ".webp", webp_plus(webp_base(), b"NOTE", COORDINATES), "location", "unknown chunk"),
        case("webp-unannounced-exif", ".webp", webp_plus(plain, b"EXIF", exif()[6:]), "location", "GPS"),
        case(
            "webp-second-picture",
            ".webp",
            webp_plus(webp_base(), b"VP8 ", SERIAL * 9),
            "picture",
            "not shown",
            shown=webp_base(),
        ),
        case("webp-trailer", ".webp", webp_base() + other_picture(), "picture", "data after the end"),
    ]


# --- GIF ---


@cache
def gif_base(*, animated: bool = False) -> bytes:
    options: dict[str, Any] = {}
    if animated:
        options = {
            "save_all": True,
            "append_images": [picture("P", 2), picture("P", 3)],
            "duration": [80, 120, 40],
            "loop": 4,
        }
    return encoded(picture("P"), "GIF", **options)


def extension(label: int, *pieces: bytes) -> bytes:
    return bytes((0x21, label)) + b"".join(bytes((len(p),)) + p for p in pieces) + b"\0"


def gif_with(*blocks: bytes, animated: bool = False) -> bytes:
    """After the palette."""
    data = gif_base(animated=animated)
    at = 13 + (3 << (data[10] & 7) + 1)
    return b"GIF89a" + data[6:at] + b"".join(blocks) + data[at:]


def gif_cases() -> list[Planted]:
    pieces = [profile()[i : i + 255] for i in range(0, len(profile()), 255)]
    magic = b"\x01" + bytes(range(255, -1, -1)) + b"\0"  # how XMP in a GIF is passed over
    in_gif = b"\x21\xff\x0bXMP DataXMP" + xmp() + magic
    end = gif_base()[:-2]
    return [
        case("gif-comment", ".gif", gif_with(extension(0xFE, COORDINATES), animated=True), "location", "coordinates"),
        case("gif-xmp", ".gif", gif_with(in_gif), "location", "GPS"),
        case("gif-plain-text", ".gif", gif_with(extension(0x01, bytes(12), NOTE)), "text", "plain text"),
        case(
            "gif-application", ".gif", gif_with(extension(0xFF, b"PRIVATE1.0A", COORDINATES)), "location", "application"
        ),
        case(
            "gif-profile-tail",
            ".gif",
            gif_with(extension(0xFF, b"ICCRGBG1012", *pieces, NOTE)),
            "unknown",
            "after the ICC",
        ),
        case(
            "gif-after-pixels", ".gif", end + bytes((len(NOTE),)) + NOTE + b"\0;", "unknown", "data after the picture"
        ),
        case("gif-between-blocks", ".gif", gif_with(b"pqr" * 9), "unknown", "between blocks", b"pqr" * 9),
        case("gif-trailer", ".gif", gif_base() + other_picture(), "picture", "data after the end"),
    ]


# --- BMP ---


def bmp_base(mode: str = "RGB") -> bytes:
    return encoded(picture(mode), "BMP", dpi=(300, 300))


def bmp_v5(block: bytes, space: bytes = b"DEBM") -> bytes:
    """BITMAPV5HEADER, 24 bits a pixel, with a profile or the path of one after the pixels."""
    old = bmp_base()
    raster = old[54:]
    head = bytearray(124)
    head[:40] = struct.pack("<I", 124) + old[18:54]
    head[56:60] = space
    head[112:120] = struct.pack("<II", 124 + len(raster), len(block))
    total = 14 + 124 + len(raster) + len(block)
    return b"BM" + struct.pack("<IHHI", total, 0, 0, 138) + bytes(head) + raster + block


def bmp_cases() -> list[Planted]:
    base = bmp_base("P")
    at = struct.unpack_from("<I", base, 10)[0]
    gap = base[:10] + struct.pack("<I", at + len(NOTE)) + base[14:at] + NOTE + base[at:]
    return [
        case("bmp-trailer", ".bmp", bmp_base() + COORDINATES, "location", "data after the end"),
        case("bmp-gap", ".bmp", gap, "unknown", "between the parts"),
        case("bmp-linked-profile", ".bmp", bmp_v5(NOTE, b"KNIL"), "text", "path of a colour profile"),
        case("bmp-profile-tail", ".bmp", bmp_v5(profile() + NOTE), "unknown", "no ICC profile"),
        case("bmp-reserved", ".bmp", bmp_base()[:6] + b"ab" + bmp_base()[8:], "unknown", "reserved bytes"),
    ]


# --- TIFF ---


def tiff(
    pages: list[dict[int, tuple[int, int, bytes]]], rasters: list[bytes], *, big: bool = False, tail: bytes = b""
) -> bytes:
    """Little-endian. Field -> (type, number of values, value); strips and next pages are put in here.

    A value of `NEXT` is the offset of the page that follows, which then stands in no chain.
    """
    word, size, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    out = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else struct.pack("<2sHI", b"II", 42, 8))
    chained = [NEXT not in [v for *_, v in page.values()] for page in pages]
    for number, (page, raster) in enumerate(zip(pages, rasters, strict=True)):
        start = len(out)
        fields = dict(sorted({**page, 273: (4, 1, b""), 279: (4, 1, struct.pack("<I", len(raster)))}.items()))
        at = start + (8 if big else 2) + size * len(fields) + inline
        values = b""
        entries = {}
        for tag, (kind, count, value) in fields.items():
            entries[tag] = (kind, count, value)
            if len(value) > inline:
                entries[tag] = (kind, count, struct.pack(f"<{word}", at + len(values)))
                values += value + b"\0" * (len(value) % 2)
        after = at + len(values) + len(raster) + len(raster) % 2
        entries[273] = (4, 1, struct.pack("<I", at + len(values)))
        following = after if number + 1 < len(pages) and chained[number] else 0
        out += struct.pack("<Q" if big else "<H", len(fields))
        for tag, (kind, count, value) in entries.items():
            stored = struct.pack(f"<{word}", after) if value == NEXT else value
            out += struct.pack("<HHQ" if big else "<HHI", tag, kind, count) + stored.ljust(inline, b"\0")
        out += struct.pack(f"<{word}", following) + values + raster + b"\0" * (len(raster) % 2)
    return bytes(out) + tail


NEXT = b"next"


def short(*values: int) -> tuple[int, int, bytes]:
    return 3, len(values), struct.pack(f"<{len(values)}H", *values)


def page(width: int = WIDTH, height: int = HEIGHT, **more: tuple[int, int, bytes]) -> dict[int, tuple[int, int, bytes]]:
    """A baseline RGB page of one strip."""
    fields = {256: width, 257: height, 259: 1, 262: 2, 277: 3, 278: height}
    own = {int(name[1:]): value for name, value in more.items()}
    return {tag: short(value) for tag, value in fields.items()} | {258: short(8, 8, 8)} | own


def tiff_base(**options: Any) -> bytes:
    return encoded(picture(), "TIFF", icc_profile=profile(), dpi=(300, 300), **options)


def two_pages(**first: tuple[int, int, bytes]) -> bytes:
    """The second is a reduced copy."""
    small = pixels(3)[::2, ::2].tobytes()
    second = page(WIDTH // 2, HEIGHT // 2, _254=short(1))
    return tiff([page(**first), second], [pixels().tobytes(), small])


def tiff_cases() -> list[Planted]:
    raster = pixels().tobytes()
    small = pixels(3)[::2, ::2].tobytes()[-300:]
    ascii_note = (2, len(NOTE) + 1, NOTE + b"\0")
    gps = struct.pack("<HHHI4sI", 1, 1, 2, 2, b"N\0\0\0", 0)
    with_gps = page(_34853=(4, 1, struct.pack("<I", 0)))
    blank = tiff([with_gps], [raster])
    with_gps[34853] = (4, 1, struct.pack("<I", len(blank)))
    pages = [encoded(picture(), "TIFF", save_all=True, append_images=[picture(seed=2)], tiffinfo={270: NOTE.decode()})]
    geo = (12, 3, struct.pack("<3d", 80.9462, 26.8467, 0))
    return [
        case("tiff-description", ".tif", tiff_base(tiffinfo={270: NOTE.decode()}), "text", "ImageDescription"),
        case("tiff-pages", ".tif", pages[0], "text", "ImageDescription"),
        case("tiff-gps", ".tif", tiff([with_gps], [raster], tail=gps), "location", "GPSLatitudeRef", gps[:10]),
        case("tiff-geo", ".tif", tiff([page(_33550=geo)], [raster]), "location", "GeoTIFF", geo[2][:16]),
        case("tiff-xmp", ".tif", tiff([page(_700=(1, len(xmp()), xmp()))], [raster]), "location", "GPS"),
        case(
            "tiff-iptc", ".tif", tiff([page(_34377=(7, len(iptc()) - 14, iptc()[14:]))], [raster]), "location", "City"
        ),
        case("tiff-sub-directory", ".tif", two_pages(_330=(4, 1, NEXT)), "picture", "thumbnail", small),
        case("tiff-reduced-page", ".tif", two_pages(), "picture", "reduced picture", small, pages=1),
        case("tiff-unused", ".tif", tiff([page()], [raster], tail=COORDINATES), "location", "no directory"),
        case("tiff-after-pixels", ".tif", tiff([page()], [raster + NOTE]), "unknown", "no directory"),
        case("tiff-private-field", ".tif", tiff([page(_65000=ascii_note)], [raster]), "unknown", "tag 0xfde8"),
        case("tiff-big", ".tif", tiff([page(_270=ascii_note)], [raster], big=True), "text", "ImageDescription"),
        case(
            "tiff-jpeg",
            ".tif",
            tiff_base(compression="jpeg", tiffinfo={270: NOTE.decode()}),
            "text",
            "ImageDescription",
        ),
        case("tiff-lzw-tail", ".tif", _lzw_tail(), "unknown", "data after the picture"),
    ]


def _lzw_tail() -> bytes:
    """Bytes behind the end code of an LZW strip."""
    whole = encoded(picture(), "TIFF", compression="tiff_lzw")
    with Image.open(io.BytesIO(whole)) as image:
        at, size = image.tag_v2[273], image.tag_v2[279]
    assert len(at) == 1
    return tiff([page(_259=short(5))], [whole[at[0] : at[0] + size[0]] + NOTE])


# --- HEIF, AVIF ---


def heif_base(mode: str = "RGB", **options: Any) -> bytes:
    return encoded(picture(mode), "HEIF", quality=80, icc_profile=profile(), **options)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heif_cases() -> list[Planted]:
    thumbnail = heif_base(thumbnails=[48])
    burst = heif_base(save_all=True, append_images=[picture(seed=3)])
    avif = encoded(picture("RGBA"), "AVIF", quality=80, icc_profile=profile(), exif=exif(6), xmp=xmp())
    # the bits of an essential property stay clear: it is one that readers may pass over
    described = heif_base().replace(b"pixi", b"udes")
    return [
        case("heif-exif", ".heic", heif_base(exif=exif(1)), "location", "GPS"),
        case("heif-xmp", ".heic", heif_base(xmp=xmp()), "location", "GPS"),
        case("heif-alpha", ".heic", heif_base("RGBA", exif=exif(1)), "location", "GPS"),
        case("heif-thumbnail", ".heic", thumbnail, "picture", "thumbnail", thumbnail[-100:]),
        case(
            "heif-auxiliary",
            ".heic",
            thumbnail.replace(b"thmb", b"auxl"),
            "picture",
            "auxiliary",
            thumbnail[-100:],
            shown=thumbnail,
        ),
        case("heif-burst", ".heic", burst, "picture", "second picture", burst[-100:], pages=1),
        case("heif-description", ".heic", described, "text", "description", b"udes"),
        case("heif-motion-photo", ".heic", heif_base() + box(b"mpvd", film()), "picture", "motion photo"),
        case("heif-padding", ".heic", heif_base() + box(b"free", COORDINATES), "location", "padding"),
        case("heif-unknown-box", ".heic", heif_base() + box(b"uuid", bytes(16), COORDINATES), "location", "box uuid"),
        case("heif-orphan", ".heic", heif_base() + box(b"mdat", NOTE), "unknown", "bytes of no item"),
        case("heif-trailer", ".heic", heif_base() + b"\0\0\0\1" + NOTE, "unknown", "after the end", shown=heif_base()),
        case("avif-exif", ".avif", avif, "location", "GPS"),
    ]


@cache
def cases() -> tuple[Planted, ...]:
    makers: tuple[Callable[[], list[Planted]], ...] = (
        *(jpeg_cases, png_cases, webp_cases, gif_cases),
        *(bmp_cases, tiff_cases, heif_cases),
    )
    return tuple(planted for maker in makers for planted in maker())
