"""A frame of Motion JPEG, PNG or DV in -> the same frame without camera data, comments and second pictures.

In these codecs every frame stands alone, with room of its own for what a camera wants to tell.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia
from media_screen.metadata.kinds import kind_of, named

if TYPE_CHECKING:
    from media_screen.types import Tag, TagKind

# APP0 (JFIF, AVI1: field order) and APP14 (Adobe: colour transform) tell how to show the picture: how many bytes do
_JPEG_KEPT_APPS = {b"JFIF\0": (0xE0, 14), b"AVI1": (0xE0, 14), b"Adobe": (0xEE, 12)}
# PNG 3rd ed., 11: pixels, palette, transparency, colour, shape
_PNG_KEPT = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"sBIT",
        b"pHYs",
        b"cICP",
        b"mDCV",
        b"cLLI",
    }
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# IEC 61834-4: sound source and its control, picture source and its control, no information
_DV_KEPT = frozenset({0x50, 0x51, 0x60, 0x61, 0xFF})
_DV_TIMES = frozenset({0x13, 0x14, 0x52, 0x53, 0x54, 0x62, 0x63, 0x64})
_DV_BLOCK_BYTES = 80
_NO_INFORMATION = b"\xff" * 5


class JpegSegments:
    """Motion JPEG: each frame is a JPEG with room for EXIF, comments and a second picture after its end."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See payload.Filter. Both fields of an interlaced frame are kept (AVI1)."""
        parts: list[bytes] = []
        at = 0
        for _ in range(2):
            if payload[at : at + 2] != b"\xff\xd8":
                break
            end = self._picture(payload, at, parts)
            at = end
            padding = len(payload) - at - len(payload[at:].lstrip(b"\0\xff"))
            if payload[at + padding : at + padding + 2] != b"\xff\xd8" or b"AVI1" not in payload[:32]:
                break
            at += padding
        if not parts:
            return payload
        if payload[at:].strip(b"\0\xff"):
            self._drop("picture" if b"\xff\xd8\xff" in payload[at:] else "unknown", "after a JPEG frame", payload[at:])
        return payload if (kept := b"".join(parts)) == payload.rstrip(b"\0") else kept

    def _picture(self, payload: bytes, start: int, parts: list[bytes]) -> int:
        """One picture's segments into parts; where it ends (ITU-T T.81, B.1)."""
        parts.append(payload[start : start + 2])
        at = start + 2
        while at + 4 <= len(payload):
            marker, length = payload[at + 1], struct.unpack_from(">H", payload, at + 2)[0]
            if payload[at : at + 2] == b"\xff\xff":  # fill bytes before a marker
                at += 1
                continue
            if payload[at] != 0xFF or length < 2 or at + 2 + length > len(payload):
                break
            if marker == 0xDA:
                end = _scan_end(payload, at + 2 + length)
                parts.append(payload[at:end])
                at = end
                if payload[at : at + 2] == b"\xff\xd9":
                    parts.append(b"\xff\xd9")
                    return at + 2
                continue
            segment = payload[at : at + 2 + length]
            parts.append(self._kept(marker, segment))
            at += 2 + length
        if at < len(payload):
            parts.append(payload[at:] if not payload[at:].strip(b"\0\xff\xd9") else b"")
        return len(payload)

    def _kept(self, marker: int, segment: bytes) -> bytes:
        """The segment as it may stay; empty where it may not."""
        if not 0xE0 <= marker <= 0xEF and marker != 0xFE:
            return segment
        text = segment[4:]
        for start, (app, length) in _JPEG_KEPT_APPS.items():
            if marker == app and text.startswith(start):
                if not text[length:].strip(b"\0") and (start != b"JFIF\0" or not any(text[12:14])):
                    return segment
                self._drop("picture" if start == b"JFIF\0" else "unknown", f"{start[:4].decode()} data", text[length:])
                text = text[:12] + b"\0\0" if start == b"JFIF\0" else text[:length]
                return segment[:2] + struct.pack(">H", len(text) + 2) + text
        name = "comment" if marker == 0xFE else f"APP{marker - 0xE0}"
        self._drop(
            "device" if text.startswith((b"Exif", b"http")) else kind_of(name, text), f"{name} in a JPEG frame", text
        )
        return b""

    def _drop(self, kind: TagKind, name: str, value: bytes) -> None:
        self.found[named(name, self.place, value, kind)] = None


class PngChunks:
    """PNG as a video codec."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See payload.Filter."""
        if not payload.startswith(PNG_SIGNATURE):
            raise CorruptMedia(f"a picture of {self.place} is no PNG")
        parts, at, kind = [PNG_SIGNATURE], len(PNG_SIGNATURE), b""
        while at + 12 <= len(payload) and kind != b"IEND":
            length, kind = struct.unpack_from(">I4s", payload, at)
            end = at + 12 + length
            if end > len(payload):
                raise CorruptMedia(f"a picture of {self.place} is cut short")
            if kind in _PNG_KEPT:
                parts.append(payload[at:end])
            else:
                name = kind.decode("latin-1")
                name = name if name.isprintable() else "?"
                self.found[named(f"{name} in a PNG frame", self.place, payload[at + 8 : end - 4])] = None
            at = end
        if payload[at:].strip(b"\0"):
            self.found[named("after a PNG frame", self.place, payload[at:], kind_of("", payload[at:]))] = None
        kept = b"".join(parts)
        return payload if kept == payload else kept


class DvBlocks:
    """DV: blocks of 80 bytes; subcode, picture and sound blocks carry packs of five bytes (IEC 61834-2, 8 and 9)."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See payload.Filter."""
        frame = bytearray(payload)
        for at in range(0, len(frame) - _DV_BLOCK_BYTES + 1, _DV_BLOCK_BYTES):
            section = frame[at] >> 5
            if section == 1:
                packs = range(at + 6, at + 3 + 6 * 8, 8)
            elif section == 2:
                packs = range(at + 3, at + 3 + 15 * 5, 5)
            elif section == 3:
                packs = range(at + 3, at + 4)
            else:
                continue
            for start in packs:
                if frame[start] not in _DV_KEPT:
                    kind: TagKind = "time" if frame[start] in _DV_TIMES else "device"
                    self.found[named(f"DV pack {frame[start]:#04x}", self.place, kind=kind)] = None
                    frame[start : start + 5] = _NO_INFORMATION
        return payload if frame == payload else bytes(frame)


def _scan_end(payload: bytes, at: int) -> int:
    """Where the entropy-coded bytes from `at` end: at a marker that is no restart and no stuffed zero."""
    while True:
        at = payload.find(b"\xff", at)
        if at < 0 or at + 1 >= len(payload):
            return len(payload)
        following = payload[at + 1]
        if following == 0 or 0xD0 <= following <= 0xD7:
            at += 2
        elif following == 0xFF:
            at += 1
        else:
            return at
