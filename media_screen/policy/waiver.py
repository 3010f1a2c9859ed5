"""Decision + whose faces a named person lets stand -> Decision. Pure. The protected are never among them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from media_screen.policy.ruling import VERDICTS
from media_screen.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from media_screen.types import Decision, Evidence, Reason, Role

FACE = "face"
NEVER: tuple[Role, ...] = ("protected",)


def waive(decision: Decision, evidence: Evidence, roles: Collection[Role]) -> Decision:
    """The same without blurring the faces of these roles. What is held or blocked stays so."""
    reasons = [part for reason in decision.reasons for part in _parted(reason, evidence, roles)]
    reasons.sort(key=lambda reason: -VERDICTS[reason.action])
    verdict = max((VERDICTS[reason.action] for reason in reasons), default=Verdict.PASS)
    return replace(decision, verdict=verdict, reasons=tuple(reasons))


def _parted(reason: Reason, evidence: Evidence, roles: Collection[Role]) -> list[Reason]:
    """What of a reason still stands, and as a note what of it is waived."""
    if reason.action != "redact":
        return [reason]
    found = [evidence.findings[i] for i in reason.findings]
    gone = tuple(
        i
        for i, f in zip(reason.findings, found, strict=True)
        if f.label == FACE and f.role in roles and f.role not in NEVER
    )
    left = tuple(i for i in reason.findings if i not in gone)
    if not gone:
        return [reason]
    waived = replace(reason, action="note", findings=gone, todo="", todo_hi="")
    return [replace(reason, findings=left), waived] if left else [waived]
