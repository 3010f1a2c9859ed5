"""Detections over time -> Tracks. Pure.

Weak sightings count if the track is ever seen clearly, before *or* after: what confirms a
track is decided only once all of it is known, so it reaches in both directions of time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from media_screen.types import Detection, Sighting, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.types import Box

MAX_GAP_S = Fraction(1)  # longest time between two sightings that is interpolated
LEAD_S = Fraction(3, 10)  # a track is held this long before its first and after its last sighting
MIN_IOU = 0.1
MAX_SHIFT = 0.8  # of the box's own size, between prediction and sighting
MAX_GROWTH = 2.2  # between neighbouring sightings, either way
JUST_BEFORE_S = Fraction(1, 10_000)  # of a cut: less than a frame lasts, more than a rounded time can be off


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one detector said of one frame."""

    frame_index: int
    time_s: Fraction
    detections: tuple[Detection, ...]


@dataclass(slots=True)
class _Thread:
    """A track in the making."""

    sightings: list[Sighting] = field(default_factory=list)

    def predicted(self, time_s: Fraction) -> Box:
        """Last box, moved on at the speed of the last two sightings (for a short while only)."""
        last = self.sightings[-1]
        if len(self.sightings) < 2:
            return last.detection.box
        before = self.sightings[-2]
        ahead = float((time_s - last.time_s) / (last.time_s - before.time_s)) if last.time_s > before.time_s else 0.0
        ahead = min(ahead, 3.0)
        (bx, by), (lx, ly) = before.detection.box.centre, last.detection.box.centre
        return _moved(last.detection.box, (lx - bx) * ahead, (ly - by) * ahead)


def link(
    seen: Sequence[Seen],
    *,
    cuts_s: Sequence[Fraction],
    end_s: Fraction,
    score: float,
    lead_s: Fraction = LEAD_S,
    first_id: int = 0,
) -> list[Track]:
    """Tracks of one detector's sightings, which are given in order of time.

    Args:
        seen: every frame that was looked at, also those where nothing was found.
        cuts_s: times at which a new scene begins; no track crosses one.
        end_s: time of the last frame.
        score: a track is kept if one of its sightings reaches this.
        lead_s: how long a track is held beyond its ends.
        first_id: number of the first track.
    """
    threads: list[_Thread] = []
    open_threads: list[_Thread] = []
    for look in seen:
        open_threads = [t for t in open_threads if _may_go_on(t.sightings[-1].time_s, look.time_s, cuts_s)]
        new = _assign(open_threads, look)
        threads += new
        open_threads += new
    kept = [t for t in threads if max(s.detection.score for s in t.sightings) >= score]
    return [
        _track(first_id + number, thread, cuts_s=cuts_s, end_s=end_s, lead_s=lead_s)
        for number, thread in enumerate(kept)
    ]


def same_objects(before: Iterable[Detection], after: Iterable[Detection], score: float) -> bool:
    """True if every clear sighting of one look has its like, clear or weak, in the other: nothing came or went."""
    before, after = list(before), list(after)
    return all(
        any(_alike(d.box, other.box, d.label == other.label) for other in others)
        for these, others in ((before, after), (after, before))
        for d in these
        if d.score >= score
    )


def _alike(a: Box, b: Box, same_label: bool) -> bool:
    return same_label and a.iou(b) >= 0.3


def _may_go_on(last_s: Fraction, now_s: Fraction, cuts_s: Sequence[Fraction]) -> bool:
    return now_s - last_s <= MAX_GAP_S and bisect_right(cuts_s, last_s) == bisect_right(cuts_s, now_s)


def _assign(open_threads: list[_Thread], look: Seen) -> list[_Thread]:
    """Gives each detection to the thread it fits best, best fits first; returns the threads that begin here."""
    predictions = [thread.predicted(look.time_s) for thread in open_threads]
    fits = sorted(
        (
            (fit, t, d)
            for d, detection in enumerate(look.detections)
            for t, prediction in enumerate(predictions)
            if (fit := _fit(open_threads[t].sightings[-1].detection, prediction, detection)) > 0
        ),
        key=lambda f: (-f[0], f[1], f[2]),
    )
    taken_threads: set[int] = set()
    taken: set[int] = set()
    for _, t, d in fits:
        if t not in taken_threads and d not in taken:
            taken_threads.add(t)
            taken.add(d)
            open_threads[t].sightings.append(_sighting(look, look.detections[d]))
    return [_Thread([_sighting(look, det)]) for d, det in enumerate(look.detections) if d not in taken]


def _fit(last: Detection, prediction: Box, detection: Detection) -> float:
    """How well a detection continues a track: 0 not at all, up to 2."""
    if last.label != detection.label:
        return 0.0
    box = detection.box
    size, other = max(box.width_px, box.height_px), max(prediction.width_px, prediction.height_px)
    if not size or not other or max(size, other) > MAX_GROWTH * min(size, other):
        return 0.0
    (ax, ay), (bx, by) = prediction.centre, box.centre
    shift = max(abs(ax - bx), abs(ay - by)) / max(size, other)
    overlap = max(prediction.iou(box), last.box.iou(box))
    if overlap < MIN_IOU and shift > MAX_SHIFT:
        return 0.0
    return overlap + max(0.0, 1 - shift)


def _sighting(look: Seen, detection: Detection) -> Sighting:
    return Sighting(frame_index=look.frame_index, time_s=look.time_s, detection=detection)


def _moved(box: Box, x: float, y: float) -> Box:
    return type(box)(x1=box.x1 + x, y1=box.y1 + y, x2=box.x2 + x, y2=box.y2 + y)


def _track(track_id: int, thread: _Thread, *, cuts_s: Sequence[Fraction], end_s: Fraction, lead_s: Fraction) -> Track:
    first, last = thread.sightings[0], thread.sightings[-1]
    scene = bisect_right(cuts_s, first.time_s)
    scene_start_s = cuts_s[scene - 1] - JUST_BEFORE_S if scene else Fraction(0)
    scene_end_s = cuts_s[scene] - JUST_BEFORE_S if scene < len(cuts_s) else end_s
    return Track(
        track_id=track_id,
        label=first.detection.label,
        sightings=tuple(thread.sightings),
        start_s=max(first.time_s - lead_s, scene_start_s),
        end_s=min(last.time_s + lead_s, scene_end_s),
    )
