"""One packet of a video codec in -> the same packet without user data.

Each codec has its own hiding places: SEI in H.264/HEVC, user data in MPEG-1/2/4, application segments in Motion JPEG,
metadata units in AV1. VP8, VP9, ProRes and raw video have none.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Protocol

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.kinds import kind_of, named
from media_screen.metadata.sei import UnitFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.metadata.sei import Codec
    from media_screen.types import Tag, TagKind

# decoders work round the bugs of these encoders by name and number, so exactly that may stay
_KNOWN_ENCODER = re.compile(
    rb"(?:DivX\d{1,4}(?:b|Build)\d{1,5}p?|XviD\d{1,5}|(?:FFmpeg)?Lavc\d{1,3}\.\d{1,3}\.\d{1,3}|FFmpeg[0-9.]{1,12}b\d{1,8}|ffmpeg)\0?"
)
_CODE = re.compile(b"\0\0\1")
USER_DATA_CODE = 0xB2  # the same in ISO/IEC 11172-2, 13818-2 and 14496-2
# APP0 (JFIF, AVI1: field order) and APP14 (Adobe: colour transform) tell how to show the picture
_JPEG_KEPT_APPS = {0xE0: (b"JFIF\0", b"AVI1"), 0xEE: (b"Adobe",)}
_JPEG_APP_BYTES = 64  # a JFIF thumbnail would follow
_AV1_UNITS = {1, 2, 3, 4, 6, 7}  # headers, delimiter, tiles, frames (AV1, 6.2.2); 5 metadata, 8 tile list, 15 padding
_AV1_METADATA = {1, 2, 3}  # content light, mastering display, scalability (AV1, 6.7.1)
_AV1_HDR10_PLUS = b"\xb5\x00\x3c\x00\x01\x04"


class Filter(Protocol):
    """Takes user data out of packets and notes it in `found`."""

    found: dict[Tag, None]

    def packet(self, payload: bytes) -> bytes:
        """The packet as it may stay: the same object where nothing was taken out."""
        ...


class Units:
    """H.264 and HEVC, after lengths (`length_bytes`) or after start codes (0)."""

    def __init__(self, codec: Codec, place: str, *, length_bytes: int, dolby: bool = False) -> None:
        self._filter = UnitFilter(codec, place, dolby=dolby)
        self._length_bytes = length_bytes
        self.found = self._filter.found

    def packet(self, payload: bytes) -> bytes:
        """See Filter."""
        return self._filter.sized(payload, self._length_bytes) if self._length_bytes else self._filter.annexb(payload)

    def unit(self, unit: bytes) -> bytes:
        """One unit as it may stay; empty where it may not."""
        return self._filter.unit(unit)

    def same_length(self, payload: bytes) -> bytes:
        """As packet, with zeros where something was taken out; only after start codes."""
        return self._filter.annexb(payload, same_length=True)


class StartCodes:
    """User data of MPEG-1, MPEG-2 and MPEG-4 part 2."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See Filter."""
        return self._cut(payload, same_length=False)

    def same_length(self, payload: bytes) -> bytes:
        """As packet, with zeros where something was taken out."""
        return self._cut(payload, same_length=True)

    def _cut(self, payload: bytes, *, same_length: bool) -> bytes:
        starts = [match.start() for match in _CODE.finditer(payload)]
        if not any(payload[at + 3 : at + 4] == b"\xb2" for at in starts):
            return payload
        parts, end = [payload[: starts[0]]], len(payload)
        for at, after in zip(starts, [*starts[1:], end], strict=True):
            piece = payload[at:after]
            if piece[3:4] == b"\xb2" and not _KNOWN_ENCODER.fullmatch(piece[4:].rstrip(b"\0")):
                text = piece[4:]
                kind: TagKind = "text" if text[:4] == b"GA94" else kind_of("", text)
                self.found[named("user data", self.place, text, kind)] = None
                piece = bytes(len(piece)) if same_length else b""
            parts.append(piece)
        return payload if (kept := b"".join(parts)) == payload else kept


class JpegSegments:
    """Motion JPEG: each frame is a JPEG with room for EXIF, comments and a second picture after its end."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See Filter. Both fields of an interlaced frame are kept (AVI1)."""
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
            if self._kept(marker, segment):
                parts.append(segment)
            at += 2 + length
        if at < len(payload):
            parts.append(payload[at:] if not payload[at:].strip(b"\0\xff\xd9") else b"")
        return len(payload)

    def _kept(self, marker: int, segment: bytes) -> bool:
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            if len(segment) <= _JPEG_APP_BYTES and segment[4:].startswith(_JPEG_KEPT_APPS.get(marker, ())):
                return True
            text = segment[4:]
            name = "comment" if marker == 0xFE else f"APP{marker - 0xE0}"
            kind = "device" if text.startswith((b"Exif", b"http")) else kind_of(name, text)
            self._drop(kind, f"{name} in a JPEG frame", text)
            return False
        return True

    def _drop(self, kind: TagKind, name: str, value: bytes) -> None:
        self.found[named(name, self.place, value, kind)] = None


class Av1Units:
    """Open bitstream units of AV1."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.found: dict[Tag, None] = {}

    def packet(self, payload: bytes) -> bytes:
        """See Filter."""
        kept = b"".join(unit for unit in _av1_units(payload, self.place) if self._kept(unit))
        return kept if len(kept) != len(payload) else payload

    def _kept(self, unit: bytes) -> bool:
        kind = unit[0] >> 3 & 15
        if kind in _AV1_UNITS:
            return True
        body = unit[1 + (unit[0] >> 2 & 1) :]
        body = body[_leb128(body, 0)[1] :] if unit[0] & 2 else body
        if kind == 5:
            meaning, at = _leb128(body, 0)
            if meaning == 4 and body.startswith(_AV1_HDR10_PLUS, at):
                meaning = 1
            if len(body) <= 1024 and meaning in _AV1_METADATA:
                return True
        self.found[named(f"AV1 unit type {kind}", self.place, body, kind_of("", body))] = None
        return False


# names of codecs in AVI and in Matroska's compatibility mode
_H264_FOURCC = frozenset({b"H264", b"h264", b"X264", b"x264", b"AVC1", b"avc1", b"DAVC", b"VSSH"})
_HEVC_FOURCC = frozenset({b"HEVC", b"hevc", b"H265", b"h265", b"X265", b"x265", b"hvc1"})
_JPEG_FOURCC = frozenset({b"MJPG", b"mjpg", b"JPEG", b"jpeg", b"AVRn", b"dmb1", b"mjpa", b"IJPG"})
_START_FOURCC = frozenset(
    {
        b"XVID",
        b"xvid",
        b"DIVX",
        b"divx",
        b"DX50",
        b"FMP4",
        b"MP4V",
        b"mp4v",
        b"MP4S",
        b"M4S2",
        b"3IV2",
        b"RMP4",
        b"SEDG",
    }
    | {b"mpg1", b"mpg2", b"MPEG", b"MPG1", b"MPG2", b"\x01\0\0\x10", b"\x02\0\0\x10", b"m2v1"}
)
_PLAIN_FOURCC = frozenset(
    {
        b"DIV3",
        b"div3",
        b"MP43",
        b"MP42",
        b"MPG4",
        b"WMV1",
        b"WMV2",
        b"H263",
        b"h263",
        b"FLV1",
        b"cvid",
        b"IV50",
        b"IV41",
    }
    | {
        b"dvsd",
        b"DVSD",
        b"dv25",
        b"dv50",
        b"HFYU",
        b"FFVH",
        b"FFV1",
        b"MSVC",
        b"CRAM",
        b"VP80",
        b"VP90",
        b"VP60",
        b"VP62",
    }
    | {b"\0\0\0\0", b"DIB ", b"RGB ", b"YUY2", b"UYVY", b"I420", b"IYUV", b"YV12", b"Y800", b"ULRG", b"ULY0", b"LAGS"}
    | {b"MSZH", b"ZLIB", b"CFHD", b"\x01\0\0\0", b"theo", b"MAGY", b"M8RG", b"M8Y0", b"RV24", b"I263", b"IV32"}
)


def fourcc_filter(fourcc: bytes, extra: bytes, place: str) -> Filter | None:
    """The filter of a codec named by four letters; None for one that has no room for user data.

    Raises:
        StripFailed: the codec is not known.
    """
    if fourcc in _H264_FOURCC | _HEVC_FOURCC:
        hevc = fourcc in _HEVC_FOURCC
        sized = extra[:1] == b"\x01" and len(extra) > 22  # a configuration record instead of start codes
        length_bytes = (extra[21 if hevc else 4] & 3) + 1 if sized else 0
        return Units("hevc" if hevc else "h264", place, length_bytes=length_bytes)
    if fourcc in _JPEG_FOURCC:
        return JpegSegments(place)
    if fourcc in _START_FOURCC:
        return StartCodes(place)
    if fourcc == b"AV01":
        return Av1Units(place)
    if fourcc in _PLAIN_FOURCC:
        return None
    raise StripFailed(f"{place}: the video codec {fourcc.decode('latin-1')!r} is not known")


def _av1_units(payload: bytes, place: str) -> Iterator[bytes]:
    at = 0
    while at < len(payload):
        head = payload[at]
        body = at + 1 + (head >> 2 & 1)
        if head & 2:  # has a size (AV1, 5.3.1); without one it fills the rest
            size, body = _leb128(payload, body)
            end = body + size
        else:
            end = len(payload)
        if end > len(payload) or body > len(payload):
            raise CorruptMedia(f"a video unit in {place} is longer than its sample")
        yield payload[at:end]
        at = end


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A little-endian number of seven bits a byte, and where it ends (AV1, 4.10.5)."""
    value = 0
    for shift, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * shift
        if not byte & 128:
            return value, at + shift + 1
    return len(data) + 1, at


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
