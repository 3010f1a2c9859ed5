"""JSON document -> one self-contained HTML page that a constable can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.report import words
from media_screen.report.hindi import called, say
from media_screen.report.html_index import index_html
from media_screen.report.html_parts import MARKS, badge, e, link, listing, name, page, picture

if TYPE_CHECKING:
    from media_screen.report.json_report import Document

__all__ = ["index_html", "render"]

MAX_THUMBNAILS = 12  # for each reason; a crowd would bury what there is to do
MAX_ROWS = 100


def render(doc: Document) -> str:
    """The page of one input, to lie at reports/NAME.html in the output folder."""
    sections = (
        ("Why, and what to do", _reasons(doc)),
        ("Left to the person who released it" if doc["release"] else "Questions to be answered", _questions(doc)),
        ("What was declared", _facts(doc)),
        ("Who is known", _known(doc)),
        ("Who released it", _release(doc)),
        ("The copy", _copy(doc)),
        ("Everything that was found", _findings(doc)),
        ("Metadata that was removed", _removed(doc)),
        ("How thoroughly it was examined", _examined(doc)),
        ("Notes", _notes(doc)),
        ("For the record", _record(doc)),
    )
    body = _head(doc) + "".join(
        f"\n<section>\n<h2>{e(say(doc['lang'], title))}</h2>\n{part}\n</section>" for title, part in sections if part
    )
    return page(f"{doc['input']['name']} - {words.banner(doc)[1]}", body, lang=doc["lang"])


def _head(doc: Document) -> str:
    tone, headline, meaning = words.banner(doc)
    return (
        f"<header>\n<h1>{name(doc['input']['name'])}</h1>\n"
        f'<p class="soft small">{e(" · ".join(words.facts(doc)))}</p>\n</header>\n'
        f'<div class="banner {tone}" role="status"><div class="mark" aria-hidden="true">{MARKS[tone]}</div>'
        f"<div><strong>{e(headline)}</strong><p>{e(meaning)}</p></div></div>"
    )


def _reasons(doc: Document) -> str:
    cards = [_reason(doc, reason) for reason in words.settled(doc)]
    if doc["error"] and not words.error_reasons(doc):
        cards.insert(
            0,
            f'<div class="card reason error">{badge("error", say(doc["lang"], "Error"))}'
            f'<p class="found">{e(words.what_failed(doc))}</p>{_todo(doc, words.way_out(doc))}</div>',
        )
    if not cards and not doc["questions"]:
        nothing = say(doc["lang"], "No rule of this policy found anything to object to.")
        cards.append(f'<div class="card"><p>{e(nothing)}</p></div>')
    return "\n".join(cards)


def _reason(doc: Document, reason: Document) -> str:
    found, rule = words.found_and_rule(words.text_of(doc, reason))
    named = say(
        doc["lang"], "Clauses {clauses}" if "," in reason["clause"] else "Clause {clauses}", clauses=reason["clause"]
    )
    clause = f'<span class="clause">{e(named)}</span>'
    return (
        f'<article class="card reason {e(reason["action"])}">\n'
        f"{badge(reason['action'], words.action(doc, reason))}{clause if reason['clause'] else ''}\n"
        f'<p class="found">{e(_capital(found))}</p>\n{f"<p>{e(_capital(rule))}{_stop(doc)}</p>" if rule else ""}'
        f"{_thumbnails(doc, reason)}{_todo(doc, words.text_of(doc, reason, 'todo'))}\n</article>"
    )


def _questions(doc: Document) -> str:
    rows = "".join(
        f"<tr><td>{e(words.text_of(doc, question))}</td><td>{e(', '.join(question['clauses']))}</td>"
        f"<td>{_answer(doc, question['answer'])}</td></tr>"
        for question in doc["questions"]
    )
    meaning = e(say(doc["lang"], words.QUESTIONS_MEAN))
    note = "" if doc["release"] else f"<p>{meaning}</p>"
    return f"{note}{_table(doc, ('Question', 'Clauses', 'How to answer'), rows)}" if rows else ""


def _table(doc: Document, heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f"<th>{e(say(doc['lang'], each))}</th>" for each in heads)
    return f'<div class="card table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _answer(doc: Document, answer: str) -> str:
    return f"<code>{e(answer)}</code>" if answer else e(say(doc["lang"], words.ANSWERED_BY_RELEASE))


def _facts(doc: Document) -> str:
    said = [words.declared(doc, fact) for fact in doc["facts"]]
    return f'<div class="card">{listing(said)}</div>' if said else ""


def _known(doc: Document) -> str:
    """Who stays visible, each with a picture, and why."""
    shown = "".join(
        f"<li>{picture(finding['thumbnail'], called(doc['lang'], finding['label']))}"
        f"<span>{name(finding['identity']['name'])}<br>{e(_when(doc, finding))}</span></li>"
        for finding in words.kept(doc)[:MAX_THUMBNAILS]
        if finding["thumbnail"]
    )
    said = words.known(doc)
    pictures = f'<ul class="thumbs">{shown}</ul>' if shown else ""
    return f'<div class="card">{listing(said)}{pictures}</div>' if said else ""


def _release(doc: Document) -> str:
    return f'<div class="card"><p>{e(words.released(doc))}</p></div>' if doc["release"] else ""


def _stop(doc: Document) -> str:
    return "।" if doc["lang"] == "hi" else "."


def _todo(doc: Document, text: str) -> str:
    return f'<p class="todo"><b>{e(say(doc["lang"], "What to do:"))}</b> {e(text)}</p>' if text else ""


def _thumbnails(doc: Document, reason: Document) -> str:
    findings = [doc["findings"][n] for n in reason["findings"] if n < len(doc["findings"])]
    with_picture = [finding for finding in findings if finding["thumbnail"]]
    if not with_picture:
        return ""
    shown = "".join(
        f"<li>{picture(finding['thumbnail'], called(doc['lang'], finding['label']))}"
        f"<span>{e(_when(doc, finding))}</span></li>"
        for finding in with_picture[:MAX_THUMBNAILS]
    )
    more = len(with_picture) - MAX_THUMBNAILS
    rest = f'<p class="small soft">{e(say(doc["lang"], "and {count} more", count=more))}</p>'
    return f'<ul class="thumbs">{shown}</ul>' + (rest if more > 0 else "")


def _copy(doc: Document) -> str:
    output = doc["output"]
    if output is None:
        return ""
    up = "../" * (doc["input"]["url"].count("/") + 1)  # this page lies in reports/, as deep as the input did
    said = f"{words.size(output['size_bytes'])} · {say(doc['lang'], words.CHANGED[output['changed']])}"
    return (
        f'<div class="card"><p>{link(up + output["url"], output["name"])}'
        f'<span class="soft small"> · {e(said)}</span></p>{listing(words.verification(doc))}</div>'
    )


def _findings(doc: Document) -> str:
    tracks = [finding for finding in doc["findings"] if finding["kind"] == "track"]
    tags = words.grouped({"kind": f["label"], "name": f["name"]} for f in doc["findings"] if f["kind"] == "tag")
    if not tracks and not tags:
        return ""
    rows = "".join(
        f"<tr><td>{e(_capital(called(doc['lang'], t['label'])))}</td><td class=n>{e(_when(doc, t))}</td>"
        f"<td class=n>{round(t['score'] * 100)} %</td><td class=n>{t['sightings']}</td></tr>"
        for t in tracks[:MAX_ROWS]
    )
    table = _table(doc, ("What", "When", "Certainty", "Sightings"), rows)
    more = len(tracks) - MAX_ROWS
    said = say(doc["lang"], "and {count} more, in the JSON report", count=more)
    rest = f'<p class="small soft">{e(said)}</p>' if more > 0 else ""
    return (table + rest if tracks else "") + (_tags(doc, tags) if tags and not doc["removed"] else "")


def _removed(doc: Document) -> str:
    groups = words.grouped(doc["removed"])
    said = say(doc["lang"], "Names only. What they said is not kept in any report.")
    return f'{_tags(doc, groups)}<p class="small soft">{e(said)}</p>' if groups else ""


def _tags(doc: Document, groups: dict[str, list[str]]) -> str:
    def more(names: list[str]) -> str:
        left = len(names) - MAX_ROWS
        return f" {e(say(doc['lang'], 'and {count} more', count=left))}" if left > 0 else ""

    rows = (
        f"<dt>{e(say(doc['lang'], words.TAG_KINDS.get(kind, 'Unknown meaning')))}</dt>"
        f"<dd>{', '.join(name(tag) for tag in names[:MAX_ROWS])}{more(names)}</dd>"
        for kind, names in groups.items()
    )
    return f'<div class="card small"><dl>{"".join(rows)}</dl></div>'


def _examined(doc: Document) -> str:
    return f'<div class="card">{listing(words.coverage(doc))}</div>'


def _notes(doc: Document) -> str:
    return f'<div class="card">{listing(doc["notes"])}</div>' if doc["notes"] else ""


def _record(doc: Document) -> str:
    rows = [("Policy", e(doc["policy"]["name"]) + _sha256(doc["policy"]))]
    if "sha256" in doc["input"]:
        rows.append(("Input", name(doc["input"]["name"]) + _sha256(doc["input"])))
    if doc["output"]:
        rows.append(("Copy", name(doc["output"]["name"]) + _sha256(doc["output"])))
    rows += [("Model", f"{e(model['name'])}, {e(model['provider'])}{_sha256(model)}") for model in doc["models"]]
    if doc["timings_s"]:
        rows.append(("Time taken", e(", ".join(f"{stage} {taken:.2f} s" for stage, taken in doc["timings_s"].items()))))
    rows.append(("Made by", f"{e(doc['tool']['name'])} {e(doc['tool']['version'])}"))
    told = "".join(f"<dt>{e(say(doc['lang'], head))}</dt><dd>{value}</dd>" for head, value in rows)
    return f'<dl class="fine">{told}</dl>'


def _sha256(part: Document) -> str:
    return f"<br><code>sha256 {e(part['sha256'])}</code>" if part["sha256"] else ""


def _when(doc: Document, finding: Document) -> str:
    coverage = doc["coverage"]
    if finding["first_s"] is None or (coverage and coverage["frames_decoded"] <= 1):
        return say(doc["lang"], "in the picture")
    first, last = words.clock(finding["first_s"]), words.clock(finding["last_s"] or finding["first_s"])
    return first if first == last else f"{first} - {last}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
