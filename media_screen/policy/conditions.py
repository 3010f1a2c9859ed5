"""(value, candidates, evidence) -> the candidates that remain. A new word is one function and one line in the table.

Each word only narrows, and no word asks for the absence of anything: so more findings can never make a verdict milder.
A word must keep both promises; the property test holds it to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from media_screen.policy.labels import GROUPS
from media_screen.types import Role, TagKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from media_screen.types import Box, Evidence, Finding, Track

T = TypeVar("T")
Found = tuple[int, ...]  # positions in Evidence.findings
Subject = Literal["track", "tag", "any"]
Groups = tuple[tuple[str, ...], ...]

LABEL = re.compile(r"[a-z][a-z0-9_]*")
TAG_KINDS: tuple[TagKind, ...] = get_args(TagKind)
ROLES: tuple[Role, ...] = get_args(Role)
ANY_TAG = "any"
REACH = 1.0  # of the longer side of the larger one: so far apart things still lie together


# --- what a word's value may be: a plain object -> the value, or ValueError with the reason ---


def names(value: object) -> tuple[str, ...]:
    """One name or a list of different names."""
    listed: list[Any] = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(name, str) and LABEL.fullmatch(name) for name in listed):
        raise ValueError(f"must be a name such as police_officer, or a list of names, not {value!r}")
    return _each_once(listed)


def labels(value: object) -> tuple[str, ...]:
    """One label or a list of them; a group, such as goods, stands for its labels."""
    return _each_once(label for name in names(value) for label in GROUPS.get(name, (name,)))


def parties(value: object) -> Groups:
    """Two or more entries, each a label or a list of labels, none of them in two entries."""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("must be a list of two or more entries, each a label or a list of labels")
    groups = tuple(labels(entry) for entry in value)
    _each_once(label for group in groups for label in group)
    return groups


def _each_once(listed: Iterable[str]) -> tuple[str, ...]:
    once = tuple(listed)
    if len(set(once)) < len(once):
        raise ValueError("names one thing twice")
    return once


def tag_kinds(value: object) -> tuple[str, ...]:
    """One tag kind, a list of them, or "any"."""
    if value == ANY_TAG:
        return TAG_KINDS
    kinds = names(value)
    strange = [kind for kind in kinds if kind not in TAG_KINDS]
    if strange:
        raise ValueError(f"unknown tag kind {strange[0]!r}; one of {', '.join(TAG_KINDS)}, or any")
    return kinds


def roles(value: object) -> tuple[str, ...]:
    """One role or a list of them."""
    listed = names(value)
    strange = [role for role in listed if role not in ROLES]
    if strange:
        raise ValueError(f"unknown role {strange[0]!r}; of {', '.join(ROLES)}")
    return listed


def share(value: object) -> float:
    """A number from 0 to 1."""
    return _number(value, most=1, what="a number from 0 to 1")


def seconds(value: object) -> float:
    """A time from nothing to a day."""
    return _number(value, most=86400, what="a number of seconds from 0 to 86400")


def count(value: object) -> int:
    """A whole number, 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"must be a whole number, 1 or more, not {value!r}")
    return value


def _number(value: object, *, most: int, what: str) -> float:
    # YAML's yes and no arrive as booleans, which Python counts among the integers
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"must be {what}, not {value!r}")
    return float(value)


# --- the words ---


def label(value: tuple[str, ...], found: Found, evidence: Evidence) -> Found:
    """Objects that a detector saw, by label."""
    return tuple(i for i in found if (f := evidence.findings[i]).kind == "track" and f.label in value)


def tag(value: tuple[str, ...], found: Found, evidence: Evidence) -> Found:
    """Metadata in the file, by kind."""
    return tuple(i for i in found if (f := evidence.findings[i]).kind == "tag" and f.label in value)


def role(value: tuple[str, ...], found: Found, evidence: Evidence) -> Found:
    """Faces of people in these roles; whoever is not recognised, or was compared with nobody, is unknown."""
    return tuple(i for i in found if evidence.findings[i].role in value)


def min_score(value: float, found: Found, evidence: Evidence) -> Found:
    """Seen at least this surely, at best."""
    return tuple(i for i in found if evidence.findings[i].score >= value)


def min_seconds(value: float, found: Found, evidence: Evidence) -> Found:
    """Seen for at least this long, from first to last. A still picture shows what it shows for as long as one looks."""
    if evidence.coverage.frames_decoded <= 1:
        return found
    return tuple(
        i
        for i in found
        if (f := evidence.findings[i]).first_s is None or f.last_s is None or f.last_s - f.first_s >= value
    )


def min_area(value: float, found: Found, evidence: Evidence) -> Found:
    """At its best sighting at least this share of the frame; a size that is not known counts as large enough."""
    width_px, height_px = evidence.media.width_px, evidence.media.height_px
    least_px = value * width_px * height_px
    boxes = {i: evidence.findings[i].box for i in found}
    return tuple(i for i in found if (b := boxes[i]) is None or b.clipped(width_px, height_px).area_px >= least_px)


def together(value: Groups, found: Found, evidence: Evidence) -> Found:
    """Objects of every entry in one shot, from one cut to the next."""
    starts_s = (Fraction(0), *evidence.coverage.cuts_s)
    shots = zip(starts_s, (*starts_s[1:], None), strict=True)
    return _united(value, found, evidence, [partial(_is_seen, from_s=start, before_s=end) for start, end in shots])


def at_once(value: Groups, found: Found, evidence: Evidence) -> Found:
    """Objects of every entry at one moment."""
    # times that overlap share the latest of their beginnings
    moments = {evidence.findings[i].first_s or Fraction(0) for i in found}
    return _united(value, found, evidence, [partial(_is_seen, from_s=m, until_s=m) for m in sorted(moments)])


def _united(groups: Groups, found: Found, evidence: Evidence, spans: Iterable[Callable[[Finding], bool]]) -> Found:
    """What is seen in a span in which something of every group is."""
    members = {i: f for i in found if (f := evidence.findings[i]).kind == "track"}
    kept: set[int] = set()
    for is_seen in spans:
        present = [[i for i, f in members.items() if f.label in group and is_seen(f)] for group in groups]
        if all(present):
            kept.update(*present)
    return tuple(i for i in found if i in kept)


def _is_seen(
    finding: Finding, *, from_s: Fraction, before_s: Fraction | None = None, until_s: Fraction | None = None
) -> bool:
    """True if its time has part in the span; what has no time is always there."""
    first_s, last_s = finding.first_s, finding.last_s
    is_early = last_s is not None and last_s < from_s
    is_late = first_s is not None and (
        (before_s is not None and first_s >= before_s) or (until_s is not None and first_s > until_s)
    )
    return not (is_early or is_late)


def laid_out(value: int, found: Found, evidence: Evidence) -> Found:
    """At least so many side by side at one moment, as goods on a table are: each within reach of another one.

    Who stands around them takes nothing away, also where he carries them: more findings never make a verdict milder.
    """
    tracks: dict[int | None, Track] = {track.track_id: track for track in evidence.tracks}
    kept: set[int] = set()
    for moment in sorted({evidence.findings[i].first_s or Fraction(0) for i in found}):
        present = [i for i in found if _is_seen(evidence.findings[i], from_s=moment, until_s=moment)]
        boxes = {i: _box_at(evidence.findings[i], tracks, moment) for i in present}
        for heap in _heaps(boxes):
            kept.update(heap if len(heap) >= value else ())
    return tuple(i for i in found if i in kept)


def _box_at(finding: Finding, tracks: Mapping[int | None, Track], time_s: Fraction) -> Box | None:
    track = tracks.get(finding.track_id)
    return (track.box_at(time_s) if track else None) or finding.box


def _heaps(boxes: Mapping[int, Box | None]) -> list[set[int]]:
    """What hangs together, directly or through others; what has no known place lies beside everything."""
    heaps: list[set[int]] = []
    for i, box in boxes.items():
        near = [heap for heap in heaps if any(_side_by_side(box, boxes[j]) for j in heap)]
        heaps = [heap for heap in heaps if heap not in near] + [{i}.union(*near)]
    return heaps


def _side_by_side(a: Box | None, b: Box | None) -> bool:
    if a is None or b is None:
        return True
    reach_px = REACH * max(a.width_px, a.height_px, b.width_px, b.height_px)
    apart = (max(a.x1, b.x1) - min(a.x2, b.x2), max(a.y1, b.y1) - min(a.y2, b.y2))
    return max(apart) <= reach_px


def min_count(value: int, found: Found, _evidence: Evidence) -> Found:
    """At least so many that satisfy all the other words."""
    return found if len(found) >= value else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Word(Generic[T]):
    """How a word's value is read, what it does, and which kind of finding it is about."""

    read: Callable[[object], T]
    narrow: Callable[[T, Found, Evidence], Found]
    about: Subject


# In the order in which a rule applies them: together and at_once ask of what is sure, long and large enough whether it
# was there at one time, laid_out whether it lay together; min_count counts what all the others left.
WORDS: dict[str, Word[Any]] = {
    "label": Word(read=labels, narrow=label, about="track"),
    "tag": Word(read=tag_kinds, narrow=tag, about="tag"),
    "role": Word(read=roles, narrow=role, about="track"),
    "min_score": Word(read=share, narrow=min_score, about="track"),
    "min_seconds": Word(read=seconds, narrow=min_seconds, about="track"),
    "min_area": Word(read=share, narrow=min_area, about="track"),
    "together": Word(read=parties, narrow=together, about="track"),
    "at_once": Word(read=parties, narrow=at_once, about="track"),
    "laid_out": Word(read=count, narrow=laid_out, about="track"),
    "min_count": Word(read=count, narrow=min_count, about="any"),
}
