"""Policy -> what is wrong with it though it can be read: rules that contradict, never decide, or name nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.policy.labels import LABELS
from media_screen.policy.place import nearest
from media_screen.policy.ruling import VERDICTS, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.policy.nouns import Policy, Rule, Told

KEPT = {"creator": "person", "description": "text", "date": "time", "device": "device", "copyright": "text"}
_NARROWER_IF_MORE = ("min_score", "min_seconds", "min_area", "laid_out", "min_count")


def lint(policy: Policy) -> list[str]:
    """One line a fault; none for a pack in order."""
    return [*_each(policy), *contradictions(policy), *_idle(policy), *_kept(policy)]


def _each(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        for label in sorted(labels_of(rule) - LABELS.keys()):
            yield f"{rule.id}: no pack knows the label {label!r}{nearest(label, tuple(LABELS))}"
        for row in rule.unless:
            if set(rule.declared) & set(row) or _overlap(rule.declared, row):
                yield f"{rule.id}: declared and unless name the same value, so a declaration silences it either way"
        if rule.conditions and rule.todo is None:
            yield f"{rule.id}: has no todo; whoever reads the report has to know what to do next"
        if labels_of(rule) and rule.absent == "ask" and not rule.facts:
            yield f"{rule.id}: asks where no detector looks, but no fact answers it: every file would be held"
    for text, where in ((rule.text.hi, rule.id) for rule in policy.rules):
        if text.isascii():
            yield f"{where}: the Hindi text holds no Hindi"


def _overlap(declared: tuple[Told, ...], row: tuple[Told, ...]) -> bool:
    """True if all that the rule asks for is what silences it."""
    silencing = {t.fact: set(t.values) for t in row}
    return bool(declared) and len(row) == 1 and any(set(t.values) <= silencing.get(t.fact, set()) for t in declared)


def contradictions(policy: Policy) -> list[str]:
    """Rules that another of the same source always overrules: one of the two is not what its writer meant."""
    return [
        f"{rule.id} says {rule.action}, but wherever it fires {other.id} says {other.action}"
        for rule, other in _covered(policy)
        if VERDICTS[rule.action] < VERDICTS[other.action] and rule.action in ("note", "review")
    ]


def _idle(policy: Policy) -> Iterator[str]:
    for rule, other in _covered(policy):
        if rule.action == other.action and set(rule.clauses) <= set(other.clauses):
            yield f"{rule.id} says nothing that {other.id} does not say already"


def _covered(policy: Policy) -> Iterator[tuple[Rule, Rule]]:
    """Of two sources the stricter one counts, which is what a union is for; within one they have to agree."""
    for rule in policy.rules:
        for other in policy.rules:
            if rule is not other and _source(rule) == _source(other) and _covers(other, rule):
                yield rule, other


def _source(rule: Rule) -> str:
    return rule.id.rpartition("/")[0]


def _kept(policy: Policy) -> Iterator[str]:
    for word in policy.keep:
        for rule in policy.rules:
            stripped = {v for c in rule.conditions if c.word == "tag" for v in c.value}
            if rule.action in ("review", "block") and KEPT[word] in stripped:
                yield f"keep: {word} is to stay, but {rule.id} says {rule.action} where a {KEPT[word]} tag is found"


def _covers(wide: Rule, narrow: Rule) -> bool:
    """True if the wide rule certainly fires wherever the narrow one does; in doubt it does not."""
    return (
        wide.media in (None, narrow.media)
        and _looser(wide, narrow)
        and all(
            any(w.fact == n.fact and set(n.values) <= set(w.values) for n in narrow.declared) for w in wide.declared
        )
        and all(any(_implies(row, other) for other in narrow.unless) for row in wide.unless)
    )


def _implies(row: tuple[Told, ...], other: tuple[Told, ...]) -> bool:
    """True if whatever is declared as the row says is also declared as the other says."""
    return all(any(r.fact == o.fact and set(r.values) <= set(o.values) for r in row) for o in other)


def _looser(wide: Rule, narrow: Rule) -> bool:
    """True if the wide rule's conditions let everything through that the narrow one's do."""
    if not wide.conditions:
        return True
    theirs = {c.word: c.value for c in narrow.conditions}
    for condition in wide.conditions:
        own, other = condition.value, theirs.get(condition.word)
        if condition.word in _NARROWER_IF_MORE:
            if own > (other or 0):
                return False
        elif condition.word in ("label", "tag"):
            found = set(other or ()) or _found_by(narrow)
            if not found or not found <= set(own):
                return False
        elif own != other:
            return False
    return True


def _found_by(rule: Rule) -> set[str]:
    """What a rule about several labels at one time finds."""
    return set(labels_of(rule)) if not any(c.word == "tag" for c in rule.conditions) else set()
