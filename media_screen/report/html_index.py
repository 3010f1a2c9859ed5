"""JSON documents of a batch -> index.html: counts on top, one row an input; only filters and sorting need a script."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from media_screen.report import words
from media_screen.report.hindi import say
from media_screen.report.html_parts import badge, e, link, page, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.report.json_report import Document

MAX_INLINED = 400  # pictures in the page itself, where they are no files: more would take longer to open than to read

TILES = {  # disposition -> (tone, word)
    "cleared": ("pass", "may be uploaded"),
    "held": ("review", "held for a person"),
    "blocked": ("block", "blocked"),
    "error": ("error", "could not be screened"),
    "checked": ("redact", "checked only"),
}
VERDICTS = ("pass", "redact", "review", "block", "error")

COLUMNS = (
    *(("", ""), ("File", "name"), ("Size", "size"), ("Verdict", "verdict"), ("Result", "result")),
    *(("Why", "why"), ("Copy", "copy")),
)

# One pass over the rows for each click. Rows are moved while their table body is out of the page: within it, each move
# is laid out by itself, and ten thousand take eight seconds instead of one.
SCRIPT = """
"use strict";
const bar=document.getElementById("filter"),body=document.querySelector("tbody"),rows=[...body.rows];
const chosen={verdict:"",clause:""},search=bar.querySelector("input"),shown=document.getElementById("shown");
const plain=text=>text.normalize().toLowerCase(),low=rows.map(row=>plain(row.cells[1].querySelector("a").textContent));
const place=new Map(rows.map((row,n)=>[row,n])),order=new Intl.Collator(document.documentElement.lang,{numeric:true});
function filter(){const words=plain(search.value.trim());let count=0;rows.forEach((row,n)=>{
const is=(!chosen.verdict||row.dataset.verdict===chosen.verdict)&&(!chosen.clause||
("|"+row.dataset.clauses+"|").includes("|"+chosen.clause+"|"))&&low[n].includes(words);row.hidden=!is;if(is)count++});
shown.textContent=shown.dataset.says.replace("{shown}",count).replace("{all}",rows.length)}
bar.addEventListener("click",event=>{const pressed=event.target.closest("button");if(!pressed)return;
const group=pressed.parentElement;chosen[group.dataset.by]=pressed.value;
for(const b of group.children)b.setAttribute("aria-pressed",b===pressed);filter()});
search.addEventListener("input",filter);
const keys={name:row=>low[place.get(row)],size:row=>+row.dataset.size,verdict:row=>+row.dataset.rank,
result:row=>row.cells[4].textContent,why:row=>row.dataset.clauses,copy:row=>row.cells[6].lastChild.textContent};
const compared=(x,y)=>typeof x==="number"?x-y:order.compare(x,y);
document.querySelectorAll("th[data-by]").forEach(head=>{const b=document.createElement("button");b.type="button";
b.textContent=head.textContent;head.replaceChildren(b);b.addEventListener("click",()=>{
const up=head.getAttribute("aria-sort")!=="ascending",key=keys[head.dataset.by];
document.querySelectorAll("th[aria-sort]").forEach(h=>h.removeAttribute("aria-sort"));
head.setAttribute("aria-sort",up?"ascending":"descending");
const said=new Map(rows.map(row=>[row,key(row)]));
const sorted=[...rows].sort((p,q)=>(compared(said.get(p),said.get(q))||place.get(p)-place.get(q))*(up?1:-1));
const table=body.parentNode;body.remove();body.append(...sorted);table.append(body)})});
bar.hidden=false;filter();
"""


def index_html(documents: Sequence[Document]) -> str:
    """The page of a batch, to lie in the output folder: links go to reports/NAME.html and to the copies."""
    lang = documents[0]["lang"] if documents else "en"  # one batch, one language
    heads = "".join(f'<th data-by="{by}">{e(say(lang, head))}</th>' if by else "<th></th>" for head, by in COLUMNS)
    title = say(lang, "{files} screened", files=words.counted(len(documents), "file", lang))
    body = (
        f"<header><h1>{e(title)}</h1>\n{_about(documents, lang)}</header>\n"
        f"{_tiles(documents, lang)}\n{_filter(documents, lang)}\n"
        f'<div class="card table list"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n'
        f"{''.join(_row(doc, n) for n, doc in enumerate(documents))}</tbody></table></div>"
    )
    return page(say(lang, "media-screen - summary"), body, lang=lang, script=SCRIPT, width="wide")


def _about(documents: Sequence[Document], lang: str) -> str:
    policies = dict.fromkeys(doc["policy"]["name"] for doc in documents)
    tools = dict.fromkeys(f"{doc['tool']['name']} {doc['tool']['version']}" for doc in documents)
    named = [say(lang, "policy {policies}", policies=", ".join(policies))] if policies else []
    said = named + list(tools)
    return f'<p class="soft small">{e(" · ".join(said))}</p>'


def _tiles(documents: Sequence[Document], lang: str) -> str:
    counts = Counter(doc["disposition"] for doc in documents)
    tiles = (
        f'<div class="tile {tone if counts[disposition] else ""}">'
        f"<b>{counts[disposition]}</b>{e(say(lang, word))}</div>"
        for disposition, (tone, word) in TILES.items()
        if counts[disposition] or disposition != "checked"
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _filter(documents: Sequence[Document], lang: str) -> str:
    verdicts = Counter(doc["verdict"] for doc in documents)
    named = Counter(clause for doc in documents for clause in words.clauses(doc))
    every = say(lang, "all {count}", count=len(documents))
    by_verdict = _buttons("verdict", every, [(v, f"{say(lang, v)} {verdicts[v]}") for v in VERDICTS if verdicts[v]])
    clauses = [
        (c, say(lang, "clause {clause}: {count}", clause=c, count=named[c])) for c in sorted(named, key=_in_order)
    ]
    by_clause = _buttons("clause", say(lang, "any clause"), clauses)
    shown = e(say(lang, "{shown} of {all} shown", shown="{shown}", all="{all}"))  # the script puts the numbers in
    find = (
        f'<label class="small soft">{e(say(lang, "name"))} <input type="search"></label>'
        f' <span class="small soft" id="shown" data-says="{shown}"></span>'
    )
    return f'<div class="filter" id="filter" hidden>{by_verdict}{by_clause if named else ""}<div>{find}</div></div>'


def _in_order(clause: str) -> list[str | int]:
    """3.5 before 9 before 27(b): by the numbers in it."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split(r"(\d+)", clause))]


def _buttons(by: str, every: str, choices: Sequence[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<button type="button" value="{e(value)}" aria-pressed="{"false" if value else "true"}">{e(text)}</button>'
        for value, text in (("", every), *choices)
    )
    return f'<div data-by="{by}">{buttons}</div>'


def _row(doc: Document, number: int) -> str:
    tone, headline, _ = words.banner(doc)
    named, output = doc["input"], doc["output"]
    lang = doc["lang"]
    copy = f"{link(output['url'], say(lang, 'open the copy'))}<br>" if output else ""
    said = words.facts(doc)  # type, size, and so on
    changed = say(lang, words.CHANGED[output["changed"]] if output else "none")
    return (
        f'<tr data-verdict="{e(doc["verdict"])}" data-rank="{VERDICTS.index(doc["verdict"])}"'
        f' data-clauses="{e("|".join(words.clauses(doc)))}" data-size="{named.get("size_bytes", 0)}">'
        f'<td class="thumb">{picture(_thumbnail(doc, number), say(lang, "finding"))}</td>'
        f'<td class="name">'
        f"{link('reports/' + named['url'] + '.html', named['name'])}"
        f'<br><span class="small soft">{e(" · ".join([*said[:1], *said[2:3]]))}</span></td>'
        f'<td class="small soft nowrap">{e("".join(said[1:2]))}</td>'
        f"<td>{badge(doc['verdict'], say(lang, doc['verdict']))}</td><td>{badge(tone, headline)}</td>"
        f'<td class="reasons">{_why(doc)}</td>'
        f'<td class="small">{copy}<span class="soft">{e(changed)}</span></td></tr>\n'
    )


def _thumbnail(doc: Document, number: int) -> str | None:
    """Of the gravest reason that has one; by address, or inlined as long as there is room."""
    first = [n for reason in doc["reasons"] for n in reason["findings"] if n < len(doc["findings"])]
    found: str | None = next((t for n in first if (t := doc["findings"][n]["thumbnail"])), None)
    is_inlined = found is not None and found.startswith("data:")
    return None if is_inlined and number >= MAX_INLINED else found


def _why(doc: Document) -> str:
    if doc["error"]:
        return f'<p class="why small">{e(words.what_failed(doc))}</p>'
    return "".join(_reason(doc, reason) for reason in doc["reasons"])


def _reason(doc: Document, reason: Document) -> str:
    named = words.clause(doc, reason["clause"])
    clause = f' <span class="soft nowrap">{e(named)}</span>' if reason["clause"] else ""
    return f'<p class="why small">{e(words.found_and_rule(words.text_of(doc, reason))[0])}{clause}</p>'
