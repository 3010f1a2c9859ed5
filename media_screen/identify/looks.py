"""Tracks -> the moments at which their faces are worth comparing. Pure.

Two rounds keep it cheap: a handful of the best sightings tells whether a track comes near anybody who is enrolled; only
a track that does is looked at from end to end: at every sighting where another face is near, and often just before and
after, for there a track may be cut, and each piece has to tell by itself who it shows.
"""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from typing import TYPE_CHECKING

from media_screen.identify.quality import LEAST_PX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.types import Sighting, Track

FEW = 5
APART_S = Fraction(1, 2)  # of the looks at a track that may be somebody
MANY = 12  # at least so many looks at it, if it has as many sightings: a short one has to tell as well
BESIDE_S = Fraction(1)  # so long before and after another face was near
BESIDE_APART_S = Fraction(1, 6)
ENOUGH_PX = 160.0  # a larger face tells no more
REACH = (0.35, 0.35, 0.35, 0.35)  # shares of a face's box: nearer than this, a tracker may take one for the other


def few(track: Track) -> list[Sighting]:
    """The best sighting of each of a few stretches of the track."""
    sightings = _large(track.sightings)
    size = max(1, -(-len(sightings) // FEW))
    return [max(sightings[i : i + size], key=_worth) for i in range(0, len(sightings), size)]


def closely(track: Track, near: frozenset[int]) -> list[Sighting]:
    """The best sighting of every half second, more of a short track, and many where another face is near.

    Args:
        track: that may be somebody.
        near: frames of its sightings in which another face is near.
    """
    sightings = _large(track.sightings)
    if not sightings:
        return []
    length_s = sightings[-1].time_s - sightings[0].time_s
    near_s = [s.time_s for s in track.sightings if s.frame_index in near]
    beside = [s for s in sightings if _is_beside(s.time_s, near_s)]
    chosen = [
        *_best_of_each(sightings, min(APART_S, length_s / MANY)),
        *_best_of_each(beside, BESIDE_APART_S),
        *(s for s in sightings if s.frame_index in near),
    ]
    by_frame = {s.frame_index: s for s in chosen}
    return [by_frame[index] for index in sorted(by_frame)]


def _is_beside(time_s: Fraction, near_s: Sequence[Fraction]) -> bool:
    """True if one of these times, which are given in order, is not far away."""
    first = bisect_left(near_s, time_s - BESIDE_S)
    return first < len(near_s) and near_s[first] <= time_s + BESIDE_S


def _best_of_each(sightings: Sequence[Sighting], stretch_s: Fraction) -> list[Sighting]:
    """The best sighting of each stretch of time."""
    if not stretch_s:
        return list(sightings)
    best: dict[int, Sighting] = {}
    for sighting in sightings:
        stretch = int((sighting.time_s - sightings[0].time_s) // stretch_s)
        if stretch not in best or _worth(sighting) > _worth(best[stretch]):
            best[stretch] = sighting
    return list(best.values())


def near_frames(track: Track, others: Iterable[Track]) -> frozenset[int]:
    """Frames of the track's sightings in which another track of its label is within reach."""
    rivals = [t for t in others if t is not track and t.label == track.label]
    rivals = [t for t in rivals if t.start_s <= track.end_s and t.end_s >= track.start_s]
    found = set()
    for sighting in track.sightings:
        mine = sighting.detection.box.grown(*REACH)
        boxes = (rival.box_at(sighting.time_s) for rival in rivals)
        if any(box is not None and mine.overlap_px(box.grown(*REACH)) > 0 for box in boxes):
            found.add(sighting.frame_index)
    return frozenset(found)


def _large(sightings: Sequence[Sighting]) -> list[Sighting]:
    return [s for s in sightings if _side(s) >= LEAST_PX]


def _side(sighting: Sighting) -> float:
    box = sighting.detection.box
    return max(box.width_px, box.height_px)


def _worth(sighting: Sighting) -> float:
    return sighting.detection.score * min(_side(sighting), ENOUGH_PX)
