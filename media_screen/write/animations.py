"""Painted pages and their times -> an animated GIF, PNG or WebP, page by page.

Pillow's own writers hold every page in memory and drop one that looks like the page before it, as pages with frozen
paint do. Here every page stays, with its own time: Pillow codes each alone, and its coded data goes into the animation.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from fractions import Fraction

    from numpy.typing import NDArray

    Pages = Iterable[tuple[Any, Fraction]]  # Pillow images, and how long each is shown

GIF_CLEAR = 255  # the colour number that is kept for "nothing here"
GIF_STAYS, GIF_GOES = 1 << 2, 2 << 2  # GIF89a, 23: what becomes of the page when its time is over
GIF_OPAQUE_FROM = 128
WEBP_ICC, WEBP_ALPHA, WEBP_ANIMATED = 0x20, 0x10, 0x02  # RFC 9649, 2.7: flags of VP8X
WEBP_REPLACES = 0x02  # 2.7.1.1: a page is put, not blended, over the one before
WEBP_QUALITY = 85
MAX_PNG_DELAY, MAX_WEBP_MS = 0xFFFF, 0xFFFFFF


def changed(before: NDArray[Any] | None, now: NDArray[Any]) -> tuple[int, int, int, int]:
    """The box (x1, y1, x2, y2) of the samples that differ, at least a pixel; x1 and y1 are even, as WebP counts."""
    if before is None:
        return 0, 0, now.shape[1], now.shape[0]
    differs = (before != now).reshape(*now.shape[:2], -1).any(axis=2)
    ys, xs = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(ys):
        return 0, 0, 1, 1
    return int(xs[0]) & ~1, int(ys[0]) & ~1, int(xs[-1]) + 1, int(ys[-1]) + 1


def _coded(page: Any, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, format_name, **options)
    return buffer.getvalue()


# --- GIF --------------------------------------------------------------------------------------------------------


def write_gif(file: BinaryIO, pages: Pages, info: dict[str, Any]) -> None:
    """GIF89a; transparency is all or nothing there."""
    before: NDArray[Any] | None = None  # None where nothing of the page before is left
    for (page, clear, lasts_s), following in _with_next(_clear_parts(pages)):
        if file.tell() == 0:
            file.write(b"GIF89a" + struct.pack("<HHBBB", *page.size, 0x70, 0, 0))
            if "loop" in info:  # without the extension an animation runs once
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", info["loop"], 0))
        samples = np.asarray(page)
        goes = bool(clear.any() or (following is not None and following[1].any()))
        x1, y1, x2, y2 = box = (0, 0, *page.size) if goes else changed(before, samples)
        # what has not changed need not be said again
        silent = clear if before is None or goes else (before == samples).all(axis=2)
        file.write(_gif_page(page.crop(box), silent[y1:y2, x1:x2], (x1, y1), lasts_s, goes=goes))
        before = None if goes else samples
    file.write(b";")


def _clear_parts(pages: Pages) -> Iterator[tuple[Any, NDArray[Any], Fraction]]:
    for page, lasts_s in pages:
        alpha = np.asarray(page.convert("RGBA"))[..., 3]
        yield page.convert("RGB"), alpha < GIF_OPAQUE_FROM, lasts_s


def _with_next(items: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    present = next(items, None)
    while present is not None:
        following = next(items, None)
        yield present, following
        present = following


def _gif_page(part: Any, clear: NDArray[Any], place: tuple[int, int], lasts_s: Fraction, *, goes: bool) -> bytes:
    """Graphic control, image descriptor, the page's own colours, codes (GIF89a, 23, 20, 21, 22)."""
    from PIL import Image

    few = part.quantize(GIF_CLEAR)
    numbers = np.array(few)
    numbers[clear] = GIF_CLEAR
    colours = bytes(few.getpalette()).ljust(768, b"\0")
    indexed = Image.fromarray(numbers)
    indexed.putpalette(colours)
    coded = _coded(indexed, "GIF", optimize=False)
    at = 13 + (3 << (coded[10] & 7) + 1 if coded[10] & 0x80 else 0)
    while coded[at] == 0x21:  # Pillow's own extensions
        at += 2
        while coded[at]:
            at += coded[at] + 1
        at += 1
    fate = GIF_GOES | 1 if goes else GIF_STAYS | bool(clear.any())  # what goes leaves nothing, not a background colour
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, fate, round(lasts_s * 100), GIF_CLEAR, 0)
    interlaced = coded[at + 9] & 0x40
    own_table = 3 << (coded[at + 9] & 7) + 1 if coded[at + 9] & 0x80 else 0
    descriptor = struct.pack("<BHHHHB", 0x2C, *place, *part.size, 0x80 | interlaced | 7)
    return control + descriptor + colours + coded[at + 10 + own_table : -1]


# --- PNG --------------------------------------------------------------------------------------------------------


def write_png(file: BinaryIO, pages: Pages, info: dict[str, Any]) -> None:
    """PNG, third edition, 11.3.6: acTL, and an fcTL before each page's data."""
    carried = {name: info[name] for name in ("icc_profile", "dpi") if info.get(name)}
    count = sequence = control_at = 0
    before, mode = None, ""
    for page, lasts_s in pages:
        mode = mode or page.mode
        page = page.convert(mode)  # noqa: PLW2901 - one colour type for the whole file
        samples = np.asarray(page)
        x1, y1, x2, y2 = box = changed(before, samples)
        chunks = list(_png_chunks(_coded(page.crop(box), "PNG", **carried)))
        if not count:
            file.write(b"\x89PNG\r\n\x1a\n")
            for kind, body in chunks:
                if kind not in (b"IDAT", b"IEND"):
                    _write_png_chunk(file, kind, body)
            control_at = file.tell()
            _write_png_chunk(file, b"acTL", bytes(8))
        delay = lasts_s.limit_denominator(1000)
        numbers = (sequence, x2 - x1, y2 - y1, x1, y1, min(delay.numerator, MAX_PNG_DELAY), delay.denominator, 0, 0)
        _write_png_chunk(file, b"fcTL", struct.pack(">IIIIIHHBB", *numbers))
        sequence += 1
        for body in [body for kind, body in chunks if kind == b"IDAT"]:
            if not count:
                _write_png_chunk(file, b"IDAT", body)
            else:
                _write_png_chunk(file, b"fdAT", struct.pack(">I", sequence) + body)
                sequence += 1
        count, before = count + 1, samples
    _write_png_chunk(file, b"IEND", b"")
    file.seek(control_at)
    _write_png_chunk(file, b"acTL", struct.pack(">II", count, info.get("loop", 0)))


def _png_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _write_png_chunk(file: BinaryIO, kind: bytes, body: bytes) -> None:
    file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


# --- WebP -------------------------------------------------------------------------------------------------------


def write_webp(file: BinaryIO, pages: Pages, info: dict[str, Any]) -> None:
    """RFC 9649, 2.7: VP8X, ICCP, ANIM, and an ANMF around each page's data."""
    profile = info.get("icc_profile") or b""
    options = {"lossless": True} if info.get("lossless") else {"quality": WEBP_QUALITY}
    before = None
    for page, lasts_s in pages:
        samples = np.asarray(page)
        x1, y1, x2, y2 = box = changed(
            before if before is not None and before.shape == samples.shape else None, samples
        )
        if file.tell() == 0:
            file.write(b"RIFF" + bytes(4) + b"WEBP")
            flags = WEBP_ANIMATED | (WEBP_ICC if profile else 0) | (WEBP_ALPHA if page.mode == "RGBA" else 0)
            _write_riff_chunk(file, b"VP8X", bytes((flags, 0, 0, 0)) + b"".join(_u24(side - 1) for side in page.size))
            if profile:
                _write_riff_chunk(file, b"ICCP", profile)
            _write_riff_chunk(file, b"ANIM", struct.pack("<IH", 0, info.get("loop", 0)))
        place = _u24(x1 // 2) + _u24(y1 // 2) + _u24(x2 - x1 - 1) + _u24(y2 - y1 - 1)
        head = place + _u24(min(round(lasts_s * 1000), MAX_WEBP_MS)) + bytes((WEBP_REPLACES,))
        _write_riff_chunk(file, b"ANMF", head + _webp_data(_coded(page.crop(box), "WEBP", exact=True, **options)))
        before = samples
    size = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", size))


def _webp_data(webp: bytes) -> bytes:
    """The chunks that make up the picture, whole."""
    at, data = 12, b""
    while at < len(webp):
        length = struct.unpack_from("<I", webp, at + 4)[0]
        end = at + 8 + length + (length & 1)
        if webp[at : at + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            data += webp[at:end]
        at = end
    return data


def _write_riff_chunk(file: BinaryIO, kind: bytes, body: bytes) -> None:
    file.write(kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1))


def _u24(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


ANIMATIONS: dict[str, Callable[[BinaryIO, Pages, dict[str, Any]], None]] = {
    "gif": write_gif,
    "png": write_png,
    "webp": write_webp,
}
