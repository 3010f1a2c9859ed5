"""A video's packets -> one digest of all that decides what they decode to, and when it is shown.

Equal digests mean equal films, without decoding either. Times, flags, side data and the codec's parameters count, and
so does every byte of a packet, but for user data in H.264 and HEVC: of that a decoder reads x264's build number, to
work round its old bugs, and captions, which are no part of the picture.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SEI = {"h264": (6,), "hevc": (39, 40)}  # ITU-T H.264, table 7-1; H.265, table 7-1
HEADER_BYTES = {"h264": 1, "hevc": 2}
LENGTHS_AT = {"h264": 4, "hevc": 21}  # in the configuration record: ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1
RECORD, LEAST_RECORD_BYTES = 1, 23
T35, UNREGISTERED = 4, 5  # user data: H.264, D.1.6 and D.1.7
CAPTIONS = b"GA94"  # ATSC A/53, after the country and the provider
UUID_BYTES = 16
X264_BUILD = re.compile(rb"x264 - core (\d{1,4})(?!\d)")


class Coding:
    """Takes the packets of one video track in order."""

    def __init__(self, stream: Any) -> None:
        """Of a stream from which nothing was decoded yet: a decoder writes into what it was told."""
        context = stream.codec_context
        light = (context.color_range, context.color_primaries, context.color_trc, context.colorspace)
        shape = (context.width, context.height, context.pix_fmt, stream.sample_aspect_ratio, *map(int, light))
        record = bytes(context.extradata or b"")
        codec = context.codec.canonical_name
        self._hash = hashlib.sha256()
        self._told(codec, context.codec_tag, *shape, stream.time_base)
        self._data(record)
        is_sized = codec in SEI and record[:1] == bytes((RECORD,)) and len(record) >= LEAST_RECORD_BYTES
        self._codec = codec if is_sized else ""
        self._length_bytes = (record[LENGTHS_AT[codec]] & 3) + 1 if is_sized else 0

    def add(self, packet: Any) -> None:
        """The next packet; an empty one marks the end and is nothing."""
        if not packet.size:
            return
        self._told(packet.pts, packet.dts, packet.duration, packet.is_keyframe, packet.is_discard, packet.is_corrupt)
        for piece in _pieces(memoryview(packet), self._codec, self._length_bytes):
            self._data(piece)
        for side in packet.iter_sidedata():
            self._told(side.data_type)
            self._data(side)

    def digest(self) -> str:
        """In hexadecimal."""
        return self._hash.hexdigest()

    def _told(self, *values: object) -> None:
        self._data(repr(values).encode())

    def _data(self, data: Any) -> None:
        view = memoryview(data)
        self._hash.update(view.nbytes.to_bytes(8, "big"))  # so that no two rows of pieces read the same
        self._hash.update(view)


def _pieces(packet: memoryview, codec: str, length_bytes: int) -> Iterator[Any]:
    """The units of a packet without user data; the whole packet where it is not made of units after their lengths."""
    if not codec:
        yield packet
        return
    at = 0
    while at < len(packet):
        start = at + length_bytes
        end = start + int.from_bytes(packet[at:start], "big")
        if end > len(packet) or end == start:
            yield packet[at:]  # padding, or damage: as it is
            return
        head = packet[start]
        kind = head & 31 if codec == "h264" else head >> 1 & 63
        if kind not in SEI[codec]:
            yield packet[start:end]
        elif left := _without_user_data(bytes(packet[start:end]), HEADER_BYTES[codec]):
            yield left
        at = end


def _without_user_data(unit: bytes, header_bytes: int) -> bytes:
    """What an SEI unit says beside user data; the unit as it is where it does not parse (H.264, 7.3.2.3.1)."""
    body = unit[header_bytes:].replace(b"\0\0\3", b"\0\0").rstrip(b"\0")
    if not body.endswith(b"\x80"):
        return unit
    at, said = 0, b""
    while at < len(body) - 1:
        kind, start = _run(body, at)
        size, start = _run(body, start)
        payload = body[start : start + size]
        if start + size > len(body) - 1:
            return unit
        if left := _told_to_decoder(kind, payload):
            said += b"%d %d " % (kind, len(left)) + left
        at = start + size
    return unit[:header_bytes] + said if said else b""


def _told_to_decoder(kind: int, payload: bytes) -> bytes:
    """What of a message a decoder minds; of anything but well-known user data, all. Never empty for such."""
    if kind == T35 and payload[3:7] == CAPTIONS:
        return b""
    if kind == UNREGISTERED and len(payload) >= UUID_BYTES:
        if build := X264_BUILD.match(payload, UUID_BYTES):
            return build.group(1)
        return payload if payload.startswith(b"x264", UUID_BYTES) else b""
    return b"=" + payload


def _run(body: bytes, at: int) -> tuple[int, int]:
    """A number coded as a run of 255s and a rest, and where it ends."""
    total = 0
    while at < len(body):
        total += body[at]
        at += 1
        if body[at - 1] != 255:
            return total, at
    return len(body) + 1, at  # cut short: larger than what is left
