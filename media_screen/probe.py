"""Path -> MediaInfo: what the content's own headers say, and its digest. The name's extension decides nothing."""

from __future__ import annotations

import hashlib
import struct
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from media_screen.errors import CorruptMedia, FileError, UnsupportedMedia
from media_screen.types import MediaInfo

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 4096
ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
DNG_VERSION_TAG = 50706  # DNG 1.7: a raw negative, whose first picture is only a preview

# format -> (IANA media type, extensions that say the truth)
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "jpeg": ("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "png": ("image/png", (".png", ".apng")),
    "webp": ("image/webp", (".webp",)),
    "tiff": ("image/tiff", (".tif", ".tiff")),
    "bmp": ("image/bmp", (".bmp", ".dib")),
    "gif": ("image/gif", (".gif",)),
    "heif": ("image/heic", (".heic", ".heif", ".hif")),
    "avif": ("image/avif", (".avif",)),
    "mp4": ("video/mp4", (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".3gpp")),
    "matroska": ("video/x-matroska", (".mkv", ".webm")),
    "avi": ("video/x-msvideo", (".avi",)),
    "mpegts": ("video/mp2t", (".ts", ".mts", ".m2ts", ".m2t")),
}
ONE_PICTURE = ("jpeg", "heif")  # what else lies in such a file (previews, gain maps, bursts) is not what it shows
SUPPORTED = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF; MP4, MOV, M4V, 3GP, MKV, WebM, AVI, MPEG-TS"

_SIGNATURES = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
    b"\x1a\x45\xdf\xa3": "matroska",
}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MOV_STARTS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # QuickTime before `ftyp` existed


def probe(path: Path) -> MediaInfo:
    """Sniff, hash and read the headers of one file.

    Raises:
        CorruptMedia: empty, or the headers do not parse.
        UnsupportedMedia: not a format of FORMATS.
        FileError: the file cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise UnsupportedMedia("not a regular file")  # opening a pipe would wait for ever
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size_bytes = file.tell()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}") from error
    if not size_bytes:
        raise CorruptMedia("the file is empty (0 bytes)")
    name = sniff(head)
    if name is None:
        raise UnsupportedMedia(f"not a picture or video that can be examined (known: {SUPPORTED})")
    media_type, extensions = FORMATS[name]
    common: dict[str, Any] = {
        "path": path,
        "sha256": sha256,
        "size_bytes": size_bytes,
        "format": name,
        "media_type": media_type,
    }
    suffix = path.suffix.lower()
    if suffix not in extensions:
        common["notes"] = (f"the name ends in {suffix!r}, the content is {media_type}",)
    return _probe_still(common) if media_type.startswith("image/") else _probe_video(common)


def sniff(head: bytes) -> str | None:
    """Format name from the first bytes, or None."""
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12])
    return _sniff_bmp(head) or _sniff_isobmff(head) or _sniff_mpegts(head)


def _sniff_bmp(head: bytes) -> str | None:
    # two letters are too little to go by: the size of the header that follows must be one that exists
    known = len(head) >= 26 and struct.unpack_from("<I", head, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    return "bmp" if head.startswith(b"BM") and known else None


def _sniff_isobmff(head: bytes) -> str | None:
    kind = head[4:8]
    if kind == b"ftyp":
        size = min(struct.unpack_from(">I", head)[0], len(head))
        brands = [head[i : i + 4] for i in (8, *range(16, size - 3, 4))]
        if _AVIF_BRANDS.intersection(brands):
            return "avif"
        return "heif" if brands and brands[0] in _HEIF_BRANDS else "mp4"
    return "mp4" if kind in _MOV_STARTS else None


def _sniff_mpegts(head: bytes) -> str | None:
    for first, step in ((0, 188), (4, 192)):  # plain, and M2TS with its 4-byte time code
        marks = head[first::step][:8]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return "mpegts"
    return None


def _probe_still(common: dict[str, Any]) -> MediaInfo:
    from media_screen.decode import open_still, pages_of  # Pillow and its plug-ins: only where a still is read

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF; what it cannot read is an error below
        with open_still(common["path"], common["format"]) as image:
            if common["format"] == "tiff" and DNG_VERSION_TAG in getattr(image, "tag_v2", {}):
                raise UnsupportedMedia("a camera raw file (DNG): export it as JPEG or TIFF first")
            # libheif and Pillow's TIFF reader turn the picture themselves
            orientation = 1 if common["format"] in ("heif", "tiff") else _exif_orientation(image)
            width, height = image.size
            if orientation >= 5:
                width, height = height, width
            return MediaInfo(
                **common,
                kind="image",
                width_px=width,
                height_px=height,
                orientation=orientation,
                frame_count=1 if common["format"] in ONE_PICTURE else len(pages_of(image, common["format"])),
                codec=image.format or "",
                pixel_format=image.mode,
                bit_depth=_still_depth(common["path"], image),
            )


def _exif_orientation(image: Any) -> int:
    """EXIF alone turns a picture: no viewer reads the orientation in an XMP block, as Pillow's getexif() does."""
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(ORIENTATION_TAG, 1)
    except (ValueError, OSError, SyntaxError, KeyError, TypeError, struct.error):
        return 1  # viewers ignore an EXIF block that does not parse; the metadata room removes it
    return orientation if orientation in range(1, 9) else 1


def _still_depth(path: Path, image: Any) -> int:
    """Bits a sample. Pillow reads 16-bit colour PNG and 10-bit AVIF as 8 without a word, so their headers are asked."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return max(file.read(25)[24], 1)  # PNG 3rd ed., 11.2.1: IHDR bit depth
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(258, (8,))))  # TIFF 6.0: BitsPerSample
    if image.format == "HEIF":
        return int(image.info.get("bit_depth", 8))
    if image.format == "AVIF":
        head = path.read_bytes()[:65536]
        at = head.find(b"av1C")  # AV1-ISOBMFF 2.3.3: high_bitdepth, twelve_bit
        flags = head[at + 6] if 0 < at < len(head) - 6 else 0
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 16 if image.mode.startswith("I") else 8


def _probe_video(common: dict[str, Any]) -> MediaInfo:
    import av

    from media_screen.decode import first_frame, main_video, open_video, orientation_of, video_errors

    with video_errors(), open_video(common["path"], common["format"]) as container:
        stream = main_video(container)
        context = stream.codec_context
        if context is None:
            raise UnsupportedMedia("video in an unknown code: save it as MP4 with H.264 first")
        if not context.width or not context.height or not context.pix_fmt:
            raise CorruptMedia("the video track has no picture size: the file is damaged or cut short")
        orientation = orientation_of(first_frame(container, stream))
        width, height = context.width, context.height
        if orientation >= 5:
            width, height = height, width
        return MediaInfo(
            **common,
            kind="video",
            width_px=width,
            height_px=height,
            orientation=orientation,
            frame_count=stream.frames or None,
            duration_s=Fraction(container.duration, av.time_base) if container.duration else None,
            codec=context.codec.canonical_name,
            pixel_format=context.pix_fmt,
            bit_depth=max(c.bits for c in context.format.components),
            pixel_aspect=Fraction(stream.sample_aspect_ratio or 1),
            audio_tracks=len(container.streams.audio),
        )
