"""Policy + Evidence + declared facts -> Decision. Pure: the same three always give the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.policy.conditions import WORDS
from media_screen.policy.facts import FACTS
from media_screen.policy.gaps import gaps_in
from media_screen.policy.nouns import Text
from media_screen.policy.phrases import kinds, listed, what_was_found, what_was_laid_out
from media_screen.policy.questions import SIGHT, open_facts, open_questions
from media_screen.types import Action, Decision, Evidence, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from media_screen.policy.nouns import Policy, Rule
    from media_screen.types import Fact

VERDICTS: dict[Action, Verdict] = {
    "note": Verdict.PASS,
    "strip": Verdict.REDACT,
    "redact": Verdict.REDACT,
    "review": Verdict.REVIEW,
    "block": Verdict.BLOCK,
    "error": Verdict.ERROR,
}
SUBJECTS = ("label", "together", "at_once")


def decide(policy: Policy, evidence: Evidence, facts: Iterable[Fact] = ()) -> Decision:
    """Every reason, the gravest first; the verdict is the gravest of them, or PASS where there is none."""
    told = {fact.name: fact.value for fact in facts}
    rules = [rule for rule in policy.rules if _may_speak(rule, evidence, told)]
    looked_for = {label for look in evidence.coverage.looks for label in look.labels}
    missing = [(rule, labels_of(rule) - looked_for) for rule in rules]
    blind = [(rule, labels) for rule, labels in missing if labels and rule.absent == "error"]
    waiting = [(rule.clauses, open_facts(rule, told)) for rule, _ in blind]
    reasons = gaps_in(evidence, _united(labels for _, labels in blind), waiting)
    for rule, labels in missing:
        fired = _apply(rule, evidence, told)
        asked = _asked(rule, labels, told) if labels and rule.absent == "ask" else None
        reasons += [reason for reason in (fired, asked) if reason]
    reasons.sort(key=lambda reason: -VERDICTS[reason.action])
    unseen = _united(labels for rule, labels in missing if rule.absent == "ask")
    return Decision(
        verdict=max((VERDICTS[reason.action] for reason in reasons), default=Verdict.PASS),
        reasons=tuple(reasons),
        questions=open_questions(reasons, waiting, unseen),
        unseen=tuple(sorted(unseen)),
    )


def labels_of(rule: Rule) -> frozenset[str]:
    """What it wants to know about."""
    return frozenset(
        label
        for condition in rule.conditions
        if condition.word in SUBJECTS
        for entry in condition.value
        for label in ((entry,) if isinstance(entry, str) else entry)
    )


def required_labels(policy: Policy) -> frozenset[str]:
    """What some rule wants to know about."""
    return _united(map(labels_of, policy.rules))


def _united(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(label for labels in sets for label in labels)


def _may_speak(rule: Rule, evidence: Evidence, told: Mapping[str, str]) -> bool:
    """False where the medium or what was declared settles the rule. What is not declared settles nothing."""
    if rule.media == "video" and evidence.media.kind == "image" and evidence.coverage.frames_decoded <= 1:
        return False  # a picture that moves is both
    if rule.media == "image" and evidence.media.kind == "video":
        return False
    if any(told.get(t.fact, t.values[0]) not in t.values for t in rule.declared):
        return False
    return not any(all(told.get(t.fact) in t.values for t in row) for row in rule.unless)


def _apply(rule: Rule, evidence: Evidence, told: Mapping[str, str]) -> Reason | None:
    if not rule.conditions:
        return _reason(rule, _declared(rule, told), told)
    found = tuple(range(len(evidence.findings)))
    for condition in rule.conditions:
        found = WORDS[condition.word].narrow(condition.value, found, evidence)
    if not found:
        return None
    is_scene = any(condition.word == "laid_out" for condition in rule.conditions)
    said = what_was_laid_out if is_scene else what_was_found
    return _reason(rule, said([evidence.findings[i] for i in found], evidence), told, findings=found)


def _asked(rule: Rule, unseen: frozenset[str], told: Mapping[str, str]) -> Reason:
    """A person has to look where no detector does: never a pass."""
    names = kinds(unseen)
    what = Text(en=f"no detector for {names.en} is installed", hi=f"{names.hi} के लिए कोई डिटेक्टर नहीं लगा है")
    return _reason(rule, what, told, action="review", or_sight=True)


def _reason(
    rule: Rule,
    what: Text,
    told: Mapping[str, str],
    *,
    findings: tuple[int, ...] = (),
    action: Action | None = None,
    or_sight: bool = False,
) -> Reason:
    questions = open_facts(rule, told)
    return Reason(
        rule=rule.id,
        clause=rule.clause,
        text=f"{what.en}; {rule.text.en}",
        text_hi=f"{what.hi}; {rule.text.hi}",
        action=action or rule.action,
        findings=findings,
        todo=rule.todo.en if rule.todo else "",
        todo_hi=rule.todo.hi if rule.todo else "",
        questions=questions or ((SIGHT,) if or_sight else ()),
    )


def _declared(rule: Rule, told: Mapping[str, str]) -> Text:
    """What a rule that looks at nothing but facts rests on."""
    missing = [FACTS[fact].short for fact in open_facts(rule, told)]
    if missing:
        return Text(
            en=f"not declared: {listed(t.en for t in missing)}",
            hi=f"घोषित नहीं: {listed((t.hi for t in missing), last='और')}",
        )
    said = [FACTS[fact].values[told[fact]] for fact in rule.facts if fact in told]
    if not said:
        return Text(en="every file", hi="हर फ़ाइल")
    return Text(en=f"declared: {listed(t.en for t in said)}", hi=f"घोषित: {listed((t.hi for t in said), last='और')}")
