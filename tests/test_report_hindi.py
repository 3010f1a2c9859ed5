"""Every sentence of pages and messages has its Hindi, the pages say it, and nothing in the table is left over."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import error_report, full_report

from media_screen.errors import FileError
from media_screen.policy.labels import LABELS
from media_screen.report import html_index, html_report, json_report, text_report, words
from media_screen.report.hindi import HINDI, NOUNS, called, say
from media_screen.report.hindi import LABELS as SAID
from media_screen.types import Question, Reason

PACKAGE = Path(__file__).parents[1] / "media_screen"
SPEAKERS = [*(PACKAGE / "report").glob("*.py"), *(PACKAGE / "cli").glob("*.py")]
DEVANAGARI = re.compile("[\u0900-\u097f]")


def literals(node: ast.AST) -> set[str]:
    """A string, or both of "one if so else other"."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_every_literal_that_is_said_has_its_hindi():
    said: set[str] = set()
    for path in SPEAKERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "say" and len(node.args) > 1:
                said |= literals(node.args[1])
            is_sentence = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("sentence", "whole", "said")
            said |= {text for text in literals(node.value) if "{" in text or "." in text} if is_sentence else set()
    assert len(said) > 50
    assert said - HINDI.keys() == set()


def test_every_word_of_the_tables_has_its_hindi():
    tables = [words.TAG_KINDS, words.ACTIONS, words.ACTIONS_DUE, words.CHANGED, words.WAYS_OUT, words.WHAT_HAPPENED]
    assert {text for table in tables for text in table.values()} - HINDI.keys() == set()
    banners = [words._ERROR, *words._DISPOSITIONS.values(), *words._VERDICTS.values()]
    assert {text for banner in banners for text in banner[1:]} - HINDI.keys() == set()
    assert set(words._COPIES.values()) - HINDI.keys() == set()
    assert {word for _, word in html_index.TILES.values()} - HINDI.keys() == set()
    assert {head for head, _ in html_index.COLUMNS if head} - HINDI.keys() == set()


def test_every_error_has_a_sentence_and_a_way_out():
    names = {cls.__name__ for cls in [FileError, *FileError.__subclasses__()]}
    assert names <= words.WHAT_HAPPENED.keys()
    assert names <= words.WAYS_OUT.keys()


@pytest.mark.parametrize("text", sorted(HINDI))
def test_the_hindi_is_hindi_and_has_the_same_places_for_values(text):
    assert DEVANAGARI.search(HINDI[text]) or text == "{what} ({message})"
    assert set(re.findall(r"{\w+}", HINDI[text])) == set(re.findall(r"{\w+}", text))


def test_what_things_are_called_agrees_with_the_policy_room():
    assert {name: noun.hi_one for name, noun in LABELS.items()} == SAID
    assert called("hi", "police_officer") == "वर्दीधारी पुलिसकर्मी"
    assert called("hi", "rare_bird") == "rare bird"
    assert all(len(both) == 2 for both in NOUNS.values())


class Visible(HTMLParser):
    """The words that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.seen = 0, []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the parser's own signature
        self.hidden += tag in ("style", "script", "code", "bdi", "title")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "script", "code", "bdi", "title")

    def handle_data(self, data):
        if not self.hidden and data.strip():
            self.seen.append(data.strip())


def hindi(report):
    return json_report.document(replace(report, lang="hi"))


def asked_report():
    question = Question(name="account", text="Whose?", text_hi="किसका?", answer="--account ...", clauses=("31",))
    look = Question(name="sight", text="Look.", text_hi="देखें।", answer="", clauses=())
    reason = Reason(
        rule="r", clause="31", text="a; b", text_hi="क; ख", action="review", findings=(0,), todo="c", todo_hi="ग"
    )
    base = full_report()
    return replace(base, decision=replace(base.decision, reasons=(reason,), questions=(question, look)))


def in_both_languages(report):
    if report.decision is None:
        return report
    both = (replace(r, text_hi="यह मिला; नियम", todo_hi="यह करें") for r in report.decision.reasons)
    return replace(report, decision=replace(report.decision, reasons=tuple(both)))


@pytest.mark.parametrize("report", [full_report(), error_report(), asked_report()], ids=["full", "error", "asked"])
def test_a_hindi_page_says_nothing_in_english_but_names_and_commands(report):
    report = replace(in_both_languages(report), notes=(), media=report.media and replace(report.media, notes=()))
    page = html_report.render(hindi(report))
    assert '<html lang="hi">' in page
    reader = Visible()
    reader.feed(page)
    english = re.compile(
        r"\b(the|and|of|was|were|is|not|file|copy|clause|frames?|removed|blurred|policy)\b", re.IGNORECASE
    )
    told = [text for text in reader.seen if english.search(text)]
    allowed = {report.error} if report.error else set()
    assert [text for text in told if not any(a in text for a in allowed)] == []


def test_the_text_and_the_index_speak_hindi_too():
    doc = hindi(full_report())
    assert "अपलोड" in text_report.render(doc)
    assert DEVANAGARI.search(text_report.line(doc))
    index = html_index.index_html([doc])
    assert '<html lang="hi">' in index
    assert "जाँची गई" in index
    assert 'data-says="{all} में से {shown} दिख रही हैं"' in index


def test_a_sentence_without_its_hindi_is_an_error_not_english():
    with pytest.raises(KeyError):
        say("hi", "never said")
    assert say("en", "never said {n}", n=1) == "never said 1"
