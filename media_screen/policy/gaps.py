"""Coverage -> why "nothing found" would prove nothing. Rule names with a dot, which no pack can take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from media_screen.policy.nouns import Text
from media_screen.policy.phrases import kinds, listed
from media_screen.types import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.types import Evidence

Waiting = tuple[tuple[str, ...], tuple[str, ...]]

_AGAIN = Text(en="Get the original file again and screen that.", hi="मूल फ़ाइल दोबारा लें और उसी की जाँच करें।")
_INSTALL = Text(
    en="Declare what makes it needless (the questions that are still open), install a model for it"
    " (media-screen doctor lists what is there), or choose a policy without these rules.",
    hi="जिन प्रश्नों के उत्तर से इसकी ज़रूरत न रहे वे घोषित करें, इसके लिए मॉडल लगाएँ"
    " (media-screen doctor बताता है कि क्या मौजूद है), या बिना इन नियमों वाली नीति चुनें।",
)
_DOCTOR = Text(
    en="Run media-screen doctor; it says which part does not work.",
    hi="media-screen doctor चलाएँ; वह बताता है कि कौन-सा हिस्सा काम नहीं करता।",
)


def gaps_in(evidence: Evidence, absent: frozenset[str], waiting: Sequence[Waiting] = ()) -> list[Reason]:
    """An error for each: a file cut short, a detector that is absent, one that looked at nothing.

    Args:
        evidence: of the file.
        absent: labels that no detector looks for, though a rule cannot be answered without one.
        waiting: (clauses, open questions) of each such rule.
    """
    coverage, gaps = evidence.coverage, []
    if coverage.decode_errors:
        more = f" (and {n - 1} more such errors)" if (n := len(coverage.decode_errors)) > 1 else ""
        said = Text(
            en=f"the file does not decode to its end: {coverage.decode_errors[0]}{more}",
            hi=f"फ़ाइल अंत तक नहीं खुलती: {coverage.decode_errors[0]}{more}",
        )
        gaps.append(_gap("coverage.decode", said, _AGAIN))
    elif coverage.frames_decoded == 0:
        said = Text(en="no picture could be decoded", hi="कोई चित्र नहीं खुल सका")
        gaps.append(_gap("coverage.frames", said, _AGAIN))
    if absent:
        names = kinds(absent)
        said = Text(
            en=f"this policy needs a detector for {names.en}, none is installed",
            hi=f"इस नीति को {names.hi} के लिए डिटेक्टर चाहिए, जो लगा नहीं है",
        )
        clauses = dict.fromkeys(clause for named, _ in waiting for clause in named)
        questions = tuple(dict.fromkeys(question for _, open_ in waiting for question in open_))
        gap = _gap("coverage.detector", said, _INSTALL)
        gaps.append(replace(gap, clause=", ".join(clauses), questions=questions))
    blind = sorted({look.detector for look in coverage.looks if look.frames == 0})
    if blind and coverage.frames_decoded > 0:
        said = Text(
            en=f"the detector {listed(blind)} looked at none of {coverage.frames_decoded} frames",
            hi=f"डिटेक्टर {listed(blind, last='और')} ने {coverage.frames_decoded} में से एक भी फ़्रेम नहीं देखा",
        )
        gaps.append(_gap("coverage.look", said, _DOCTOR))
    return gaps


def _gap(rule: str, said: Text, todo: Text) -> Reason:
    return Reason(
        rule=rule,
        clause="",
        text=said.en,
        text_hi=said.hi,
        action="error",
        findings=(),
        todo=todo.en,
        todo_hi=todo.hi,
    )
