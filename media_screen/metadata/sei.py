"""H.264 and HEVC units in -> the same units without user data (SEI), hidden layers and stuffing that speaks.

An allow-list of unit types and of SEI messages: ITU-T H.264 table 7-1 and annex D, H.265 table 7-1 and annex D. Slices
and parameter sets are never touched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from media_screen.errors import CorruptMedia
from media_screen.metadata.kinds import kind_of, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.types import Tag, TagKind

Codec = Literal["h264", "hevc"]

# 1-5 slices, 6 SEI, 7-9 parameter sets and delimiter, 10-11 ends, 12 filler, 13 SPS extension
_H264_UNITS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
_H264_SECOND_VIEW = {14, 15, 16, 19, 20, 21}
H264_PREFIX, MAX_PREFIX_BYTES = 14, 16  # a few bits on the temporal layer of the next slice
# 0-9 and 16-21 slices, 32-34 parameter sets, 35 delimiter, 36-37 ends, 38 filler, 39-40 SEI
_HEVC_UNITS = frozenset({*range(10), *range(16, 22), *range(32, 41)})
# enhancement and its metadata, where the track declares Dolby Vision
_DOLBY_UNITS = {"h264": {28, 30}, "hevc": {62, 63}}

# timing, recovery, pan-scan, film grain, 3D packing, orientation; colour: 137 mdcv, 144 clli, 147 transfer, 148-149
_MESSAGES = {
    "h264": frozenset({0, 1, 2, 6, 7, 10, 11, 12, 19, 20, 21, 45, 47, 137, 144, 147, 148, 149}),
    "hevc": frozenset({0, 1, 2, 6, 19, 45, 47, 128, 129, 130, 131, 132, 137, 144, 147, 148, 149}),
}
MAX_MESSAGE_BYTES, MAX_LONG_MESSAGE_BYTES = 64, 1024
_LONG_MESSAGES = {0, 1, 19}  # buffering, timing, film grain: tables
USER_DATA_T35, USER_DATA_UNREGISTERED = 4, 5
# HDR10+ (SMPTE ST 2094-40) and HDR Vivid: how bright to show the picture
_DYNAMIC_HDR = (b"\xb5\x00\x3c\x00\x01\x04", b"\x26\x00\x04\x00\x05")
_MDPM = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66")  # AVCHD: the camera's date, exposure, GPS
_X264 = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
# decoders work round the bugs of old x264 by this number, so it stays; the settings after it go
_X264_BUILD = re.compile(rb"x264 - core \d{1,4}")

_ESCAPED = re.compile(rb"\0\0(?=[\0-\3])")


class UnitFilter:
    """Filters the units of one track and notes in `found` what it takes out."""

    def __init__(self, codec: Codec, place: str, *, dolby: bool = False) -> None:
        self.codec: Codec = codec
        self.place = place
        self.found: dict[Tag, None] = {}
        units = _H264_UNITS if codec == "h264" else _HEVC_UNITS
        self.units = units | _DOLBY_UNITS[codec] if dolby else units
        self.header = 1 if codec == "h264" else 2
        self.sei = {6} if codec == "h264" else {39, 40}
        self.filler = 12 if codec == "h264" else 38

    def unit(self, unit: bytes) -> bytes:
        """The unit as it may stay; empty where it may not."""
        if len(unit) <= self.header:
            # an end of sequence or stream is a header and nothing else
            return unit if unit and self._type(unit) in ({10, 11} if self.codec == "h264" else {36, 37}) else b""
        kind = self._type(unit)
        if kind in self.sei and not self._layer(unit):
            return self._messages(unit)
        if kind == self.filler:
            speaks = unit[self.header :].rstrip(b"\0").rstrip(b"\x80").strip(b"\xff")
            return self._drop("unknown", "filler") if speaks else unit
        if self.codec == "h264" and kind == H264_PREFIX and len(unit) <= MAX_PREFIX_BYTES:
            return unit
        if self._layer(unit) or (self.codec == "h264" and kind in _H264_SECOND_VIEW):
            return unit if kind in self.units and kind >= 62 else self._drop("picture", "second view or layer")
        return unit if kind in self.units else self._drop("unknown", f"unit type {kind}")

    def sized(self, sample: bytes, length_bytes: int) -> bytes:
        """A sample of units, each after its length (ISO/IEC 14496-15, 4.3.3).

        Raises:
            CorruptMedia: a length lies.
        """
        kept: list[bytes] = []
        changed, at = False, 0
        while at < len(sample):
            start = at + length_bytes
            if start > len(sample) and not any(sample[at:]):
                break  # padding
            end = start + int.from_bytes(sample[at:start], "big")
            if end > len(sample):
                raise CorruptMedia(f"a video unit in {self.place} is longer than its sample")
            # some cameras put several units with start codes behind one length; decoders split them
            units = _embedded(sample[start:end])
            for before in units:
                after = self.unit(before)
                changed |= after != before
                if after:
                    kept += (len(after).to_bytes(length_bytes, "big"), after)
            at = end
        if not changed:
            return sample
        return b"".join(kept) or self._placeholder(length_bytes)

    def annexb(self, stream: bytes, *, same_length: bool = False) -> bytes:
        """Units after start codes (H.264 annex B); with `same_length` zeros fill what was taken out, as it allows."""
        parts: list[bytes] = []
        changed = False
        for start, end, after in _start_codes(stream):
            before = stream[start:end]
            kept = self.unit(before)
            changed |= kept != before
            lead = b"\0\0\1" if start else b""
            parts.append((lead + kept if kept or not start else b"") + stream[end:after])
            if same_length:
                parts.append(bytes(len(before) - len(kept) + (0 if kept else len(lead))))
        return b"".join(parts) if changed else stream

    def _type(self, unit: bytes) -> int:
        return unit[0] & 31 if self.codec == "h264" else unit[0] >> 1 & 63

    def _layer(self, unit: bytes) -> int:
        return 0 if self.codec == "h264" else (unit[0] & 1) << 5 | unit[1] >> 3

    def _placeholder(self, length_bytes: int) -> bytes:
        """A sample cannot be empty: an access unit delimiter for any slice type."""
        unit = b"\x09\xf0" if self.codec == "h264" else b"\x46\x01\x50"
        return len(unit).to_bytes(length_bytes, "big") + unit

    def _drop(self, kind: TagKind, name: str, value: bytes = b"") -> bytes:
        self.found[named(name, self.place, value, kind)] = None
        return b""

    def _messages(self, unit: bytes) -> bytes:
        """An SEI unit with the messages that may stay (H.264 7.3.2.3.1)."""
        raw = unit[self.header :].replace(b"\0\0\3", b"\0\0").rstrip(b"\0")
        if not raw.endswith(b"\x80"):
            return self._drop("unknown", "SEI that does not parse")
        body, at, kept = raw[:-1], 0, b""
        while at < len(body):
            kind, start = _ff_number(body, at)
            size, start = _ff_number(body, start)
            if start + size > len(body):
                return self._drop("unknown", "SEI that does not parse")
            payload = self._payload(kind, body[start : start + size])
            if payload is not None:
                kept += body[at:start] + payload if len(payload) == size else bytes((kind, len(payload))) + payload
            at = start + size
        if kept == body:
            return unit
        return unit[: self.header] + _ESCAPED.sub(b"\0\0\3", kept + b"\x80") if kept else b""

    def _payload(self, kind: int, payload: bytes) -> bytes | None:
        """What of a message may stay; None for nothing."""
        most = MAX_LONG_MESSAGE_BYTES if kind in _LONG_MESSAGES else MAX_MESSAGE_BYTES
        if kind in _MESSAGES[self.codec] and len(payload) <= most:
            return payload
        if kind == USER_DATA_T35 and payload.startswith(_DYNAMIC_HDR) and len(payload) <= MAX_LONG_MESSAGE_BYTES:
            return payload
        if kind == USER_DATA_UNREGISTERED and payload.startswith(_X264) and (build := _X264_BUILD.match(payload, 16)):
            if build.group() != payload[16:]:
                self._drop("device", "x264 settings", payload[16:])
            return _X264 + build.group()
        self._drop(*_user_data(kind, payload))
        return None


def _user_data(kind: int, payload: bytes) -> tuple[TagKind, str, bytes]:
    if payload.startswith(_MDPM):
        tags = payload[21 : 21 + 5 * payload[20] : 5] if len(payload) > 20 else b""
        # 0xB0-0xCA carry GPS: the tags of EXIF's GPS block, in order
        return "location" if any(0xB0 <= tag <= 0xCA for tag in tags) else "time", "MDPM camera data", b""
    if kind == USER_DATA_UNREGISTERED:
        text = payload[16:]
        guess = kind_of("", text)
        if guess == "unknown" and (b"x265" in text[:40] or b"encoder" in text.lower()[:80]):
            return "device", "encoder settings", text
        return guess, "SEI user data", text
    if kind == USER_DATA_T35:
        if payload[3:7] == b"GA94":  # ATSC A/53
            return "text", "closed captions", b""
        return kind_of("", payload), "SEI registered user data", payload
    return ("time", "SEI time code", b"") if kind == 136 else (kind_of("", payload), f"SEI message {kind}", payload)


def _ff_number(body: bytes, at: int) -> tuple[int, int]:
    """A number coded as a run of 255s and a rest, and where it ends."""
    total = 0
    while at < len(body):
        total += body[at]
        at += 1
        if body[at - 1] != 255:
            return total, at
    return len(body) + 1, at  # cut short: larger than what is left


def _embedded(unit: bytes) -> list[bytes]:
    """The unit; or the units it is made of, where it has start codes inside."""
    code = unit.find(b"\0\0\1")
    if code < 0:
        return [unit]
    inner = [unit[code + start : code + end] for start, end, _ in _start_codes(unit[code:])]
    return [piece for piece in (unit[:code].rstrip(b"\0"), *inner) if piece]


def _start_codes(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, end, end with trailing zeros) of each unit; what stands before the first start code comes first."""
    code = stream.find(b"\0\0\1")
    if code < 0:
        return
    start = code + 3
    if code:
        yield 0, 0, code
    while True:
        following = stream.find(b"\0\0\1", start)
        after = len(stream) if following < 0 else following
        end = start + len(stream[start:after].rstrip(b"\0"))
        yield start, end, after
        if following < 0:
            return
        start = following + 3
