"""A sample description box (stsd) -> the same without names and unknown boxes, and a filter for the packets."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed
from media_screen.metadata.codec_headers import avc_config, flac_blocks, hevc_config, vorbis_headers
from media_screen.metadata.intra import DvBlocks, JpegSegments, PngChunks
from media_screen.metadata.isobmff import boxes, pack
from media_screen.metadata.kinds import SPEAKS, named
from media_screen.metadata.payload import Av1Units, Filter, StartCodes, Units

if TYPE_CHECKING:
    from media_screen.metadata.isobmff import Box
    from media_screen.types import Tag

MAX_ENTRIES = 64
MAX_CONFIG_BYTES = 1024
MAX_PROFILE_BYTES = 1 << 20


def _names(text: str) -> frozenset[bytes]:
    return frozenset(name.ljust(4).encode() for name in text.split())


def _sizes(text: str) -> dict[bytes, int]:
    words = text.split()
    return {name.ljust(4).encode(): int(size) for name, size in zip(words[::2], words[1::2], strict=True)}


_H264 = frozenset({b"avc1", b"avc3", b"dva1", b"dvav"})
_HEVC = frozenset({b"hvc1", b"hev1", b"dvh1", b"dvhe"})
_JPEG = frozenset({b"jpeg", b"mjpa", b"mjpg", b"MJPG", b"AVDJ"})
_PNG = frozenset({b"png ", b"MPNG"})
_DV = frozenset({b"dvc ", b"dvcp", b"dvpp", b"dv5n", b"dv5p", b"dvh5", b"dvh6"})
# ProRes, H.263, VP8/9, DNx, Sorenson, Cinepak, raw and lossless: pictures and nothing else
_PLAIN_VIDEO = _names(
    "apch apcn apcs apco ap4h ap4x s263 h263 H263 vp08 vp09 VP80 VP90 AVdn AVdh SVQ1 SVQ3 cvid rle raw 2vuy yuv2 v210"
    " v308 v408 v410 FFV1 mjpb I420 WRLE smc"
)
_START_CODED = frozenset(
    {b"mp4v", b"XVID", b"DIVX", b"FMP4", b"m2v1", b"mpg1", b"mpg2", b"hdv1", b"hdv2", b"hdv3", b"mx5n"}
)
_PLAIN_AUDIO = _names(
    "mp4a samr sawb sawp ac-3 ec-3 ac-4 Opus fLaC alac apac lpcm sowt twos in24 in32 fl32 fl64 ulaw alaw raw NONE .mp3"
    " mlpa dtsc dtsh dtsl dtse ipcm fpcm mha1 mhm1 ima4 Qclp MAC3 MAC6 QDM2"
)
# bits of one sample; 0 where the entry says
_PCM_BITS = {b"twos": 0, b"sowt": 0, b"raw ": 0, b"NONE": 0, b"ulaw": 8, b"alaw": 8, b"in24": 24, b"in32": 32}
_PCM_BITS |= {b"fl32": 32, b"fl64": 64}
_OLD_GROUPS = {b"ima4": (64, 34), b"MAC3": (6, 2), b"MAC6": (6, 1)}  # samples and bytes a channel, of a packet
# sizes, shape and colour of the picture, HDR, Dolby Vision, how the codec starts, each with the most bytes it can
# have: ISO/IEC 14496-12 12.1 and 12.2, 14496-15, QuickTime File Format
_KEPT_BYTES = _sizes(
    "pasp 8 clap 32 fiel 2 mdcv 24 clli 4 cclv 32 amve 8 SmDm 28 CoLL 8 dvcC 24 dvvC 24 dvwC 24 btrt 20 gama 4 chrm 36"
    " vpcC 16 SMI 128 dac3 3 dec3 64 dac4 128 dOps 64 alac 64 chan 1024 chnl 128 srat 8 pcmC 6 enda 2 frma 4 mp4a 12"
    " ddts 20 dmlp 16 mhaC 512 dapa 128 APRG 32 ARES 128 AORD 64 ACLR 16 proj 256 st3d 5"
) | {b"\0\0\0\0": 4}
_NESTED = frozenset({b"wave", b"sv3d"})
_VENDOR_FIRST = frozenset({b"damr", b"d263"})  # 3GPP TS 26.244: four letters of the maker
_VISUAL_BYTES, _AUDIO_BYTES = 78, 28


@dataclass(slots=True, kw_only=True)
class Entry:
    """One cleaned sample entry."""

    packed: bytes
    filter: Filter | None
    group: tuple[int, int] | None = None  # of sound: so many samples lie in so many bytes, where stsz does not say


def clean_entries(stsd: bytes, *, video: bool, place: str, found: dict[Tag, None]) -> tuple[bytes, list[Entry]]:
    """The content of an stsd box, cleaned.

    Raises:
        CorruptMedia: it does not parse.
        StripFailed: a codec that is not known, or encryption.
    """
    if len(stsd) < 8:
        raise CorruptMedia(f"{place} has no sample description")
    found_boxes = list(boxes(stsd, 8))
    if not 0 < len(found_boxes) <= MAX_ENTRIES:
        raise CorruptMedia(f"{place} has no sample description, or more than any real file")
    entries = [_Cleaner(stsd, box, place, found).entry(video=video) for box in found_boxes]
    head = stsd[:4] + struct.pack(">I", len(entries))
    return pack(b"stsd", head, *(entry.packed for entry in entries)), entries


class _Cleaner:
    """One sample entry."""

    def __init__(self, buffer: bytes, box: Box, place: str, found: dict[Tag, None]) -> None:
        self.buffer, self.box, self.place, self.found = buffer, box, place, found
        self.filter: Filter | None = None
        self.group: tuple[int, int] | None = None

    def entry(self, *, video: bool) -> Entry:
        kind = self.box.kind
        if kind in (b"encv", b"enca", b"drmi", b"drms", b"p608"):
            raise StripFailed(f"{self.place} is encrypted ({self.box.name})")
        if video:
            self.filter = self._plain_filter(kind)
            head, at = self._visual_head()
        else:
            if kind not in _PLAIN_AUDIO and not kind.startswith(b"ms\0"):
                raise StripFailed(f"{self.place}: the audio codec {self.box.name!r} is not known")
            head, at = self._audio_head()
        children = self._children(at, self.box.end)
        if kind in _H264 | _HEVC and not isinstance(self.filter, Units):
            raise CorruptMedia(f"{self.place} has no decoder configuration")
        return Entry(packed=pack(kind, head, children), filter=self.filter, group=self.group)

    def _plain_filter(self, kind: bytes) -> Filter | None:
        if kind in _JPEG:
            return JpegSegments(self.place)
        if kind in _PNG:
            return PngChunks(self.place)
        if kind in _DV:
            return DvBlocks(self.place)
        if kind in _START_CODED:
            return StartCodes(self.place)
        if kind == b"av01":
            return Av1Units(self.place)
        if kind in _H264 | _HEVC | _PLAIN_VIDEO:
            return None
        raise StripFailed(f"{self.place}: the video codec {self.box.name!r} is not known")

    def _visual_head(self) -> tuple[bytes, int]:
        """Everything before the child boxes; reserved fields, vendor and compressor name zeroed."""
        raw = self._fixed(_VISUAL_BYTES)
        name = raw[43 : 43 + min(raw[42], 31)] or raw[42:74].strip(b"\0")
        if name.strip(b"\0 "):
            self.found[named("compressor name", self.place, name, "device")] = None
        self._blanked(raw[:6] + raw[8:16])
        head = bytes(6) + raw[6:8] + bytes(8) + raw[16:42] + bytes(32) + raw[74:78]
        at = self.box.body + _VISUAL_BYTES
        (depth, table) = struct.unpack(">Hh", raw[74:78])
        if table == 0 and depth & 31 in (1, 2, 4, 8):  # QuickTime: a palette of its own follows
            end = at + 8 + 8 * (int.from_bytes(self.buffer[at + 6 : at + 8], "big") + 1)
            if end <= self.box.end:
                return head + self.buffer[at:end], end
        return head, at

    def _audio_head(self) -> tuple[bytes, int]:
        raw = self._fixed(_AUDIO_BYTES)
        version = int.from_bytes(raw[8:10], "big")
        self._blanked(raw[:6] + raw[10:16])
        extra = {1: 16, 2: 36}.get(version, 0)  # QuickTime File Format, sound sample description
        start = self.box.body + _AUDIO_BYTES
        if version == 1 and not self._walks(start + extra):
            extra = 0  # ISO/IEC 14496-12, 12.2.3: version 1 without QuickTime's fields
        if start + extra > self.box.end:
            raise CorruptMedia(f"the sample description of {self.place} is cut short")
        self.group = _group(self.box.kind, raw, self.buffer[start : start + extra])
        head = bytes(6) + raw[6:10] + bytes(6) + raw[16:28] + self.buffer[start : start + extra]
        return head, start + extra

    def _fixed(self, length: int) -> bytes:
        if self.box.size_bytes < length:
            raise CorruptMedia(f"the sample description of {self.place} is cut short")
        return self.buffer[self.box.body : self.box.body + length]

    def _blanked(self, reserved: bytes) -> None:
        """Reserved fields and the vendor's four letters, which are zero in the new file."""
        if reserved.strip(b"\0"):
            self.found[named("vendor", self.place, reserved, "device")] = None

    def _walks(self, at: int) -> bool:
        try:
            return at <= self.box.end and all(box.kind.isascii() for box in boxes(self.buffer, at, self.box.end))
        except CorruptMedia:
            return False

    def _children(self, start: int, end: int, depth: int = 0) -> bytes:
        if not self._walks(start):  # bytes that are no box: dropped, if a codec needs them it will not decode
            self.found[named("rest of a sample description", self.place, self.buffer[start:end], "unknown")] = None
            return b""
        kids = list(boxes(self.buffer, start, end))
        dolby = any(kid.kind in (b"dvcC", b"dvvC", b"dvwC") for kid in kids)
        return b"".join(self._child(kid, dolby=dolby, depth=depth) for kid in kids)

    def _child(self, kid: Box, *, dolby: bool, depth: int) -> bytes:
        body = self.buffer[kid.body : kid.end]
        if kid.kind == b"sinf":
            raise StripFailed(f"{self.place} is encrypted")
        if kid.kind in _NESTED and depth == 0:
            return pack(kid.kind, self._children(kid.body, kid.end, 1))
        before = len(self.filter.found) if self.filter else 0
        packed = self._configured(kid, body, dolby=dolby)
        if packed is None:
            self.found[named(kid.name, self.place, body, "unknown")] = None
            return b""
        spoken = self.filter is not None and len(self.filter.found) > before
        if len(packed) < kid.end - kid.start and not spoken and kid.kind not in (b"esds", b"dfLa"):
            self.found[named(f"rest of {kid.name}", self.place, body, "unknown")] = None
        return packed

    def _configured(self, kid: Box, body: bytes, *, dolby: bool) -> bytes | None:
        kind = kid.kind
        if kind in (b"avcC", b"hvcC"):
            avc = kind == b"avcC"
            length_bytes = (body.ljust(22, b"\0")[4 if avc else 21] & 3) + 1
            units = Units("h264" if avc else "hevc", self.place, length_bytes=length_bytes, dolby=dolby)
            self.filter = units
            return pack(kind, avc_config(body, units.unit) if avc else hevc_config(body, units.unit))
        if kind == b"esds":
            return pack(kind, self._elementary_stream(body))
        if kind == b"av1C" and self.filter:
            return pack(kind, body[:4], self.filter.packet(body[4:]))
        if kind == b"dfLa":
            return pack(kind, body[:4], self._tagless(body[4:], flac_blocks(body[4:])))
        if kind in _VENDOR_FIRST:
            return pack(kind, bytes(4), body[4:32])
        return _plain(kind, body)

    def _elementary_stream(self, body: bytes) -> bytes:
        """An elementary stream descriptor of decoder configuration only (ISO/IEC 14496-1, 7.2.6.5)."""
        tag, start, end = _descriptor(body, 4, len(body), self.place)
        if tag != 3 or end - start < 3:
            raise CorruptMedia(f"the decoder configuration of {self.place} does not parse")
        flags = body[start + 2]
        at = start + 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
        if flags & 0x40:  # a URL
            raise StripFailed(f"{self.place} lies outside the file")
        tag, config, config_end = _descriptor(body, at, end, self.place)
        if tag != 4 or config_end - config < 13:
            raise CorruptMedia(f"the decoder configuration of {self.place} does not parse")
        specific = b""
        if config + 13 < config_end:
            tag, first, last = _descriptor(body, config + 13, config_end, self.place)
            specific = _pack_descriptor(5, self._specific(body[config], body[first:last])) if tag == 5 else b""
        decoder = _pack_descriptor(4, body[config : config + 13] + specific)
        packed = body[:4] + _pack_descriptor(3, body[start : start + 2] + b"\0" + decoder + b"\x06\x80\x80\x80\x01\x02")
        if SPEAKS.search(body, config_end):
            self.found[named("rest of esds", self.place, body[config_end:], "unknown")] = None
        return packed

    def _tagless(self, before: bytes, after: bytes) -> bytes:
        if before != after:
            self.found[named("comments in the codec header", self.place, before, "text")] = None
        return after

    def _specific(self, object_type: int, specific: bytes) -> bytes:
        """Decoder specific information, by the registry of MP4RA object types."""
        if object_type in (0x20, *range(0x60, 0x66), 0x6A):
            starts = StartCodes(self.place)
            self.filter = starts
            return starts.packet(specific)
        if object_type == 0x6C:
            self.filter = JpegSegments(self.place)
        if object_type == 0x6D:
            self.filter = PngChunks(self.place)
        if object_type == 0xDD and specific[:1] == b"\x02":
            return self._tagless(specific, vorbis_headers(specific))
        return specific[:MAX_CONFIG_BYTES]


def _plain(kind: bytes, body: bytes) -> bytes | None:
    """A box that is kept as it is, as far as it speaks of shape, colour or codec."""
    if kind == b"colr" and body[:4] in (b"nclx", b"nclc"):  # numbers
        return pack(kind, body[: 11 if body[:4] == b"nclx" else 10])
    if kind == b"colr" and body[:4] in (b"rICC", b"prof"):  # a profile, which says its length (ICC.1, 7.2)
        whole = body[40:44] == b"acsp" and int.from_bytes(body[4:8], "big") == len(body) - 4 <= MAX_PROFILE_BYTES
        return pack(kind, body) if whole else None
    return pack(kind, body) if len(body) <= _KEPT_BYTES.get(kind, -1) else None


def _group(kind: bytes, raw: bytes, extra: bytes) -> tuple[int, int] | None:
    """How many samples of sound lie in how many bytes. QuickTime counts samples of one byte whatever their size."""
    channels, bits = struct.unpack_from(">HH", raw, 16)
    if kind in _PCM_BITS and len(extra) < 36:
        return 1, (_PCM_BITS[kind] or bits) // 8 * channels
    if len(extra) == 16:  # version 1
        samples, _, frame_bytes = struct.unpack_from(">3I", extra)
        return (samples, frame_bytes) if samples and frame_bytes else None
    if len(extra) == 36:  # version 2
        packet_bytes, samples = struct.unpack_from(">2I", extra, 28)
        return (samples, packet_bytes) if samples and packet_bytes else None
    if kind in _OLD_GROUPS:
        samples, channel_bytes = _OLD_GROUPS[kind]
        return samples, channel_bytes * channels
    return None


def _descriptor(body: bytes, at: int, end: int, place: str) -> tuple[int, int, int]:
    """Tag, start and end of a descriptor (ISO/IEC 14496-1, 8.3.3)."""
    length = 0
    for index in range(4):
        byte = body[at + 1 + index] if at + 1 + index < end else 0
        length = length << 7 | byte & 127
        if not byte & 128:
            start = at + 2 + index
            if start + length <= end:
                return body[at], start, start + length
            break
    raise CorruptMedia(f"the decoder configuration of {place} does not parse")


def _pack_descriptor(tag: int, body: bytes) -> bytes:
    length = len(body)
    return bytes((tag, length >> 21 | 128, length >> 14 & 127 | 128, length >> 7 & 127 | 128, length & 127)) + body
