"""Policy + Evidence -> Decision. Pure: the same two always give the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.policy.conditions import WORDS
from media_screen.policy.phrases import listed, plain, what_was_found
from media_screen.types import Action, Decision, Evidence, Reason, Verdict

if TYPE_CHECKING:
    from media_screen.policy.nouns import Policy, Rule

VERDICTS: dict[Action, Verdict] = {
    "note": Verdict.PASS,
    "strip": Verdict.REDACT,
    "redact": Verdict.REDACT,
    "review": Verdict.REVIEW,
    "block": Verdict.BLOCK,
    "error": Verdict.ERROR,
}


def decide(policy: Policy, evidence: Evidence) -> Decision:
    """Every reason, the gravest first; the verdict is the gravest of them, or PASS where there is none."""
    reasons = [*_gaps(policy, evidence), *(r for rule in policy.rules if (r := _apply(rule, evidence)))]
    reasons.sort(key=lambda reason: -VERDICTS[reason.action])
    verdict = max((VERDICTS[reason.action] for reason in reasons), default=Verdict.PASS)
    return Decision(verdict=verdict, reasons=tuple(reasons))


def required_labels(policy: Policy) -> frozenset[str]:
    """What some rule wants to know about: without a detector for each of these the policy cannot be answered."""
    return frozenset(
        label
        for rule in policy.rules
        for condition in rule.conditions
        if condition.word == "label"
        for label in condition.value
    )


def _apply(rule: Rule, evidence: Evidence) -> Reason | None:
    found = tuple(range(len(evidence.findings)))
    for condition in rule.conditions:
        found = WORDS[condition.word].narrow(condition.value, found, evidence)
    if not found:
        return None
    said = what_was_found([evidence.findings[i] for i in found], evidence)
    return Reason(
        rule=rule.id,
        clause=rule.clause,
        text=f"{said}; {rule.text.en}",
        action=rule.action,
        findings=found,
        todo=rule.todo.en if rule.todo else "",
    )


def _gaps(policy: Policy, evidence: Evidence) -> list[Reason]:
    """Why "nothing found" would prove nothing. These reasons have rule names with a dot, which no pack can take."""
    coverage, gaps = evidence.coverage, []
    if coverage.decode_errors:
        more = f" (and {n - 1} more such errors)" if (n := len(coverage.decode_errors)) > 1 else ""
        text = f"the file does not decode to its end: {coverage.decode_errors[0]}{more}"
        gaps.append(_gap("coverage.decode", text, "Get the original file again and screen that."))
    elif coverage.frames_decoded == 0:
        gaps.append(_gap("coverage.frames", "no picture could be decoded", "Get the original file and screen that."))
    absent = required_labels(policy).difference(*(look.labels for look in coverage.looks))
    if absent:
        text = f"this policy needs a detector for {listed(map(plain, sorted(absent)))}, none is installed"
        todo = "Install a model for it (media-screen doctor lists what is there), or choose a policy without that rule."
        gaps.append(_gap("coverage.detector", text, todo))
    blind = sorted({look.detector for look in coverage.looks if look.frames == 0})
    if blind and coverage.frames_decoded > 0:
        text = f"the detector {listed(blind)} looked at none of {coverage.frames_decoded} frames"
        gaps.append(_gap("coverage.look", text, "Run media-screen doctor; it says which part does not work."))
    return gaps


def _gap(rule: str, text: str, todo: str) -> Reason:
    return Reason(rule=rule, clause="", text=text, action="error", findings=(), todo=todo)
