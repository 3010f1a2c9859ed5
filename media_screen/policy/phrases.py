"""Findings -> a few plain words: "3 faces, first at 0:02.4". No names from the file: they may hold anything."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from media_screen.policy.labels import GROUPS, LABELS, Noun
from media_screen.policy.nouns import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.types import Evidence, Finding

TAGS = {
    "location": Noun(one="location tag", many="location tags", hi_one="स्थान का टैग", hi_many="स्थान के टैग"),
    "time": Noun(one="date or time tag", many="date or time tags", hi_one="तारीख़-समय का टैग", hi_many="तारीख़-समय के टैग"),
    "device": Noun(
        one="camera or phone tag",
        many="camera or phone tags",
        hi_one="कैमरे या फ़ोन का टैग",
        hi_many="कैमरे या फ़ोन के टैग",
    ),
    "person": Noun(
        one="tag about a person",
        many="tags about people",
        hi_one="किसी व्यक्ति से जुड़ा टैग",
        hi_many="व्यक्तियों से जुड़े टैग",
    ),
    "picture": Noun(one="hidden picture", many="hidden pictures", hi_one="छिपा चित्र", hi_many="छिपे चित्र"),
    "text": Noun(one="text tag", many="text tags", hi_one="लिखित टैग", hi_many="लिखित टैग"),
    "unknown": Noun(
        one="tag of unknown meaning",
        many="tags of unknown meaning",
        hi_one="अज्ञात अर्थ का टैग",
        hi_many="अज्ञात अर्थ के टैग",
    ),
}


def what_was_found(findings: Sequence[Finding], evidence: Evidence) -> Text:
    """How many of what, and where in the video to look first."""
    return _first_seen(_counted(findings), findings, evidence)


def what_was_laid_out(findings: Sequence[Finding], evidence: Evidence) -> Text:
    """The same of things that lie together, and who is seen with them."""
    said = _counted(findings)
    said = Text(en=f"{said.en} laid out together", hi=f"एक साथ रखे हुए: {said.hi}")
    company = [
        f for f in evidence.findings if f.label in GROUPS["people"] and any(_meet(f, thing) for thing in findings)
    ]
    if company:
        people = _counted(company)
        said = Text(en=f"{said.en} with {people.en}", hi=f"{said.hi}; साथ में {people.hi}")
    return _first_seen(said, findings, evidence)


def _meet(a: Finding, b: Finding) -> bool:
    """True if they are seen at one time; what has no time is always there."""
    spans = ((a.first_s, b.last_s), (b.first_s, a.last_s))
    return all(first is None or last is None or first <= last for first, last in spans)


def _counted(findings: Sequence[Finding]) -> Text:
    counts = Counter((f.kind, f.label) for f in findings)
    nouns = [(n, _noun(kind, label)) for (kind, label), n in counts.items()]
    return Text(
        en=listed(f"{n} {noun.one if n == 1 else noun.many}" for n, noun in nouns),
        hi=listed((f"{n} {noun.hi_one if n == 1 else noun.hi_many}" for n, noun in nouns), last="और"),
    )


def _first_seen(said: Text, findings: Sequence[Finding], evidence: Evidence) -> Text:
    times = [f.first_s for f in findings if f.first_s is not None]
    if evidence.coverage.frames_decoded <= 1 or not times:
        return said
    first, is_several = clock(min(times)), len(findings) > 1
    return Text(
        en=f"{said.en}, {'first ' if is_several else ''}at {first}",
        hi=f"{said.hi}, {'पहली बार ' if is_several else ''}{first} पर",
    )


def listed(parts: Iterable[str], last: str = "and") -> str:
    """a; a and b; a, b and c."""
    *head, end = parts
    return f"{', '.join(head)} {last} {end}" if head else end


def clock(time_s: Fraction) -> str:
    """0:02.4, rounded down, so that a player sent there never starts too late."""
    tenths = int(max(time_s, Fraction(0)) * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    clocked = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{clocked}" if hours else f"{minutes}:{clocked}"


def plain(label: str) -> str:
    """A label as one says it."""
    return label.replace("_", " ")


def kinds(labels: Iterable[str]) -> Text:
    """Several labels, without number: "cash, face and long gun"."""
    names = sorted(labels)
    return Text(
        en=listed(map(plain, names)),
        hi=listed((LABELS[name].hi_one if name in LABELS else plain(name) for name in names), last="और"),
    )


def _noun(kind: str, label: str) -> Noun:
    known = TAGS if kind == "tag" else LABELS
    word = f"{plain(label)} tag" if kind == "tag" else plain(label)
    return known.get(label) or Noun(one=word, many=f"{word}s", hi_one=word, hi_many=word)
