"""JSON document -> the few lines that a person reads on a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from media_screen.report.words import (
    action,
    asked,
    banner,
    clauses,
    coverage,
    declared,
    error_reasons,
    found_and_rule,
    settled,
    shown,
    verification,
    way_out,
)

if TYPE_CHECKING:
    from media_screen.report.json_report import Document

WIDTH = 100
COLUMN = 16


def render(doc: Document) -> str:
    """Verdict, why, what to do, and how much was looked at."""
    _, headline, meaning = banner(doc)
    lines = [f"{shown(doc['input']['name'])}: {doc['verdict'].upper()} - {headline}. {meaning}"]
    if doc["error"] and not error_reasons(doc):
        lines += _row("Error", doc["error"]["message"])
        lines += _row("", f"-> {way_out(doc)}") if way_out(doc) else []
    for reason in settled(doc):
        lines += _row(action(doc, reason), f"{_clause(reason)}{reason['text']}")
        if reason["todo"]:
            lines += _row("", f"-> {reason['todo']}")
    for number, question in enumerate(doc["questions"]):
        lines += _row("" if number else "To be answered", asked(question))
    for number, fact in enumerate(doc["facts"]):
        lines += _row("" if number else "Declared", declared(fact))
    if doc["output"]:
        lines += _row("Copy", doc["output"]["name"])
        lines += _row("Verified", " ".join(verification(doc)))
    if doc["coverage"]:
        lines += _row("Examined", " ".join(coverage(doc)))
    for note in doc["notes"]:
        lines += _row("Note", note)
    return "\n".join(lines)


def line(doc: Document) -> str:
    """The same in one line, for the log of a batch."""
    parts = [found_and_rule(reason["text"])[0] for reason in settled(doc)]
    parts += [f"to be answered: {', '.join(q['name'] for q in doc['questions'])}"] if doc["questions"] else []
    said = doc["error"]["message"] if doc["error"] else "; ".join(parts)
    named = clauses(doc)
    where = f" ({'clause' if len(named) == 1 else 'clauses'} {', '.join(named)})" if named and not doc["error"] else ""
    told = f": {said}{where}" if said else ""
    return shown(
        f"{doc['disposition'] if doc['disposition'] != 'checked' else doc['verdict']:<8} {doc['input']['name']}{told}"
    )


def _clause(reason: Document) -> str:
    word = "clauses" if "," in reason["clause"] else "clause"
    return f"{word} {reason['clause']}: " if reason["clause"] else ""


def _row(head: str, text: str) -> list[str]:
    indent = " " * COLUMN
    first = f"  {head:<{COLUMN - 2}}"
    return textwrap.wrap(shown(text), WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
