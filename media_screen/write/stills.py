"""A still + paint -> the same still painted and turned upright, in its own format and quality."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from media_screen.decode import open_still, pages_of, shown_s, still_errors, stored_size, upright
from media_screen.errors import UnsupportedMedia
from media_screen.redact import Plane
from media_screen.write.animations import ANIMATIONS
from media_screen.write.files import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction
    from pathlib import Path

    from media_screen.types import MediaInfo, Picture

    Paint = Callable[[list[Plane], Fraction, int], None]  # planes, time, orientation they are stored in

PILLOW_NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "bmp": "BMP", "gif": "GIF"}
PILLOW_NAMES |= {"heif": "HEIF", "avif": "AVIF"}
DIRECT_MODES = ("L", "LA", "RGB", "RGBA", "CMYK")  # whose samples are what is seen; a palette's are not
QUALITIES = (90, 75, 60)  # of formats that do not say what they were saved with
MAX_GROWTH = 1.5
TIFF_JPEG_QUALITY = 85
TIFF_LOSSLESS = "tiff_lzw"
TIFF_KEPT = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma", "zstd"}


def redact_still(info: MediaInfo, paint: Paint, part: Path, *, seen: Picture | None = None) -> None:
    """Every frame or page painted, turned upright, saved in the same format at the same quality.

    Args:
        info: of the source.
        paint: destroys what has to go.
        part: is written.
        seen: the only picture as it was examined, RGB and upright: where it is the whole of the samples, they need not
            be decoded again.

    Raises:
        UnsupportedMedia: saving would reduce the depth of the samples, or lose frames.
        WriteFailed: no room, or no right to write there.
    """
    with open_still(info.path, info.format) as image:
        _refuse_losses(info, image)
        pages = _painted_pages(info, image, paint, seen)
        if info.format in ANIMATIONS and (info.frame_count or 1) > 1:
            with writing(), part.open("wb") as file:
                ANIMATIONS[info.format](file, pages, image.info | {"lossless": _is_lossless(info)})
        elif info.format == "tiff":
            _save_pages(image, pages, part)
        else:
            page, _ = next(pages)
            _save(page, image, info, part)


def _refuse_losses(info: MediaInfo, image: Any) -> None:
    if info.bit_depth > 8 and not image.mode.startswith("I;16"):
        raise UnsupportedMedia(
            f"{info.bit_depth} bits a sample: redacting would reduce it to 8; save it with 8 bits a sample first"
        )
    if (info.frame_count or 1) > 1 and info.format not in (*ANIMATIONS, "tiff"):
        raise UnsupportedMedia("an image sequence (animation or burst): save it as MP4, or one picture of it as JPEG")


def _painted_pages(info: MediaInfo, image: Any, paint: Paint, seen: Picture | None) -> Iterator[tuple[Any, Fraction]]:
    """Each page painted, and how long it is shown; one at a time, so that a long animation needs no more memory."""
    time_s = shown_s(image) * 0
    is_all = image.mode == "RGB" and info.frame_count == 1
    if seen is not None and is_all and seen.shape[:2] == (info.height_px, info.width_px):
        yield _painted(seen, "RGB", paint, time_s), time_s
        return
    pages = pages_of(image, info.format) if (info.frame_count or 1) > 1 else (0,)
    for index, page in enumerate(pages):
        with still_errors():
            if index:
                image.seek(page)
            image.load()
        if image.size != stored_size(info):
            raise UnsupportedMedia(f"page {index + 1} has another size than the first; screen its pages one by one")
        lasts_s = shown_s(image)
        direct = _direct(image)
        stored, mode = np.asarray(direct), direct.mode
        if direct is not image:
            direct.close()
        yield _painted(upright(stored, info.orientation), mode, paint, time_s), lasts_s
        time_s += lasts_s


def _painted(picture: Picture, mode: str, paint: Paint, time_s: Fraction) -> Any:
    from PIL import Image

    samples = np.array(picture, order="C")
    has_alpha, inked = mode in ("LA", "RGBA"), mode == "CMYK"
    paint([Plane(samples=samples, skip_last=has_alpha, black=255 if inked else 0)], time_s, 1)
    return Image.frombytes("CMYK", samples.shape[1::-1], samples.tobytes()) if inked else Image.fromarray(samples)


def _direct(image: Any) -> Any:
    """The image in a mode whose samples can be averaged."""
    if image.mode in DIRECT_MODES or image.mode.startswith("I;16"):
        return image
    if image.mode in ("P", "PA", "La", "RGBa"):
        return image.convert("RGBA" if "transparency" in image.info or "a" in image.mode.lower() else "RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _save_pages(image: Any, pages: Iterator[tuple[Any, Fraction]], part: Path) -> None:
    from PIL.TiffImagePlugin import AppendingTiffWriter

    with writing(), AppendingTiffWriter(str(part), new=True) as file:
        for page, _ in pages:
            page.save(file, format="TIFF", **_tiff_options(image, page))
            file.newFrame()


def _tiff_options(image: Any, page: Any) -> dict[str, Any]:
    options = _carried(image)
    options["compression"] = compression = image.info.get("compression", "raw")
    if compression == "jpeg" and page.mode in ("L", "RGB", "CMYK"):
        options["quality"] = TIFF_JPEG_QUALITY
    elif compression not in TIFF_KEPT:  # fax codes are for one bit a sample, a blurred face has more
        options["compression"] = TIFF_LOSSLESS
    return options


def _carried(image: Any) -> dict[str, Any]:
    """What says how the samples are to be shown."""
    return {name: image.info[name] for name in ("icc_profile", "dpi") if image.info.get(name)}


def _save(page: Any, image: Any, info: MediaInfo, part: Path) -> None:
    """Coded in memory: written by Pillow itself, a file that the disk had no room for ends early without an error."""
    for options in _choices(image, info):
        coded = io.BytesIO()
        page.save(coded, format=PILLOW_NAMES[info.format], **_carried(image), **options)
        if coded.tell() <= MAX_GROWTH * info.size_bytes:
            break
    with writing():
        part.write_bytes(coded.getbuffer())


def _choices(image: Any, info: MediaInfo) -> list[dict[str, Any]]:
    """Options to save with, the best first; the next is tried where the file grows too much."""
    if info.format == "jpeg":
        return [_jpeg_options(image)]
    if _is_lossless(info):
        return [{"lossless": True, "exact": True}]
    more = {"exact": True} if info.format == "webp" else {}  # colours stay under transparency, as they were
    return [{"quality": q} | more for q in QUALITIES] if info.format in ("webp", "heif", "avif") else [{}]


def _jpeg_options(image: Any) -> dict[str, Any]:
    """The tables, the subsampling and the order of the source: what is not painted is rounded the same again."""
    from PIL import JpegImagePlugin

    options = {"qtables": image.quantization, "progressive": bool(image.info.get("progressive"))}
    sampling = JpegImagePlugin.get_sampling(image)
    return options | ({"subsampling": sampling} if sampling >= 0 and image.mode == "RGB" else {})


def _is_lossless(info: MediaInfo) -> bool:
    """True for a WebP whose (first) picture is coded without loss (RFC 9649, 2.6, 2.7)."""
    if info.format != "webp":
        return False
    with info.path.open("rb") as file:
        at = 12
        while file.seek(at) == at and len(head := file.read(8)) == 8:
            kind, length = head[:4], struct.unpack("<I", head[4:])[0]
            if kind in (b"VP8 ", b"VP8L"):
                return kind == b"VP8L"
            at += 8 + (16 if kind == b"ANMF" else length + (length & 1))  # a page's chunks begin after its frame header
    return False
