"""JSON documents of a batch -> index.html: counts on top, one row an input; only the filter needs a script."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from media_screen.report import words
from media_screen.report.html_parts import badge, e, link, page, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.report.json_report import Document

MAX_THUMBNAILS = 400  # some 10 kB each; beyond this the page would take longer to open than to read

TILES = {  # disposition -> (tone, word)
    "cleared": ("pass", "may be uploaded"),
    "held": ("review", "held for a person"),
    "blocked": ("block", "blocked"),
    "error": ("error", "could not be screened"),
    "checked": ("redact", "checked only"),
}
VERDICTS = ("pass", "redact", "review", "block", "error")

SCRIPT = """
var bar=document.getElementById("filter");bar.hidden=false;
bar.addEventListener("click",function(event){var chosen=event.target.closest("button");if(!chosen)return;
bar.querySelectorAll("button").forEach(function(b){b.setAttribute("aria-pressed",b===chosen)});
document.querySelectorAll("tbody tr").forEach(function(row){
row.hidden=chosen.value!=="all"&&row.dataset.verdict!==chosen.value})});
"""


def index_html(documents: Sequence[Document]) -> str:
    """The page of a batch, to lie in the output folder: links go to reports/NAME.html and to the copies."""
    body = (
        f"<header><h1>{e(words.counted(len(documents), 'file'))} screened</h1>\n{_about(documents)}</header>\n"
        f"{_tiles(documents)}\n{_filter(documents)}\n"
        '<div class="card table"><table><thead><tr><th></th><th>File</th><th>Verdict</th><th>Result</th><th>Why</th>'
        "<th>Copy</th></tr></thead>\n<tbody>\n"
        f"{''.join(_row(doc, n) for n, doc in enumerate(documents))}</tbody></table></div>"
    )
    return page("media-screen - summary", body, script=SCRIPT, width="wide")


def _about(documents: Sequence[Document]) -> str:
    policies = dict.fromkeys(doc["policy"]["name"] for doc in documents)
    tools = dict.fromkeys(f"{doc['tool']['name']} {doc['tool']['version']}" for doc in documents)
    said = ([f"policy {', '.join(policies)}"] if policies else []) + list(tools)
    return f'<p class="soft small">{e(" · ".join(said))}</p>'


def _tiles(documents: Sequence[Document]) -> str:
    counts = Counter(doc["disposition"] for doc in documents)
    tiles = (
        f'<div class="tile {tone if counts[disposition] else ""}"><b>{counts[disposition]}</b>{word}</div>'
        for disposition, (tone, word) in TILES.items()
        if counts[disposition] or disposition != "checked"
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _filter(documents: Sequence[Document]) -> str:
    counts = Counter(doc["verdict"] for doc in documents)
    buttons = "".join(
        f'<button type="button" value="{verdict}" aria-pressed="false">{verdict} {counts[verdict]}</button>'
        for verdict in VERDICTS
        if counts[verdict]
    )
    everything = f'<button type="button" value="all" aria-pressed="true">all {len(documents)}</button>'
    return f'<div class="filter" id="filter" hidden>{everything}{buttons}</div>'


def _row(doc: Document, number: int) -> str:
    thumbnail = _thumbnail(doc) if number < MAX_THUMBNAILS else None
    tone, headline, _ = words.banner(doc)
    named, output = doc["input"], doc["output"]
    copy = f"{link(output['url'], 'open the copy')}<br>" if output else ""
    changed = words.CHANGED[output["changed"]] if output else "none"
    return (
        f'<tr data-verdict="{e(doc["verdict"])}"><td class="thumb">{picture(thumbnail, "finding")}</td>'
        f'<td class="name">'
        f"{link('reports/' + named['url'] + '.html', named['name'])}"
        f'<br><span class="small soft">{e(" · ".join(words.facts(doc)[:2]))}</span></td>'
        f"<td>{badge(doc['verdict'], doc['verdict'])}</td><td>{badge(tone, headline)}</td>"
        f'<td class="reasons">{_why(doc)}</td>'
        f'<td class="small">{copy}<span class="soft">{e(changed)}</span></td></tr>\n'
    )


def _thumbnail(doc: Document) -> str | None:
    """Of the gravest reason that has one."""
    first = [n for reason in doc["reasons"] for n in reason["findings"] if n < len(doc["findings"])]
    found: str | None = next((t for n in first if (t := doc["findings"][n]["thumbnail"])), None)
    return found


def _why(doc: Document) -> str:
    if doc["error"]:
        return f'<p class="why small">{e(doc["error"]["message"])}</p>'
    return "".join(map(_reason, doc["reasons"]))


def _reason(reason: Document) -> str:
    clause = (
        f' <span class="soft nowrap">{"clauses" if "," in reason["clause"] else "clause"} {e(reason["clause"])}</span>'
        if reason["clause"]
        else ""
    )
    return f'<p class="why small">{e(words.found_and_rule(reason["text"])[0])}{clause}</p>'
