"""Evidence + gallery -> Evidence in which each face track has an identity: fetch portraits, encode, name, cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from media_screen.decode import Faults, shots, shots_at
from media_screen.errors import FileError, SettingsError
from media_screen.identify.looks import closely, few, near_frames
from media_screen.identify.quality import is_good, is_smeared
from media_screen.identify.votes import Look, distances, may_be_somebody, named, takes_of
from media_screen.probe import probe
from media_screen.types import Identification, Portrait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from media_screen.detect import Detector
    from media_screen.identify import Embedder, Encoding
    from media_screen.identify.gallery import Gallery
    from media_screen.identify.votes import Known, Take
    from media_screen.types import Box, Evidence, Frame, Sighting, Track

FACE = "face"
STILL_PX = 4096  # longest side of the picture that portraits are cut from
FRAME_PX = 1920
AROUND = (0.6, 0.6, 0.6, 0.6)  # of the face's box: a chip is turned upright and padded

Key = tuple[int, int]  # track, frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A gallery, and the embedding that it was made with; without one, nobody is known."""

    gallery: Gallery
    embedder: Embedder | None
    absent: str = ""  # why there is no embedder
    read: Callable[[], Gallery] | None = None  # anew: who was removed while a worker was warm is nobody any more
    today: Callable[[], date] = date.today

    def fresh(self) -> Identifier:
        """With the gallery as it is now.

        Raises:
            FileError: it cannot be read any more.
        """
        if self.read is None:
            return self
        try:
            now = self.read()
        except SettingsError as error:
            raise FileError(str(error)) from error
        if (now.embedding, now.embedding_sha256) != (self.gallery.embedding, self.gallery.embedding_sha256):
            raise FileError("the gallery was made anew with another embedding")
        if self.embedder is None and any(person.role != "officer" for person in now.people):
            raise FileError(f"accused or protected people are enrolled, and {self.absent}")
        return replace(self, gallery=now)

    def people(self) -> list[Known]:
        """Those whose enrolment holds today."""
        return [person.known() for person in self.gallery.present(self.today())]

    def told(self) -> Identification:
        """For the report."""
        present = self.gallery.present(self.today())
        spec = self.embedder.spec if self.embedder else None
        return Identification(
            embedding=self.gallery.embedding,
            gallery_sha256=self.gallery.sha256,
            counts=tuple((role, sum(p.role == role for p in present)) for role in ("officer", "accused", "protected")),
            expired=len(self.gallery.people) - len(present),
            distance=spec.distance if spec else 0.0,
            smeared=spec.smeared if spec else 0.0,
            margin=spec.margin if spec else 0.0,
            absent=self.absent,
        )


def recognise(evidence: Evidence, identifier: Identifier, sure: set[int], *, threads: int = 0) -> Evidence:
    """The same evidence, its sure face tracks named; a track that shows one person after another is cut.

    Args:
        evidence: of a file that was examined whole.
        identifier: who is known.
        sure: numbers of the tracks that are findings; the others stay as they are.
        threads: of the decoder.
    """
    people = identifier.people()
    tracks = [t for t in evidence.tracks if t.label == FACE and t.track_id in sure]
    if identifier.embedder is None or not people or not tracks:
        return evidence
    spec = identifier.embedder.spec
    reader = _Reader(evidence, identifier.embedder, threads)
    looks = reader.looks({t.track_id: few(t) for t in tracks})
    near = {t.track_id: near_frames(t, evidence.tracks) for t in tracks}
    maybe = [t for t in tracks if may_be_somebody(looks[t.track_id], people, spec)]
    looks |= reader.looks({t.track_id: closely(t, near[t.track_id]) for t in maybe})
    single = evidence.coverage.frames_decoded <= 1
    takes: list[Take] = []
    for track in [] if single else maybe:
        parts = named(track, looks[track.track_id], people, spec, near=near[track.track_id])
        takes += takes_of(parts, looks[track.track_id], track.track_id, spec)
    made: list[Track] = []
    next_id = max((t.track_id for t in evidence.tracks), default=-1) + 1
    for track in evidence.tracks:
        if track.label != FACE or track.track_id not in sure:
            made.append(track)
            continue
        whose = track.track_id
        first, *more = named(track, looks[whose], people, spec, near=near[whose], takes=takes, single=single)
        made += [first, *(replace(part, track_id=next_id + n) for n, part in enumerate(more))]
        next_id += len(more)
    return replace(evidence, tracks=tuple(made))


def contradicted(
    evidence: Evidence, tracks: Sequence[Track], whose: Mapping[int, str], identifier: Identifier, *, threads: int = 0
) -> dict[int, list[Fraction]]:
    """Times at which a track that should show a kept person plainly shows somebody else.

    Args:
        evidence: of the copy.
        tracks: of the copy, that stand where somebody was kept.
        whose: track number -> name of that person as enrolled.
        identifier: who is known.
        threads: of the decoder.
    """
    people = identifier.people()
    by_name = {person.name: person for person in people}
    if identifier.embedder is None:
        return {t.track_id: [s.time_s for s in t.sightings] for t in tracks}
    spec = identifier.embedder.spec
    looks = _Reader(evidence, identifier.embedder, threads).looks({t.track_id: closely(t, frozenset()) for t in tracks})
    return {
        track.track_id: [
            look.sighting.time_s
            for look in looks[track.track_id]
            if is_good(look.encoding)
            and (
                (person := by_name.get(whose[track.track_id])) is None
                or distances(look.encoding.vector, [person], smeared=is_smeared(look.encoding))[0] > spec.other
            )
        ]
        for track in tracks
    }


class _Reader:
    """Encodings of single sightings of a file, each made once."""

    def __init__(self, evidence: Evidence, embedder: Embedder, threads: int) -> None:
        self._evidence = evidence
        self._embedder = embedder
        self._threads = threads
        self._made: dict[Key, Encoding] = {}

    def looks(self, wanted: Mapping[int, Sequence[Sighting]]) -> dict[int, list[Look]]:
        """For each track its sightings, encoded."""
        new = [
            (number, s)
            for number, chosen in wanted.items()
            for s in chosen
            if (number, s.frame_index) not in self._made
        ]
        self._encode(new)
        return {
            number: [Look(sighting=s, encoding=self._made[number, s.frame_index]) for s in chosen]
            for number, chosen in wanted.items()
        }

    def _encode(self, wanted: Iterable[tuple[int, Sighting]]) -> None:
        by_frame: dict[int, list[tuple[int, Sighting]]] = {}
        for number, sighting in wanted:
            by_frame.setdefault(sighting.frame_index, []).append((number, sighting))
        times_us = {index: self._evidence.coverage.times_us[index] for index in by_frame}
        for shot in shots_at(self._evidence.media, times_us, threads=self._threads):
            frame = shot.frame(STILL_PX if shot.alone else FRAME_PX)
            for number, sighting in by_frame[shot.index]:
                (encoding,) = self._embedder.encode([portrait_of(frame, sighting.detection.box)])
                self._made[number, shot.index] = encoding


def faces_in(path: Path, detector: Detector) -> tuple[Portrait, ...]:
    """Every face of a photo, for an enrolment.

    Raises:
        SettingsError: it is no picture that can be read.
    """
    try:
        info = probe(path)
        if info.kind != "image":
            raise SettingsError(f"{path.name} is no photo")
        shot = next(iter(shots(info, Faults())))
        frame = shot.frame(STILL_PX)
    except FileError as error:
        raise SettingsError(f"{path.name}: {error}") from error
    (found,) = detector.detect([frame], detector.spec.score)
    return tuple(portrait_of(frame, face.box) for face in found if face.label == FACE)


def portrait_of(frame: Frame, face: Box) -> Portrait:
    """A face with some of what surrounds it, cut out of its frame."""
    x, y = frame.scale
    height, width = frame.pixels.shape[:2]
    box = face.scaled(1 / x, 1 / y)
    x1, y1, x2, y2 = box.grown(*AROUND).clipped(width, height).pixels()
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    moved = type(box)(x1=box.x1 - x1, y1=box.y1 - y1, x2=box.x2 - x1, y2=box.y2 - y1)
    pixels = np.ascontiguousarray(frame.pixels[y1:y2, x1:x2])
    return Portrait(pixels=pixels, box=moved, size_px=max(face.width_px, face.height_px))
