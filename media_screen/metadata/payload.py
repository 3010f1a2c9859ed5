"""One packet of a video codec in -> the same packet without user data.

Each codec has its own hiding places: SEI in H.264/HEVC, user data in MPEG-1/2/4, application segments in Motion JPEG,
metadata units in AV1 (those of Motion JPEG, PNG and DV: intra.py). VP8, VP9, ProRes and raw video have none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.intra import DvBlocks, JpegSegments, PngChunks
from media_screen.metadata.kinds import kind_of, named
from media_screen.metadata.sei import UnitFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from media_screen.metadata.sei import Codec
    from media_screen.types import Tag, TagKind

# decoders work round the bugs of these encoders by name and number, so exactly that may stay
_KNOWN_ENCODER = re.compile(
    rb"(?:DivX\d{1,4}(?:b|Build)\d{1,5}p?|XviD\d{1,5}|(?:FFmpeg)?Lavc\d{1,3}\.\d{1,3}\.\d{1,3}|FFmpeg[0-9.]{1,12}b\d{1,8}|ffmpeg)\0?"
)
_CODE = re.compile(b"\0\0\1")
USER_DATA_CODE = 0xB2  # the same in ISO/IEC 11172-2, 13818-2 and 14496-2
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


def _letters(text: str) -> frozenset[bytes]:
    return frozenset(name.ljust(4).encode() for name in text.split())


_H264_FOURCC = _letters("H264 h264 X264 x264 AVC1 avc1 DAVC VSSH")
_HEVC_FOURCC = _letters("HEVC hevc H265 h265 X265 x265 hvc1")
_JPEG_FOURCC = _letters("MJPG mjpg JPEG jpeg AVRn dmb1 mjpa IJPG")
_DV_FOURCC = _letters("dvsd DVSD dvhd dv25 DV25 dv50 DV50 dvcp dvcs dvpp")
_PNG_FOURCC = _letters("MPNG mpng PNG png PNG1")
_START_FOURCC = _letters(
    "XVID xvid DIVX divx DX50 FMP4 MP4V mp4v MP4S M4S2 3IV2 RMP4 SEDG mpg1 mpg2 MPEG MPG1 MPG2 m2v1"
) | {b"\x01\0\0\x10", b"\x02\0\0\x10"}
_PLAIN_FOURCC = _letters(
    "DIV3 div3 MP43 MP42 MPG4 WMV1 WMV2 H263 h263 I263 FLV1 cvid IV32 IV41 IV50 HFYU FFVH FFV1 MSVC CRAM VP80 VP90 VP60"
    " VP62 DIB RGB YUY2 UYVY I420 IYUV YV12 Y800 ULRG ULY0 LAGS MSZH ZLIB theo MAGY M8RG M8Y0 RV24"
) | {b"\0\0\0\0", b"\x01\0\0\0"}
_FILTERS: tuple[tuple[frozenset[bytes], Callable[[str], Filter]], ...] = (
    (_JPEG_FOURCC, JpegSegments),
    (_DV_FOURCC, DvBlocks),
    (_PNG_FOURCC, PngChunks),
    (_START_FOURCC, StartCodes),
    (frozenset({b"AV01"}), Av1Units),
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
    for names, filter_of in _FILTERS:
        if fourcc in names:
            return filter_of(place)
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
