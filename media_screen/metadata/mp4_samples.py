"""Sample tables of a track (stsz, stsc, stco) -> where each chunk's bytes lie, and the tables for where they went."""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia
from media_screen.metadata.isobmff import pack, pack_full

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.metadata.isobmff import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Samples that lie one after the other."""

    index: int
    offset: int
    size_bytes: int
    first: int  # index of its first sample
    count: int
    description: int  # 1-based, into stsd


@dataclass(slots=True, kw_only=True)
class SampleTable:
    """ISO/IEC 14496-12, 8.7."""

    count: int = 0
    fixed_bytes: int = 0  # of every sample; 0 where `sizes` says
    group: tuple[int, int] | None = None  # of sound: so many samples lie in so many bytes, whatever `fixed_bytes` says
    sizes: array[int] = field(default_factory=lambda: array("I"))
    runs: list[tuple[int, int, int]] = field(default_factory=list)  # first chunk, samples a chunk, description
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    rest: bytes = b""  # what follows the numbers in their boxes

    def size(self, sample: int) -> int:
        """Bytes of one sample."""
        return self.fixed_bytes or self.sizes[sample]

    def chunks(self) -> Iterator[Chunk]:
        """In the order of the table.

        Raises:
            CorruptMedia: samples without a place.
        """
        first, run = 0, 0
        for number, offset in enumerate(self.offsets, 1):
            while run + 1 < len(self.runs) and self.runs[run + 1][0] <= number:
                run += 1
            count = min(self.runs[run][1], self.count - first) if self.runs else 0
            size = self._bytes(first, count)
            description = self.runs[run][2] if self.runs else 1
            yield Chunk(
                index=number - 1, offset=offset, size_bytes=size, first=first, count=count, description=description
            )
            first += count
        if first < self.count:
            raise CorruptMedia("the sample tables speak of samples that lie nowhere")

    def _bytes(self, first: int, count: int) -> int:
        if not self.fixed_bytes:
            return sum(self.sizes[first : first + count])
        samples, size = self.group or (1, self.fixed_bytes)
        return count // samples * size


def read_table(buffer: bytes, children: dict[bytes, Box]) -> SampleTable:
    """The table of an stbl box; the counts are believed only as far as the boxes reach that hold them.

    Raises:
        CorruptMedia: a box is absent or shorter than its count says.
    """
    table = SampleTable()
    if b"stsz" in children:
        fixed, count = _ints(buffer, children[b"stsz"], 4, 2)
        table.fixed_bytes, table.count = fixed, count
        if not fixed:
            table.sizes = _numbers(buffer, children[b"stsz"], 12, count, "I")
        table.rest = _after(buffer, children[b"stsz"], 12 + 4 * len(table.sizes))
    elif b"stz2" in children:
        table.sizes, used = _compact_sizes(buffer, children[b"stz2"])
        table.count = len(table.sizes)
        table.rest = _after(buffer, children[b"stz2"], used)
    else:
        raise CorruptMedia("a track has no sample sizes")
    if b"stsc" not in children or not (b"stco" in children or b"co64" in children):
        raise CorruptMedia("a track has no chunk table")
    (runs,) = _ints(buffer, children[b"stsc"], 4, 1)
    numbers = _numbers(buffer, children[b"stsc"], 8, runs * 3, "I")
    table.runs = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
    if any(a[0] >= b[0] for a, b in zip(table.runs, table.runs[1:], strict=False)):
        raise CorruptMedia("the chunk table is out of order")
    kind = b"co64" if b"co64" in children else b"stco"
    (count,) = _ints(buffer, children[kind], 4, 1)
    width = 8 if kind == b"co64" else 4
    table.offsets = array("Q", _numbers(buffer, children[kind], 8, count, "Q" if width == 8 else "I"))
    table.rest += _after(buffer, children[b"stsc"], 8 + 12 * runs) + _after(buffer, children[kind], 8 + width * count)
    return table


def pack_sizes(table: SampleTable, sizes: array[int] | None) -> bytes:
    """An stsz box; with `sizes`, of what the samples have become."""
    if sizes is None and table.fixed_bytes:
        return pack_full(b"stsz", 0, 0, struct.pack(">II", table.fixed_bytes, table.count))
    return pack_full(b"stsz", 0, 0, struct.pack(">II", 0, table.count), _big_endian(sizes or table.sizes))


def pack_offsets(offsets: array[int], *, wide: bool) -> bytes:
    """An stco box, or co64 where offsets need 64 bits."""
    numbers = offsets if wide else array("I", offsets)
    return pack_full(b"co64" if wide else b"stco", 0, 0, struct.pack(">I", len(offsets)), _big_endian(numbers))


def pack_runs(table: SampleTable) -> bytes:
    """An stsc box."""
    flat = array("I", [number for run in table.runs for number in run])
    return pack(b"stsc", bytes(4), struct.pack(">I", len(table.runs)), _big_endian(flat))


class Extents:
    """Stretches of the file that hold media data: what they contain, and what of them is spoken for."""

    def __init__(self, stretches: list[tuple[int, int]]) -> None:
        self._stretches = sorted(stretches)
        self._starts = [start for start, _ in self._stretches]
        self._claims: list[tuple[int, int]] = []
        self._kept_bytes = 0
        self._total_bytes = sum(end - start for start, end in stretches)

    def holds(self, start: int, size_bytes: int) -> bool:
        """True where the bytes lie inside one stretch."""
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and start + size_bytes <= self._stretches[index][1]

    def claim(self, start: int, size_bytes: int, *, kept: bool) -> None:
        """Note bytes as belonging to a track.

        Raises:
            CorruptMedia: kept bytes outside the media data, or the same bytes again and again.
        """
        if not size_bytes:
            return
        if kept:
            if not self.holds(start, size_bytes):
                raise CorruptMedia("the sample tables point outside the media data: the file is cut short or damaged")
            self._kept_bytes += size_bytes
            if self._kept_bytes > self._total_bytes:
                raise CorruptMedia("the sample tables use the same bytes again and again")
        last = self._claims[-1] if self._claims else None
        if last and last[1] == start:
            self._claims[-1] = (last[0], start + size_bytes)
        else:
            self._claims.append((start, start + size_bytes))

    def orphans(self) -> Iterator[tuple[int, int]]:
        """Stretches that no track claims."""
        claims = sorted(self._claims)
        index = 0
        for start, end in self._stretches:
            at = start
            while index < len(claims) and claims[index][0] < end:
                claimed, until = claims[index]
                if claimed > at:
                    yield at, claimed
                at = max(at, until)
                if until > end:
                    break
                index += 1
            if at < end:
                yield at, end


def _ints(buffer: bytes, box: Box, skip: int, count: int) -> tuple[int, ...]:
    if box.size_bytes < skip + 4 * count:
        raise CorruptMedia(f"the box {box.name!r} is cut short")
    return struct.unpack_from(f">{count}I", buffer, box.body + skip)


def _numbers(buffer: bytes, box: Box, skip: int, count: int, code: str) -> array[int]:
    """A table of numbers; the count is believed only as far as the box reaches."""
    numbers: array[int] = array(code)
    length = count * numbers.itemsize
    if box.size_bytes < skip + length:
        raise CorruptMedia(f"the box {box.name!r} is shorter than its count says")
    numbers.frombytes(buffer[box.body + skip : box.body + skip + length])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _after(buffer: bytes, box: Box, used: int) -> bytes:
    return buffer[box.body + used : box.end]


def _compact_sizes(buffer: bytes, box: Box) -> tuple[array[int], int]:
    """Sizes of 4, 8 or 16 bits (8.7.3.3), and how many bytes of the box they use."""
    field_bits, count = _ints(buffer, box, 4, 2)
    field_bits &= 255
    used = 12 + (count * field_bits + 7) // 8
    if field_bits not in (4, 8, 16) or box.size_bytes < used:
        raise CorruptMedia("the box 'stz2' is shorter than its count says")
    body = buffer[box.body + 12 : box.end]
    if field_bits == 16:
        return array("I", struct.unpack_from(f">{count}H", body)), used
    if field_bits == 8:
        return array("I", list(body[:count])), used
    return array("I", [nibble for byte in body for nibble in (byte >> 4, byte & 15)][:count]), used


def _big_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
