"""H.264 packets + the moments that are painted -> the stretches to encode anew; all others are copied as they are.

A stretch begins at an IDR picture and ends before another: nothing outside refers to what is inside, nor the other way
round. It is encoded with parameter sets of its own (ITU-T H.264, 7.4.1.2.1: up to 32 of them in one stream), which
join the source's in the container's configuration record. Whatever is unusual is left to a full encoding.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from media_screen.decode import main_video, open_video, video_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from fractions import Fraction

    from media_screen.types import MediaInfo

    IsPainted = Callable[[Fraction], bool]  # seconds since the first frame

FORMATS = ("mp4", "matroska")  # whose configuration record names all parameter sets, and whose packets state times
PROFILES = {"Baseline": "baseline", "Constrained Baseline": "baseline", "Main": "main", "High": "high"}
PIXEL_FORMATS = ("yuv420p", "yuvj420p")
LEAST_COPIED = 0.1  # of the packets; for less, one encoding without seams is better
MAX_SETS = 31  # highest number of a sequence parameter set
IDR = 5  # H.264, table 7-1
AVCC_VERSION, FOUR_BYTES = 1, 3
HIGH_PROFILES = (100, 110, 122, 144)


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """Which packets of a track are encoded anew, and how the new ones must be made to fit between the others."""

    stretches: tuple[range, ...]  # packet numbers; of frames the same, since the groups are closed
    dts: tuple[int, ...]  # decoding time of every packet
    first_pts: int
    set_number: int  # free for the new parameter sets
    reorder: int  # how far behind its decoding the source shows a picture: the new ones may not lag further
    profile: str
    config: bytes  # the source's record

    @property
    def copied(self) -> tuple[range, ...]:
        """The frames between the stretches."""
        edges = [0, *(n for s in self.stretches for n in (s.start, s.stop)), len(self.dts)]
        return tuple(range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)

    def options(self) -> dict[str, str]:
        """For the encoder of a stretch: lengths before its units, sets of its own, no longer lag than the source's."""
        lag = {0: {"bf": "0"}, 1: {"b-pyramid": "none"}}.get(self.reorder, {})
        return {"profile": self.profile, "x264-params": f"annexb=0:sps-id={self.set_number}", **lag}

    def joined(self, config: bytes) -> bytes:
        """The source's configuration record with the parameter sets of another in it (ISO/IEC 14496-15, 5.3.3.1)."""
        mine, new = _Record(self.config), _Record(config)
        level = max(self.config[3], config[3])
        head = bytes((AVCC_VERSION, self.config[1], self.config[2] & config[2], level, self.config[4]))
        sequence, picture = mine.sequence + new.sequence, mine.picture + new.picture
        return b"".join(
            (
                head,
                bytes((0xE0 | len(sequence),)),
                _packed(sequence),
                bytes((len(picture),)),
                _packed(picture),
                mine.rest,
            )
        )


def splice_for(info: MediaInfo, is_painted: IsPainted) -> Splice | None:
    """How to encode only what is painted; None where all must be encoded, or nearly all."""
    if info.format not in FORMATS or info.codec != "h264" or info.bit_depth != 8:
        return None
    with video_errors(), open_video(info.path, info.format) as container:
        stream = main_video(container)
        context = stream.codec_context
        config = bytes(context.extradata or b"")
        if context.profile not in PROFILES or context.pix_fmt not in PIXEL_FORMATS or not _is_plain(config):
            return None
        packets = [_Packet.of(p) for p in container.demux(stream) if p.size]
        tick_s = stream.time_base
    number = _free_number(_Record(config))
    if not packets or not all(p.is_plain for p in packets) or number > MAX_SETS:
        return None
    pts, dts = [p.pts for p in packets], [p.dts for p in packets]
    if len(set(pts)) < len(pts) or any(a >= b for a, b in itertools.pairwise(dts)):
        return None
    first = min(pts)
    stretches = tuple(_stretches(packets, lambda p: is_painted((p - first) * tick_s)))
    if not stretches or sum(map(len, stretches)) > (1 - LEAST_COPIED) * len(packets):
        return None
    return Splice(
        stretches=stretches,
        dts=tuple(dts),
        first_pts=first,
        set_number=number,
        reorder=_reorder(sorted(pts), dts),
        profile=PROFILES[context.profile],
        config=config,
    )


@dataclass(frozen=True, slots=True)
class _Packet:
    pts: int
    dts: int
    is_idr: bool
    is_plain: bool  # states its times and is shown

    @classmethod
    def of(cls, packet: Any) -> _Packet:
        is_plain = packet.pts is not None and packet.dts is not None and not packet.is_discard and not packet.is_corrupt
        is_idr = packet.is_keyframe and IDR in _unit_kinds(bytes(packet))
        return cls(packet.pts or 0, packet.dts or 0, is_idr, is_plain)


def _unit_kinds(data: bytes) -> Iterator[int]:
    """nal_unit_type of each unit of a packet with four-byte lengths."""
    at = 0
    while at + 4 < len(data):
        yield data[at + 4] & 31
        at += 4 + int.from_bytes(data[at : at + 4], "big")


def _stretches(packets: Sequence[_Packet], is_painted: Callable[[int], bool]) -> Iterator[range]:
    """Runs of closed groups in which something is painted."""
    starts = [*_closed_starts(packets), len(packets)]
    begin = None
    for start, end in itertools.pairwise(starts):
        if any(is_painted(p.pts) for p in packets[start:end]):
            begin = start if begin is None else begin
        elif begin is not None:
            yield range(begin, start)
            begin = None
    if begin is not None:
        yield range(begin, len(packets))


def _closed_starts(packets: Sequence[_Packet]) -> Iterator[int]:
    """The first packet, and each IDR before which all that is decoded is shown, and after which nothing earlier."""
    latest = list(itertools.accumulate((p.pts for p in packets), max))
    earliest = list(itertools.accumulate((p.pts for p in reversed(packets)), min))[::-1]
    for number, packet in enumerate(packets):
        if not number or (packet.is_idr and latest[number - 1] < packet.pts == earliest[number]):
            yield number


def _reorder(shown: Sequence[int], dts: Sequence[int]) -> int:
    """The largest lag in frames with which every picture is still decoded before it is shown."""
    for lag in (2, 1):
        if all(pts >= decoded for pts, decoded in zip(shown, dts[lag:], strict=False)):
            return lag
    return 0


# --- the configuration record -------------------------------------------------------------------------------------


class _Record:
    """Parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""

    def __init__(self, config: bytes) -> None:
        self.sequence, at = _units(config, 6, config[5] & 31)
        self.picture, at = _units(config, at + 1, config[at])
        self.rest = config[at:]


def _is_plain(config: bytes) -> bool:
    if len(config) < 7 or config[0] != AVCC_VERSION or config[4] & 3 != FOUR_BYTES:
        return False
    try:
        record = _Record(config)
    except (struct.error, IndexError):
        return False
    return bool(record.sequence and record.picture)


def _units(config: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    units = []
    for _ in range(count):
        (length,) = struct.unpack_from(">H", config, at)
        units.append(config[at + 2 : at + 2 + length])
        at += 2 + length
    return units, at


def _packed(units: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def _free_number(record: _Record) -> int:
    """One more than the highest number of a sequence or picture parameter set: the encoder gives both the same."""
    numbers = [_first_number(unit[4:]) for unit in record.sequence] + [
        _first_number(unit[1:]) for unit in record.picture
    ]
    return 1 + max(numbers)


def _first_number(data: bytes) -> int:
    """The unsigned Exp-Golomb number that some bytes begin with (H.264, 9.1)."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1
