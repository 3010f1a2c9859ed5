"""Tracks -> the moments at which their faces are worth comparing. Pure.

Two rounds keep it cheap: a handful of the best sightings tells whether a track comes near anybody who is enrolled; only
a track that does is looked at from end to end, and wherever another face comes near at every sighting.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from media_screen.identify.quality import LEAST_PX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.types import Sighting, Track

FEW = 5
APART_S = Fraction(1, 2)  # of the looks at a track that may be somebody
ENOUGH_PX = 160.0  # a larger face tells no more
REACH = (0.35, 0.35, 0.35, 0.35)  # shares of a face's box: nearer than this, a tracker may take one for the other


def few(track: Track) -> list[Sighting]:
    """The best sighting of each of a few stretches of the track."""
    sightings = _large(track.sightings)
    size = max(1, -(-len(sightings) // FEW))
    return [max(sightings[i : i + size], key=_worth) for i in range(0, len(sightings), size)]


def closely(track: Track, near: frozenset[int]) -> list[Sighting]:
    """The best sighting of every half second, and each one where another face is near (frame indices)."""
    best: dict[int, Sighting] = {}
    for sighting in _large(track.sightings):
        stretch = int(sighting.time_s // APART_S)
        if stretch not in best or _worth(sighting) > _worth(best[stretch]):
            best[stretch] = sighting
    chosen = {s.frame_index: s for s in best.values()}
    chosen |= {s.frame_index: s for s in _large(track.sightings) if s.frame_index in near}
    return [chosen[index] for index in sorted(chosen)]


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
