"""Codec headers in -> the same without comments, tags and pictures: H.264, HEVC, Vorbis, Theora, FLAC."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia

if TYPE_CHECKING:
    from collections.abc import Callable

    UnitClean = Callable[[bytes], bytes]

_EXTENDED_PROFILES = {100, 110, 122, 144}


def avc_config(config: bytes, clean: UnitClean) -> bytes:
    """AVCDecoderConfigurationRecord with parameter sets only (ISO/IEC 14496-15, 5.3.3.1)."""
    reader = _Reader(config)
    head = reader.take(5)
    sequence = _cleaned(reader.units(reader.byte() & 31), clean)
    picture = _cleaned(reader.units(reader.byte()), clean)
    packed = head + bytes((0xE0 | len(sequence),)) + _pack_units(sequence)
    packed += bytes((len(picture),)) + _pack_units(picture)
    if head[1] in _EXTENDED_PROFILES and len(config) - reader.at >= 4:
        depths = reader.take(3)
        extensions = _cleaned(reader.units(reader.byte()), clean)
        packed += depths + bytes((len(extensions),)) + _pack_units(extensions)
    return packed


def hevc_config(config: bytes, clean: UnitClean) -> bytes:
    """HEVCDecoderConfigurationRecord with cleaned arrays (ISO/IEC 14496-15, 8.3.3.1)."""
    reader = _Reader(config)
    head = reader.take(22)
    arrays: list[bytes] = []
    for _ in range(reader.byte()):
        kind = reader.take(1)
        units = _cleaned(reader.units(struct.unpack(">H", reader.take(2))[0]), clean)
        if units:
            arrays.append(kind + struct.pack(">H", len(units)) + _pack_units(units))
    return head + bytes((len(arrays),)) + b"".join(arrays)


def vorbis_headers(private: bytes) -> bytes:
    """Three Xiph-laced headers with an empty comment header (Vorbis I, 5.2.1; Theora, 6.3)."""
    if private[:1] != b"\x02":
        raise CorruptMedia("the codec headers do not parse")
    lengths, at = [], 1
    for _ in range(2):
        total = 0
        while at < len(private) and private[at] == 255:
            total += 255
            at += 1
        if at >= len(private):
            raise CorruptMedia("the codec headers do not parse")
        lengths.append(total + private[at])
        at += 1
    first, second = private[at : at + lengths[0]], private[at + lengths[0] : at + sum(lengths)]
    setup = private[at + sum(lengths) :]
    if len(first) < 7 or len(second) < 7 or not setup:
        raise CorruptMedia("the codec headers do not parse")
    # packet type and codec name, no vendor, no comments; Vorbis closes with a framing bit
    empty = second[:7] + bytes(8) + (b"\x01" if second[1:7] == b"vorbis" else b"")
    return b"\x02" + _xiph(len(first)) + _xiph(len(empty)) + first + empty + setup


def vorbis_comments(private: bytes) -> bytes:
    """The comment header's text, for the listing."""
    at = private.find(b"vorbis", private.find(b"vorbis") + 6)
    at = at if at >= 0 else private.find(b"theora", private.find(b"theora") + 6)
    return private[at + 6 : at + 400] if at >= 0 else b""


def flac_blocks(blocks: bytes) -> bytes:
    """Only the stream information block of a FLAC header, marked as the last (RFC 9639, 8)."""
    if len(blocks) < 38 or blocks[0] & 127 or blocks[1:4] != b"\0\0\x22":
        raise CorruptMedia("the FLAC header does not parse")
    return b"\x80" + blocks[1:38]


def _xiph(length: int) -> bytes:
    return b"\xff" * (length // 255) + bytes((length % 255,))


def _cleaned(units: list[bytes], clean: UnitClean) -> list[bytes]:
    return [unit for unit in map(clean, units) if unit]


def _pack_units(units: list[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        piece = self.data[self.at : self.at + length]
        if len(piece) < length:
            raise CorruptMedia("the decoder configuration is cut short")
        self.at += length
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def units(self, count: int) -> list[bytes]:
        return [self.take(struct.unpack(">H", self.take(2))[0]) for _ in range(count)]
