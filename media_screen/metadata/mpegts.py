"""MPEG-TS and M2TS in -> the same stream without metadata: one program, its main video, all its sound, nothing else.

Packets of the kept streams stay where they are, in order, with their clocks; what must go from inside them is
overwritten in place, since H.264, HEVC and MPEG-2 allow zeros between units. Tables are written anew (ISO/IEC 13818-1,
2.4.3 and 2.4.4).
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from media_screen.errors import CorruptMedia, FileError, StripFailed
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.kinds import kind_of, named
from media_screen.metadata.mpegts_tables import (
    Program,
    Stream,
    chosen,
    is_whole,
    pack_pat,
    pack_pmt,
    read_pat,
    read_pmt,
    rest_of_section,
    section,
    stream_filter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from media_screen.metadata.payload import StartCodes, Units
    from media_screen.types import Tag, TagKind

KEEPS: frozenset[str] = frozenset()  # no fields: a stream has no place for texts about the whole
PACKET_BYTES, SYNC, NULL_PID = 188, 0x47, 0x1FFF
MAX_GROUP_BYTES = 64 << 20  # one coded picture and the packets between
SNIFF_BYTES = 65536
# stream numbers whose packets have no header fields (table 2-21): map, padding, private 2, ECM, EMM, directory...
_HEADLESS = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})
_TABLES: dict[int, tuple[str, TagKind]] = {
    0x01: ("conditional access table", "unknown"),
    0x10: ("network table", "text"),
    0x11: ("service names", "text"),
    0x12: ("program guide", "text"),
    0x14: ("date and time table", "time"),
    0x1F: ("selection information", "unknown"),
}


def read(path: Path) -> list[Tag]:
    """Everything in the file that display does not need."""
    with _opened(path) as film:
        _Pass(film, None).run()
        return list(film.tags)


def strip(source: Path, target: Path, _fields: Fields = NOTHING) -> None:
    """Write `target` without it."""
    with _opened(source) as film, target.open("wb") as out:
        _Pass(film, out).run()


@dataclass(slots=True, kw_only=True)
class _Film:
    file: BinaryIO
    lead: int  # bytes before the packet: 4 of arrival time in M2TS
    count: int  # of packets
    map_pid: int = 0
    program: Program | None = None
    kept: list[Stream] = field(default_factory=list)
    tags: dict[Tag, None] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Bytes from one packet to the next."""
        return self.lead + PACKET_BYTES

    def blocks(self) -> Iterator[bytes]:
        """Some thousand packets at a time, each with what stands before it."""
        self.file.seek(0)
        left = self.count
        while left:
            block = self.file.read(self.step * min(left, 4096))
            if not block or len(block) % self.step:
                raise CorruptMedia("the file is cut short")
            yield block
            left -= len(block) // self.step

    def packets(self) -> Iterator[tuple[bytes, bytes]]:
        """What stands before each packet, and the packet."""
        for block in self.blocks():
            for at in range(0, len(block), self.step):
                yield block[at : at + self.lead], block[at + self.lead : at + self.step]


@contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    try:
        with path.open("rb") as file:
            yield _structure(file, file.seek(0, 2))
    except OSError as error:
        raise FileError(f"cannot be read or written: {error.strerror or error}") from error
    except (struct.error, IndexError, OverflowError) as error:  # a field beyond the end of its packet
        raise CorruptMedia("a packet is shorter than its fields") from error


def _structure(file: BinaryIO, size_bytes: int) -> _Film:
    file.seek(0)
    head = file.read(5)
    lead = 0 if head[:1] == b"\x47" else 4 if head[4:] == b"\x47" else -1
    if lead < 0:
        raise CorruptMedia("the stream does not begin with a packet")
    film = _Film(file=file, lead=lead, count=size_bytes // (lead + PACKET_BYTES))
    _find_end(film, size_bytes)
    _find_program(film)
    if _goes_on(film, size_bytes):
        raise CorruptMedia("packets are damaged or missing in the middle of the stream")
    return film


def _find_end(film: _Film, size_bytes: int) -> None:
    """Where the packets end; bytes after that are no part of the stream.

    Raises:
        CorruptMedia: the packets lose step in the middle, or the last is cut.
    """
    whole = after = marked = 0  # packets before the first that is none; what stands after it, and looks like one
    for block in film.blocks():
        marks = block[film.lead :: film.step]
        good = len(marks) - len(marks.lstrip(b"\x47")) if not after else 0
        whole += good
        after += len(marks) - good
        marked += marks.count(SYNC) - good
    step = film.step
    film.count = whole
    end = whole * step
    # one byte in 256 looks like a packet's first: what follows the end may, a broken stream has more
    if marked * 8 > after - 1 and marked:
        raise CorruptMedia("packets are damaged or missing in the middle of the stream")
    if end < size_bytes:
        film.file.seek(end)
        body = film.file.read(min(size_bytes - end, SNIFF_BYTES))
        if len(body) < step and body[film.lead : film.lead + 1] == b"\x47":
            raise CorruptMedia("the last packet is cut short")
        kind = "picture" if b"\xff\xd8\xff" in body else kind_of("", body)
        film.tags[named("bytes after the end", "after end", body, kind)] = None


def _goes_on(film: _Film, size_bytes: int) -> bool:
    """True where packets of kept streams follow the end in another step: bytes are missing in the middle."""
    pids = {stream.pid for stream in film.kept}
    for start in range(film.count * film.step, size_bytes, SNIFF_BYTES):
        film.file.seek(start)
        body = film.file.read(SNIFF_BYTES + film.step + 3)
        at = body.find(b"\x47")
        while 0 <= at < len(body) - film.step - 2:
            pair = (at, at + film.step)  # two in step, of streams that are there, are no accident
            if body[pair[1]] == SYNC and all((body[p + 1] & 31) << 8 | body[p + 2] in pids for p in pair):
                return True
            at = body.find(b"\x47", at + 1)
    return False


class _Tables:
    """The program tables of a stream, and how each PID's payload begins."""

    def __init__(self, film: _Film) -> None:
        self.maps: set[int] = set()
        self.programs: dict[int, Program] = {}
        self.begins: dict[int, bytes] = {}
        self.pids: set[int] = set()
        self._joined: dict[int, bytes] = {}
        for block in film.blocks():
            self._block(block, film.lead, film.step)

    def _block(self, block: bytes, lead: int, step: int) -> None:
        """Most packets are the middle of something: they cost one look at their number."""
        for index, (high, low) in enumerate(zip(block[lead + 1 :: step], block[lead + 2 :: step], strict=True)):
            pid = (high & 31) << 8 | low
            self.pids.add(pid)
            waited_for = pid in self.maps and pid not in self.programs
            if (high & 0x40 and (waited_for or pid not in self.begins)) or pid in self._joined or pid == 0:
                at = index * step + lead
                self._packet(block[at : at + PACKET_BYTES], pid)

    def _packet(self, packet: bytes, pid: int) -> None:
        begins = packet[1] & 0x40
        if pid == 0 or (pid in self.maps and pid not in self.programs):
            payload = packet[_payload_start(packet) :]
            self._joined[pid] = payload if begins else self._joined.get(pid, b"") + payload
            self._section(pid)
        elif begins and pid not in self.begins:
            payload = packet[_payload_start(packet) :]
            self.begins[pid] = payload[9 + payload[8] :] if payload[:3] == b"\0\0\1" and len(payload) > 9 else b""

    def _section(self, pid: int) -> None:
        joined = self._joined[pid]
        if len(joined) > 1 and is_whole(joined):
            body = section(self._joined.pop(pid))
            if pid == 0:
                self.maps |= set(read_pat(body).values())
            elif body[:1] == b"\x02":
                self.programs[pid] = read_pmt(body)


def _find_program(film: _Film) -> None:
    """The first program with a video stream; the others are named."""
    tables = _Tables(film)
    with_video = [pid for pid, program in tables.programs.items() if any(map(program.is_video, program.streams))]
    if not with_video:
        raise CorruptMedia("no program with a video track: the file is cut short or damaged")
    film.map_pid = with_video[0]
    film.program = tables.programs[film.map_pid]
    film.kept = chosen(film.program, tables.begins, film.tags)
    if {0, film.map_pid, NULL_PID} & {stream.pid for stream in film.kept} or not film.map_pid:
        raise CorruptMedia("a stream has the number of a table")
    for pid in tables.programs.keys() - {film.map_pid}:
        film.tags[named("another program", f"PID {pid}", kind="picture" if pid in with_video else "unknown")] = None
    known = {0, film.map_pid, film.program.clock_pid, NULL_PID, *tables.programs}
    known |= {stream.pid for program in tables.programs.values() for stream in program.streams}
    for pid in sorted(tables.pids - known):
        name, kind = _TABLES.get(pid, ("packets of no program", "unknown"))
        film.tags[named(name, f"PID {pid}", kind=kind)] = None


def _payload_start(packet: bytes | bytearray) -> int:
    """Where a packet's payload begins (2.4.3.2); its end where it has none."""
    control = packet[3] >> 4 & 3
    if not control & 1:
        return PACKET_BYTES
    return 4 if control == 1 else min(5 + packet[4], PACKET_BYTES)


class _Pass:
    """One walk over the packets; without `out` only looked at."""

    def __init__(self, film: _Film, out: BinaryIO | None) -> None:
        assert film.program is not None  # noqa: S101  # _find_program raises where there is none
        self.film, self.out, self.program = film, out, film.program
        self.video = next(stream for stream in film.kept if film.program.is_video(stream))
        self.audio = {stream.pid for stream in film.kept if stream is not self.video}
        self.filter: Units | StartCodes = stream_filter(self.video)
        self.queue: list[tuple[bytes, bytearray]] = []  # from the first packet of the picture that is being gathered
        self.pieces: list[tuple[bytearray, int]] = []  # the picture's packets, and where its bytes begin in each
        self.begun = False
        self.counters = {0: 0, film.map_pid: 0}

    def run(self) -> None:
        """All packets."""
        for lead, packet in self.film.packets():
            pid = (packet[1] & 31) << 8 | packet[2]
            if pid in (0, self.film.map_pid):
                if packet[1] & 0x40:
                    self._table(pid, lead)
                self._beside_table(packet)
            elif pid == self.video.pid or pid in self.audio:
                self._stream(pid, lead, bytearray(packet))
            elif pid == self.program.clock_pid and pid != NULL_PID:
                self._clock(lead, bytearray(packet))
            elif pid == NULL_PID and packet[4:].strip(b"\xff") and packet[4:].strip(b"\0"):
                self.film.tags[named("data in null packets", "PID 8191", packet[4:], kind_of("", packet[4:]))] = None
            if len(self.queue) * PACKET_BYTES > MAX_GROUP_BYTES:
                raise CorruptMedia("a picture is larger than any real one")
        self._flush()
        self.film.tags |= self.filter.found

    def _table(self, pid: int, lead: bytes) -> None:
        body = pack_pat(self.program, self.film.map_pid) if pid == 0 else pack_pmt(self.program, self.film.kept)
        body = b"\0" + body
        for at in range(0, len(body), 184):
            piece = body[at : at + 184].ljust(184, b"\xff")
            flags = (0x4000 if at == 0 else 0) | pid
            head = struct.pack(">BHB", SYNC, flags, 0x10 | self.counters[pid])
            self.counters[pid] = (self.counters[pid] + 1) & 15
            self.queue.append((lead, bytearray(head + piece)))

    def _beside_table(self, packet: bytes) -> None:
        """What shares a packet with a table; a table of several packets has no room beside it but at its end."""
        payload = packet[_payload_start(packet) :]
        if packet[1] & 0x40 and len(payload) > 4 and is_whole(payload) and (rest := rest_of_section(payload)):
            self.film.tags[named("data beside a table", "program", rest, kind_of("", rest))] = None

    def _stream(self, pid: int, lead: bytes, packet: bytearray) -> None:
        if packet[3] & 0xC0:
            raise StripFailed("the stream is scrambled")
        start = 4
        if packet[3] & 0x30 != 0x10:
            self._adaptation(packet)
            start = _payload_start(packet)
        begins = bool(packet[1] & 0x40)
        if begins:
            start = self._header(packet, start)
        if pid == self.video.pid:
            if not begins and not self.begun:
                return  # the end of a picture whose beginning is missing: no decoder shows it
            # a large picture may be spread over several PES packets: only a start code begins another
            if begins and packet[start : start + 4].lstrip(b"\0")[:1] == b"\x01":
                self._flush()
            self.begun = True
            self.pieces.append((packet, start))
        self.queue.append((lead, packet))

    def _clock(self, lead: bytes, packet: bytearray) -> None:
        """A packet that carries the clock: its payload, if any, becomes stuffing."""
        if packet[3] & 0x20 and packet[4] and packet[5] & 0x10:
            start = _payload_start(packet)
            packet[start:] = b"\xff" * (PACKET_BYTES - start)
            packet[3], packet[4] = packet[3] & 0x0F | 0x20, PACKET_BYTES - 5
            self._adaptation(packet)
            self.queue.append((lead, packet))

    def _adaptation(self, packet: bytearray) -> None:
        """Private data and extensions of the adaptation field become stuffing (2.4.3.4)."""
        if not packet[3] & 0x20 or not packet[4]:
            return
        end = 5 + packet[4]
        if end > PACKET_BYTES:
            raise CorruptMedia("a packet is shorter than its fields")
        flags = packet[5]
        at = 6 + (6 if flags & 0x10 else 0) + (6 if flags & 0x08 else 0) + (1 if flags & 0x04 else 0)
        rest = bytes(packet[at:end])
        if flags & 3 or rest.strip(b"\xff"):
            if flags & 2 and rest[1:].strip(b"\xff\0"):
                self.film.tags[named("private data of packets", "adaptation field", rest, kind_of("", rest))] = None
            packet[5] = flags & ~3
            packet[at:end] = b"\xff" * (end - at)

    def _header(self, packet: bytearray, start: int) -> int:
        """Where the PES payload begins; private data and stuffing of its header are emptied (2.4.3.6)."""
        if packet[start : start + 3] != b"\0\0\1" or start + 9 > PACKET_BYTES:
            raise CorruptMedia("a stream packet does not begin where it should")
        if packet[start + 3] in _HEADLESS:
            raise StripFailed("a packet of padding or of a directory stands in a stream of pictures or sound")
        end = start + 9 + packet[start + 8]
        if end > PACKET_BYTES:
            raise StripFailed("the header of a stream packet is spread over two packets")
        flags = packet[start + 7]
        lengths = ((0x80, 5), (0x40, 5), (0x20, 6), (0x10, 3), (0x08, 1), (0x04, 1), (0x02, 2))
        at = start + 9 + sum(length for flag, length in lengths if flags & flag)
        if flags & 1 and at < end:
            at = self._extension(packet, at, end)
        if bytes(packet[at:end]).strip(b"\xff"):
            self._private(bytes(packet[at:end]))
            packet[at:end] = b"\xff" * (end - at)
        return end

    def _extension(self, packet: bytearray, at: int, end: int) -> int:
        """Where the extension of a PES header ends; 16 bytes of private data in it become zeros."""
        flags, at = packet[at], at + 1
        if flags & 0x80:
            value = bytes(packet[at : min(at + 16, end)])
            if value.strip(b"\0"):
                self._private(value)
            packet[at : at + len(value)] = bytes(len(value))
            at += 16
        if flags & 0x40:
            raise StripFailed("the header of a stream packet holds another header")
        at += (2 if flags & 0x20 else 0) + (2 if flags & 0x10 else 0)
        if flags & 1 and at < end:  # which stream inside the stream: two bytes
            at += 1 + min(packet[at] & 127, 1)
        return at

    def _private(self, value: bytes) -> None:
        self.film.tags[named("private data of a stream packet", "PES", value, kind_of("", value))] = None

    def _flush(self) -> None:
        """Filters the picture that was gathered, and writes what waited for it."""
        if self.pieces:
            before = b"".join(packet[start:] for packet, start in self.pieces)
            after = self.filter.same_length(before)
            if after != before:
                at = 0
                for packet, start in self.pieces:
                    packet[start:] = after[at : at + PACKET_BYTES - start]
                    at += PACKET_BYTES - start
        if self.out:
            for lead, packet in self.queue:
                self.out.write(lead + packet)
        self.queue, self.pieces = [], []
