"""Rules, facts and reasons -> what nobody has answered yet, each question once, in the words of the media cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.policy.facts import FACTS, answer
from media_screen.policy.phrases import kinds
from media_screen.types import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from media_screen.policy.gaps import Waiting
    from media_screen.policy.nouns import Rule, Told
    from media_screen.types import Reason

SIGHT = "sight"  # the question that only a person's look answers


def open_facts(rule: Rule, told: Mapping[str, str]) -> tuple[str, ...]:
    """The facts whose answers could still silence the rule, by the first way out that is open."""
    wanted = [t.fact for t in rule.declared if t.fact not in told]
    ways = ([t.fact for t in row if t.fact not in told] for row in rule.unless if _is_open(row, told))
    return tuple(dict.fromkeys((*wanted, *next(ways, ()))))


def _is_open(row: Sequence[Told], told: Mapping[str, str]) -> bool:
    return all(told.get(t.fact, t.values[0]) in t.values for t in row)


def open_questions(
    reasons: Sequence[Reason], waiting: Sequence[Waiting], unseen: Collection[str]
) -> tuple[Question, ...]:
    """In the order in which facts are declared; what only a look can answer comes last.

    Args:
        reasons: each asks for itself, but for the one error that stands for all rules without a detector.
        waiting: those rules, so that each question names its own clauses.
        unseen: what a person has to look for.
    """
    asking = [(tuple(r.clause.split(", ")), r.questions) for r in reasons if r.action != "error"] + list(waiting)
    made = []
    for name in (*FACTS, SIGHT):
        if any(name in questions for _, questions in asking):
            clauses = dict.fromkeys(c for named, questions in asking if name in questions for c in named if c)
            made.append(_question(name, tuple(clauses), unseen))
    return tuple(made)


def _question(name: str, clauses: tuple[str, ...], unseen: Collection[str]) -> Question:
    if name in FACTS:
        asked = FACTS[name].question
        return Question(name=name, text=asked.en, text_hi=asked.hi, answer=answer(name), clauses=clauses)
    names = kinds(unseen)
    return Question(
        name=name,
        text=f"Look yourself: is any of these in it, which no detector here looks for: {names.en}?",
        text_hi=f"स्वयं देखें: क्या इनमें से कुछ इसमें है, जिन्हें यहाँ कोई डिटेक्टर नहीं देखता: {names.hi}?",
        answer="",
        clauses=clauses,
    )
