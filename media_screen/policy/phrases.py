"""Findings -> a few plain words: "3 faces, first at 0:02.4". No names from the file: they may hold anything."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.types import Evidence, Finding

_PLURALS = {"person": "people", "knife": "knives", "jewellery": "pieces of jewellery", "cash": "piles of cash"}
_SINGULARS = {"jewellery": "piece of jewellery", "cash": "pile of cash", "ammunition": "lot of ammunition"}
_PLURALS["ammunition"] = "lots of ammunition"
_TAGS = {
    "location": "location tag",
    "time": "date or time tag",
    "device": "camera or phone tag",
    "person": "tag about a person",
    "picture": "hidden picture",
    "text": "text tag",
    "unknown": "tag of unknown meaning",
}
_TAG_PLURALS = {"person": "tags about people", "unknown": "tags of unknown meaning"}


def what_was_found(findings: Sequence[Finding], evidence: Evidence) -> str:
    """How many of what, and where in the video to look first."""
    counts = Counter((f.kind, f.label) for f in findings)
    said = listed(f"{n} {_noun(kind, label, n)}" for (kind, label), n in counts.items())
    times = [f.first_s for f in findings if f.first_s is not None]
    if evidence.coverage.frames_decoded <= 1 or not times:
        return said
    return f"{said}, {'first ' if len(findings) > 1 else ''}at {clock(min(times))}"


def listed(parts: Iterable[str]) -> str:
    """a; a and b; a, b and c."""
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def clock(time_s: Fraction) -> str:
    """0:02.4, rounded down, so that a player sent there never starts too late."""
    tenths = int(max(time_s, Fraction(0)) * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    clocked = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{clocked}" if hours else f"{minutes}:{clocked}"


def plain(label: str) -> str:
    """A label as one says it."""
    return label.replace("_", " ")


def _noun(kind: str, label: str, number: int) -> str:
    if kind == "tag":
        single = _TAGS.get(label, f"{plain(label)} tag")
        return single if number == 1 else _TAG_PLURALS.get(label, f"{single}s")
    single = _SINGULARS.get(label, plain(label))
    return single if number == 1 else _PLURALS.get(label, f"{plain(label)}s")
