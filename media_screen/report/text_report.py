"""JSON document -> the few lines that a person reads on a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

from media_screen.report.hindi import say
from media_screen.report.words import (
    action,
    asked,
    banner,
    clause,
    clauses,
    coverage,
    declared,
    error_reasons,
    found_and_rule,
    known,
    released,
    settled,
    shown,
    text_of,
    verification,
    way_out,
    what_failed,
)

if TYPE_CHECKING:
    from media_screen.report.json_report import Document

WIDTH = 100
COLUMN = 16


def render(doc: Document) -> str:
    """Verdict, why, what to do, and how much was looked at."""
    _, headline, meaning = banner(doc)
    lang = doc["lang"]
    stop = "।" if lang == "hi" else "."
    lines = [f"{shown(doc['input']['name'])}: {say(lang, doc['verdict'].upper())} - {headline}{stop} {meaning}"]
    if doc["error"] and not error_reasons(doc):
        lines += _row(say(lang, "Error"), what_failed(doc))
        lines += _row("", f"-> {way_out(doc)}") if way_out(doc) else []
    for reason in settled(doc):
        named = f"{clause(doc, reason['clause'])}: " if reason["clause"] else ""
        lines += _row(action(doc, reason), f"{named}{text_of(doc, reason)}")
        if reason["todo"]:
            lines += _row("", f"-> {text_of(doc, reason, 'todo')}")
    listed = (
        (say(lang, "Left open" if doc["release"] else "To be answered"), [asked(doc, q) for q in doc["questions"]]),
        (say(lang, "Known"), known(doc)),
        (say(lang, "Declared"), [declared(doc, fact) for fact in doc["facts"]]),
    )
    for head, sentences in listed:
        for number, sentence in enumerate(sentences):
            lines += _row("" if number else head, sentence)
    if doc["output"]:
        lines += _row(say(lang, "Copy"), doc["output"]["name"])
        lines += _row(say(lang, "Verified"), " ".join(verification(doc)))
    if doc["release"]:
        lines += _row(say(lang, "Released"), released(doc))
    if doc["coverage"]:
        lines += _row(say(lang, "Examined"), " ".join(coverage(doc)))
    for note in doc["notes"]:
        lines += _row(say(lang, "Note"), note)
    return "\n".join(lines)


def line(doc: Document) -> str:
    """The same in one line, for the log of a batch."""
    parts = [found_and_rule(text_of(doc, reason))[0] for reason in settled(doc)]
    if doc["questions"]:
        parts.append(
            say(doc["lang"], "to be answered: {questions}", questions=", ".join(q["name"] for q in doc["questions"]))
        )
    said = what_failed(doc) if doc["error"] else "; ".join(parts)
    named = clauses(doc)
    where = f" ({clause(doc, ', '.join(named))})" if named and not doc["error"] else ""
    told = f": {said}{where}" if said else ""
    went = say(doc["lang"], doc["disposition"] if doc["disposition"] != "checked" else doc["verdict"])
    return shown(f"{went:<8} {doc['input']['name']}{told}")


def _row(head: str, text: str) -> list[str]:
    indent = " " * COLUMN
    signs = sum(unicodedata.category(c) == "Mn" for c in head)  # vowel signs of Hindi take no place of their own
    first = f"  {head:<{COLUMN - 3 + signs}} "
    return textwrap.wrap(shown(text), WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
