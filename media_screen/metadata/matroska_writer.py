"""Cleaned parts of a Matroska film -> a file, with sizes and an index of its own (RFC 9559)."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from media_screen.metadata.ebml import pack, pack_id, pack_number, pack_size
from media_screen.metadata.matroska_tracks import VOID

if TYPE_CHECKING:
    from media_screen.metadata.matroska_tracks import MatroskaTrack

EBML, SEGMENT, SEEK_HEAD, INFO = 0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966
TRACKS, CLUSTER, CUES = 0x1654AE6B, 0x1F43B675, 0x1C53BB6B
_SEEK_HEAD_BYTES = 3 * 21 + 5  # three entries of fixed length, and their frame


class Writer:
    """The new file: sizes and the index are filled in at the end."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.cues: list[tuple[int, int, int]] = []  # time, track, position of the cluster
        self.base = self.size_at = self.cluster_at = self.info_at = self.tracks_at = 0

    def begin(self, doc_type: bytes, info: bytes, tracks: list[MatroskaTrack], tags: bytes) -> None:
        """EBML header, segment, room for the seek head, clock, tracks, and tags if there are any."""
        version = pack_number(0x4286, 1) + pack_number(0x42F7, 1) + pack_number(0x42F2, 4) + pack_number(0x42F3, 8)
        doc = pack(0x4282, doc_type) + pack_number(0x4287, 4) + pack_number(0x4285, 2)
        self.out.write(pack(EBML, version, doc) + pack_id(SEGMENT))
        self.size_at = self.out.tell()
        self.out.write(pack_size(0))
        self.base = self.out.tell()
        self.out.write(bytes(_SEEK_HEAD_BYTES))
        self.info_at = self.out.tell() - self.base
        self.out.write(info)
        self.tracks_at = self.out.tell() - self.base
        self.out.write(pack(TRACKS, *(track.packed for track in tracks)) + tags)

    def open_cluster(self) -> None:
        """Its size is not known yet."""
        self.cluster_at = self.out.tell()
        self.out.write(pack_id(CLUSTER) + pack_size(0))

    def close_cluster(self) -> None:
        """Its size is known now."""
        self._patch(self.cluster_at + 4, pack_size(self.out.tell() - self.cluster_at - 12))

    def cue(self, time: int, track: MatroskaTrack) -> None:
        """A key frame in the open cluster; the first is enough."""
        position = self.cluster_at - self.base
        if time >= 0 and (not self.cues or self.cues[-1][2] != position):
            self.cues.append((time, track.number, position))

    def finish(self) -> None:
        """The index, the seek head, the size of the segment."""
        cues_at = self.out.tell() - self.base
        points = (
            pack(0xBB, pack_number(0xB3, time), pack(0xB7, pack_number(0xF7, track), pack_number(0xF1, position)))
            for time, track, position in self.cues
        )
        self.out.write(pack(CUES, *points) if self.cues else b"")
        places = [(INFO, self.info_at), (TRACKS, self.tracks_at), *([(CUES, cues_at)] if self.cues else [])]
        seeks = (pack(0x4DBB, pack(0x53AB, pack_id(key)), pack_number(0x53AC, at, 8)) for key, at in places)
        seek_head = pack(SEEK_HEAD, *seeks)
        room = _SEEK_HEAD_BYTES - len(seek_head)
        self._patch(self.base, seek_head + (pack(VOID, bytes(room - 2)) if room else b""))
        self._patch(self.size_at, pack_size(self.out.tell() - self.base))

    def _patch(self, at: int, piece: bytes) -> None:
        end = self.out.tell()
        self.out.seek(at)
        self.out.write(piece)
        self.out.seek(end)
