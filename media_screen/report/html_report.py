"""JSON document -> one self-contained HTML page that a constable can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_screen.report import words
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
        ("Questions to be answered", _questions(doc)),
        ("What was declared", _facts(doc)),
        ("The copy", _copy(doc)),
        ("Everything that was found", _findings(doc)),
        ("Metadata that was removed", _removed(doc)),
        ("How thoroughly it was examined", _examined(doc)),
        ("Notes", _notes(doc)),
        ("For the record", _record(doc)),
    )
    body = _head(doc) + "".join(
        f"\n<section>\n<h2>{e(title)}</h2>\n{part}\n</section>" for title, part in sections if part
    )
    return page(f"{doc['input']['name']} - {words.banner(doc)[1]}", body)


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
            f'<div class="card reason error">{badge("error", "Error")}'
            f'<p class="found">{e(doc["error"]["message"])}</p>{_todo(words.way_out(doc))}</div>',
        )
    if not cards and not doc["questions"]:
        cards.append('<div class="card"><p>No rule of this policy found anything to object to.</p></div>')
    return "\n".join(cards)


def _reason(doc: Document, reason: Document) -> str:
    found, rule = words.found_and_rule(reason["text"])
    several = "," in reason["clause"]
    clause = f'<span class="clause">{"Clauses" if several else "Clause"} {e(reason["clause"])}</span>'
    return (
        f'<article class="card reason {e(reason["action"])}">\n'
        f"{badge(reason['action'], words.action(doc, reason))}{clause if reason['clause'] else ''}\n"
        f'<p class="found">{e(_capital(found))}</p>\n{f"<p>{e(_capital(rule))}.</p>" if rule else ""}'
        f"{_thumbnails(doc, reason)}{_todo(reason['todo'])}\n</article>"
    )


def _questions(doc: Document) -> str:
    rows = "".join(
        f"<tr><td>{e(question['text'])}</td><td>{e(', '.join(question['clauses']))}</td>"
        f"<td>{_answer(question['answer'])}</td></tr>"
        for question in doc["questions"]
    )
    table = (
        '<div class="card table"><table><thead><tr><th>Question</th><th>Clauses</th><th>How to answer</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    return f"<p>{e(words.QUESTIONS_MEAN)}</p>{table}" if rows else ""


def _answer(answer: str) -> str:
    return f"<code>{e(answer)}</code>" if answer else e(words.ANSWERED_BY_RELEASE)


def _facts(doc: Document) -> str:
    return f'<div class="card">{listing(map(words.declared, doc["facts"]))}</div>' if doc["facts"] else ""


def _todo(text: str) -> str:
    return f'<p class="todo"><b>What to do:</b> {e(text)}</p>' if text else ""


def _thumbnails(doc: Document, reason: Document) -> str:
    findings = [doc["findings"][n] for n in reason["findings"] if n < len(doc["findings"])]
    with_picture = [finding for finding in findings if finding["thumbnail"]]
    if not with_picture:
        return ""
    shown = "".join(
        f"<li>{picture(finding['thumbnail'], words.plain(finding['label']))}<span>{e(_when(doc, finding))}</span></li>"
        for finding in with_picture[:MAX_THUMBNAILS]
    )
    more = len(with_picture) - MAX_THUMBNAILS
    return f'<ul class="thumbs">{shown}</ul>' + (f'<p class="small soft">and {more} more</p>' if more > 0 else "")


def _copy(doc: Document) -> str:
    output = doc["output"]
    if output is None:
        return ""
    up = "../" * (doc["input"]["url"].count("/") + 1)  # this page lies in reports/, as deep as the input did
    said = f"{words.size(output['size_bytes'])} · {words.CHANGED[output['changed']]}"
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
        f"<tr><td>{e(_capital(words.plain(t['label'])))}</td><td class=n>{e(_when(doc, t))}</td>"
        f"<td class=n>{round(t['score'] * 100)} %</td><td class=n>{t['sightings']}</td></tr>"
        for t in tracks[:MAX_ROWS]
    )
    table = (
        '<div class="card table"><table><thead>'
        "<tr><th>What</th><th>When</th><th>Certainty</th><th>Sightings</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
    more = len(tracks) - MAX_ROWS
    rest = f'<p class="small soft">and {more} more, in the JSON report</p>' if more > 0 else ""
    return (table + rest if tracks else "") + (_tags(tags) if tags and not doc["removed"] else "")


def _removed(doc: Document) -> str:
    groups = words.grouped(doc["removed"])
    return (
        f'{_tags(groups)}<p class="small soft">Names only. What they said is not kept in any report.</p>'
        if groups
        else ""
    )


def _tags(groups: dict[str, list[str]]) -> str:
    rows = (
        f"<dt>{e(words.TAG_KINDS.get(kind, kind))}</dt><dd>{', '.join(name(tag) for tag in names[:MAX_ROWS])}"
        f"{f' and {len(names) - MAX_ROWS} more' if len(names) > MAX_ROWS else ''}</dd>"
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
    return f'<dl class="fine">{"".join(f"<dt>{head}</dt><dd>{value}</dd>" for head, value in rows)}</dl>'


def _sha256(part: Document) -> str:
    return f"<br><code>sha256 {e(part['sha256'])}</code>" if part["sha256"] else ""


def _when(doc: Document, finding: Document) -> str:
    coverage = doc["coverage"]
    if finding["first_s"] is None or (coverage and coverage["frames_decoded"] <= 1):
        return "in the picture"
    first, last = words.clock(finding["first_s"]), words.clock(finding["last_s"] or finding["first_s"])
    return first if first == last else f"{first} - {last}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
