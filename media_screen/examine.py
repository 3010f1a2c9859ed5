"""MediaInfo + detectors -> Evidence: decode, look, link, read tags. Used on the input, and again on the output."""

from __future__ import annotations

import itertools
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from media_screen import metadata
from media_screen.decode import Faults, Shot, shots, shots_at
from media_screen.errors import CorruptMedia, LimitExceeded
from media_screen.sample import STILL, Sampler, Step, Stir, patches
from media_screen.track import Seen, link, same_objects
from media_screen.types import Coverage, Detection, Evidence, Finding, Frame, Look, MediaInfo, Tag, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from media_screen.detect import Detector

DOUBT = 0.1  # so far below the operating point a track is kept, as one that may have to be painted too
MAX_HELD = 24  # frames kept for looking back; bounds memory at any frame rate
SPARSE = 2  # times as far apart are the looks of a detector that follows, where nothing is to be followed
MAX_PICTURES = 16  # candidates for the report's thumbnails
PICTURE_PX = 960
ONLY_PICTURE_PX = 4096  # of a still: what detectors look at; scaling it whole would cost more than the parts that count
HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Evidence, and a few small unredacted pictures in memory from which the report's redacted thumbnails are cut."""

    evidence: Evidence
    pictures: tuple[Frame, ...]


def examine(
    info: MediaInfo,
    detectors: Sequence[Detector],
    *,
    phase: Fraction = Fraction(0),
    sparse: bool = False,
    twice: bool = False,
    pictures_of: Collection[int] | None = None,
    is_settled: Callable[[int, Detection], bool] = lambda _frame, _detection: False,
    threads: int = 0,
    max_duration_s: Fraction | None = None,
    keep: Collection[str] = (),
    on_frame: Callable[[], None] = lambda: None,
) -> Examined:
    """Look at one file from end to end.

    Args:
        info: from `probe`.
        detectors: what looks.
        phase: 0..1, shifts the sampled looks; 0 for the input, 1/2 for the output.
        sparse: for a ruling alone: leave out the frames to which no other refers, and do not look more closely where
            something comes or goes; nothing can be painted from that.
        twice: where nothing is to be seen, look at the moments between as well, at which a second examination would
            look; so a copy of the very same pictures needs none.
        pictures_of: the frames to keep small pictures of; None for the clearest sightings.
        is_settled: (frame, detection) -> True where it need not be looked at more closely: it is painted over.
        threads: decoder threads, 0 for as many as it likes.
        max_duration_s: stop with an error beyond this.
        keep: what of the metadata may stay, where it stands as a cleaned copy would hold it: no finding then.
        on_frame: called once a frame, for progress.
    """
    tags = tuple(metadata.read(info.path, info.format))
    faults = Faults()
    album = _Album(pictures_of, ONLY_PICTURE_PX if info.kind == "image" and info.frame_count == 1 else PICTURE_PX)
    watches = [_Watch(detector, phase, album, is_settled, closely=not sparse, twice=twice) for detector in detectors]
    stir, times_us, lights, cuts_s = Stir(), array("q"), array("B"), list[Fraction]()
    before: Shot | None = None
    for shot in shots(info, faults, threads=threads, sparse=sparse):
        if max_duration_s is not None and shot.time_s > max_duration_s:
            raise LimitExceeded(
                f"longer than {float(max_duration_s):.0f} s, the limit for a video (setting max_duration_s)"
            )
        times_us.append(round(shot.time_s * 1_000_000))
        if shot.alone:
            step = STILL._replace(is_cut=before is not None)
        else:
            glance = shot.glance()
            step = stir.step(glance)
            lights.frombytes(patches(glance).round().astype(np.uint8).tobytes())
        if step.is_cut:
            cuts_s.append(shot.time_s)
        for watch in watches:
            watch.pass_by(shot, step)
        album.pass_by(shot)
        before = shot
        on_frame()
    end_s = before.time_s if before else Fraction(0)
    tracks: list[Track] = []
    for watch in watches:
        watch.close()
        spec = watch.detector.spec
        doubtful = max(spec.low_score, spec.score - DOUBT)
        tracks += link(watch.seen, cuts_s=cuts_s, end_s=end_s, score=doubtful, first_id=len(tracks))
    coverage = Coverage(
        frames_decoded=len(times_us),
        frames_skipped=faults.skipped,
        times_us=times_us,
        duration_s=end_s,
        audio_tracks=info.audio_tracks,
        cuts_s=tuple(cuts_s),
        looks=tuple(watch.look() for watch in watches),
        decode_errors=tuple(faults),
        lights=lights,
        coding=faults.coding,
    )
    evidence = Evidence(
        media=info,
        tracks=tuple(tracks),
        tags=tags,
        findings=findings_of(
            tracks,
            metadata.remaining(tags, keep),
            {label: d.spec.score_of(label) for d in detectors for label in d.spec.labels},
        ),
        coverage=coverage,
        models=tuple(d.model for d in detectors),
    )
    return Examined(evidence=evidence, pictures=album.pictures())


def look(
    info: MediaInfo, detectors: Sequence[Detector], *, every_s: Fraction | None, score: float | None
) -> Iterator[tuple[Frame, list[Detection]]]:
    """Raw detections, frame by frame, for tuning and measuring: no tracks, no rules.

    Args:
        info: from `probe`.
        detectors: what looks.
        every_s: time between looks at a video; None for each detector's own period.
        score: lowest score to tell; None for each detector's operating point.

    Raises:
        CorruptMedia: a part of the file does not decode.
    """
    faults = Faults()
    samplers = [(d, Sampler(d.spec.period_s if every_s is None else every_s)) for d in detectors]
    for shot in shots(info, faults):
        due = [d for d, sampler in samplers if sampler.due(shot.time_s) or shot.alone]
        if due:
            found: list[Detection] = []
            for detector in due:
                frame = _frame_for(detector, shot)
                found += detector.detect([frame], detector.spec.score if score is None else score)[0]
            yield frame, found
    if faults:
        raise CorruptMedia("; ".join(faults))


def look_again(
    before: Evidence, detectors: Sequence[Detector], frames: Collection[int], *, threads: int = 0
) -> dict[int, list[Detection]]:
    """All that could be an object in these frames of a file that was examined, down to the lowest score that counts."""
    times_us = {number: before.coverage.times_us[number] for number in frames}
    return {
        shot.index: [
            found
            for detector in detectors
            for found in detector.detect([_frame_for(detector, shot)], detector.spec.low_score)[0]
        ]
        for shot in shots_at(before.media, times_us, threads=threads)
    }


def findings_of(tracks: Sequence[Track], tags: Sequence[Tag], scores: Mapping[str, float]) -> tuple[Finding, ...]:
    """Facts for the policy: one a track that reaches its label's operating point, one a tag without its value."""
    seen = [
        Finding(
            kind="track",
            label=track.label,
            score=track.score,
            track_id=track.track_id,
            first_s=track.sightings[0].time_s,
            last_s=track.sightings[-1].time_s,
            box=track.best.detection.box,
            best_frame=track.best.frame_index,
            sightings=len(track.sightings),
            identity=track.identity,
        )
        for track in tracks
        # a part of a track that was cut is as much of a finding as the whole was
        if track.score >= scores[track.label] or track.identity is not None
    ]
    return (*seen, *(Finding(kind="tag", label=tag.kind, name=f"{tag.place}: {tag.name}") for tag in tags))


def found_again(evidence: Evidence, scores: Mapping[str, float]) -> Evidence:
    """Its findings anew, after tracks were named and cut."""
    tags = tuple(f for f in evidence.findings if f.kind == "tag")
    return replace(evidence, findings=(*findings_of(evidence.tracks, (), scores), *tags))


def _frame_for(detector: Detector, shot: Shot) -> Frame:
    """The shot at the size that the detector wants: a still is looked at more closely than a frame among many."""
    return shot.frame(detector.spec.picture_px if shot.alone else detector.spec.frame_px)


class _Watch:
    """One detector's way through one file."""

    def __init__(
        self,
        detector: Detector,
        phase: Fraction,
        album: _Album,
        is_settled: Callable[[int, Detection], bool],
        *,
        closely: bool,
        twice: bool,
    ) -> None:
        self.detector = detector
        self._follows = detector.spec.follow and closely
        self.seen: list[Seen] = []
        self._sampler = Sampler(detector.spec.period_s * self._apart(closely=closely, twice=twice), phase)
        self._second = Sampler(detector.spec.period_s, (phase + HALF) % 1) if twice and self._follows else None
        self._album = album
        self._is_settled = is_settled
        self._held: list[Shot] = []  # passed by since the last look
        self._stirs: list[Shot] = []  # those among them at which something may have come or gone
        self._seconds: list[Shot] = []  # those at which a second examination would look

    def _apart(self, *, closely: bool, twice: bool) -> Fraction:
        """How far apart its looks are, in periods; those of a detector that follows are so dense for following."""
        if self.detector.spec.follow:
            return Fraction(1 if closely else SPARSE)
        return Fraction(1, 2 if twice else 1)

    def pass_by(self, shot: Shot, step: Step) -> None:
        """Look at the shot if it is due; look at what passed since the last look if something came or went."""
        if step.is_cut and self._held:
            self._look_at_last()
        is_second = self._second is not None and self._second.due(shot.time_s)
        if self._sampler.due(shot.time_s) or step.is_cut or shot.alone or len(self._held) >= MAX_HELD:
            self._look(shot, new_scene=step.is_cut)
            return
        self._held.append(shot)
        if not self._follows:
            del self._held[:-1]  # only the last one may still be asked for
        elif step.is_stir:
            self._stirs.append(shot)
        if is_second:
            self._seconds.append(shot)

    def close(self) -> None:
        """The last frame is always looked at."""
        if self._held:
            self._look_at_last()

    def look(self) -> Look:
        """How much was seen."""
        times = [s.time_s for s in self.seen]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        spec = self.detector.spec
        return Look(
            detector=spec.name, labels=spec.labels, frames=len(times), largest_gap_s=max(gaps, default=Fraction(0))
        )

    def _look_at_last(self) -> None:
        self._look(self._held.pop(), new_scene=False)

    def _look(self, shot: Shot, *, new_scene: bool) -> None:
        now = self._ask(shot)
        if self._follows and self._held and self.seen and not new_scene:
            self._close_in(now)
        self.seen.append(now)
        self._held.clear()
        self._stirs.clear()
        self._seconds.clear()

    def _close_in(self, now: Seen) -> None:
        """Look at each stir since the last look; between looks that disagree, halve until neighbours or no news."""
        marks = [self._ask(shot) for shot in self._marked(now)]
        for after in (*marks, now):
            before = self.seen[-1]
            between = [s for s in self._held if before.frame_index < s.index < after.frame_index]
            self.seen += self._between(before, between, after)
            if after is not now:
                self.seen.append(after)

    def _marked(self, now: Seen) -> list[Shot]:
        """The stirs; where nothing is to be seen at either end, what a second examination would look at as well."""
        if any(self._is_clear(seen) for seen in (self.seen[-1], now)):
            return self._stirs
        marked = {shot.index: shot for shot in (*self._stirs, *self._seconds)}
        return [marked[index] for index in sorted(marked)]

    def _is_clear(self, seen: Seen) -> bool:
        return any(d.score >= self.detector.spec.score for d in seen.detections)

    def _between(self, before: Seen, shots_between: list[Shot], after: Seen) -> list[Seen]:
        if not shots_between or same_objects(self._open(before), self._open(after), self.detector.spec.score):
            return []
        half = len(shots_between) // 2
        middle = self._ask(shots_between[half])
        return [
            *self._between(before, shots_between[:half], middle),
            middle,
            *self._between(middle, shots_between[half + 1 :], after),
        ]

    def _open(self, seen: Seen) -> list[Detection]:
        return [d for d in seen.detections if not self._is_settled(seen.frame_index, d)]

    def _ask(self, shot: Shot) -> Seen:
        spec = self.detector.spec
        frame = _frame_for(self.detector, shot)
        (detections,) = self.detector.detect([frame], spec.low_score)
        self._album.offer(shot, max((d.score for d in detections if d.score >= spec.score), default=0.0))
        return Seen(frame_index=shot.index, time_s=shot.time_s, detections=tuple(detections))


class _Album:
    """A few small pictures from all over the file, the clearest of each stretch of time; memory has a limit."""

    def __init__(self, only: Collection[int] | None, long_side_px: int) -> None:
        self._only, self._long_side_px = only, long_side_px
        self._stretch_s = Fraction(1, 2)
        self._kept: dict[int, tuple[float, Frame]] = {}  # number of the stretch -> score, picture

    def pass_by(self, shot: Shot) -> None:
        """Keep a shot that was asked for by its number."""
        if self._only is not None and shot.index in self._only:
            self._kept[shot.index] = (1.0, shot.frame(self._long_side_px))

    def offer(self, shot: Shot, score: float) -> None:
        """Keep a shot if it shows something more clearly than what is kept of its stretch of time."""
        if self._only is not None:
            return
        if score > self._kept.get(self._stretch(shot.time_s), (0.0, None))[0]:
            self._kept[self._stretch(shot.time_s)] = (score, shot.frame(self._long_side_px))
        while len(self._kept) > MAX_PICTURES:
            self._stretch_s *= 2
            kept, self._kept = self._kept.values(), {}
            for entry in sorted(kept, key=lambda e: e[0]):
                self._kept[self._stretch(entry[1].time_s)] = entry

    def _stretch(self, time_s: Fraction) -> int:
        return int(time_s // self._stretch_s)

    def pictures(self) -> tuple[Frame, ...]:
        """In order of time."""
        return tuple(frame for _, (_, frame) in sorted(self._kept.items()))
