"""Clicks every filter and column of an index.html of many files in Chromium, and says what is not as it should be.

    python scripts/click_index.py --files 10000        # --browser PATH for another than chromium

The reports are those of the samples, their names, verdicts, clauses and sizes drawn by lot. What each click has to show
is reckoned from them, not from the page.
"""

from __future__ import annotations

import argparse
import copy
import html
import json
import random
import re
import subprocess
import tempfile
import unicodedata
from pathlib import Path

from media_screen import Settings, build_screener
from media_screen.report import json_report, words
from media_screen.report.html_index import VERDICTS, index_html

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
NAMES = ("patrol", "Fair", "गश्त", "raid <b>", "Zed", "éclair", "e\u0301", "10", "9")
CLAUSES = ("27", "28", "2", "9, 10", "31", "7(b)", "3.5")
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
PAGE_TEST = """(()=>{
const D=DATA,T=[...document.querySelector("tbody").rows],id=new Map(T.map((r,n)=>[r,n]));
const out={faults:[],checks:0,slowest_ms:{}},bad=what=>out.faults.push(what);
const rows=()=>[...document.querySelector("tbody").rows];
const by=what=>[...document.querySelectorAll('#filter [data-by="'+what+'"] button')];
const want={verdict:"",clause:"",name:""};
function expect(what){out.checks++;
const due=new Set(D.flatMap((d,n)=>(!want.verdict||d.verdict===want.verdict)&&(!want.clause||
d.clauses.includes(want.clause))&&d.name.includes(want.name.normalize().toLowerCase())?[n]:[]));
const seen=rows().filter(r=>!r.hidden).map(r=>id.get(r));
if(seen.length!==due.size||seen.some(n=>!due.has(n)))bad(what+": "+seen.length+" rows instead of "+due.size);
if(document.getElementById("shown").textContent!==due.size+" of "+D.length+" shown")bad(what+": the count");
for(const w of ["verdict","clause"])
if(by(w).filter(b=>b.getAttribute("aria-pressed")==="true").map(b=>b.value).join()!==want[w])bad(what+": pressed")}
function timed(what,act){const start=performance.now();act();document.body.offsetHeight;
out.slowest_ms[what]=Math.max(out.slowest_ms[what]||0,Math.round(performance.now()-start))}
function press(w,b){timed("filter",()=>b.click());want[w]=b.value;expect(w+" "+b.value);
const told=b.textContent.match(/(\\d+)$/);const others=w==="verdict"?want.clause:want.verdict;
if(told&&!others&&!want.name&&+told[1]!==rows().filter(r=>!r.hidden).length)bad("the number of "+b.textContent)}
const find=document.querySelector("#filter input");
function type(text){find.value=text;timed("search",()=>find.dispatchEvent(new Event("input",{bubbles:true})));
want.name=text;expect("search "+text)}
if(document.getElementById("filter").hidden)bad("no bar");
for(const w of ["verdict","clause"])for(const b of [...by(w).slice(1),by(w)[0]])press(w,b);
for(const v of by("verdict").slice(1,4))for(const c of by("clause").slice(1,4)){press("verdict",v);press("clause",c)}
press("clause",by("clause")[0]);type("patrol");press("verdict",by("verdict")[0]);
for(const text of ["FAIR","गश्त","<b>","image/","900","zzz","é",""])type(text);
const order=new Intl.Collator("en",{numeric:true});
const compared=(x,y)=>typeof x==="number"?x-y:order.compare(x,y);
press("verdict",by("verdict")[2]);
for(const h of document.querySelectorAll("th[data-by]"))for(const way of ["ascending","descending","ascending"]){
timed("sort",()=>h.querySelector("button").click());const w=h.dataset.by,up=way==="ascending"?1:-1,now=rows();
if(h.getAttribute("aria-sort")!==way||document.querySelectorAll("th[aria-sort]").length!==1)bad(w+": the arrow");
if(new Set(now).size!==D.length)bad(w+": rows are lost");
const o=now.map(r=>id.get(r));for(let i=1;i<o.length;i++){
const k=w==="verdict"?"rank":w,c=compared(D[o[i-1]][k],D[o[i]][k])*up;
if(c>0||(c===0&&(o[i-1]-o[i])*up>0)){bad(w+": the order at "+i);break}}
expect(w+" "+way)}
if(rows().some(r=>r.hidden!==(getComputedStyle(r).display==="none")))bad("hidden rows are seen");
const p=document.createElement("pre");p.id="said";p.textContent=JSON.stringify(out);
document.body.replaceChildren(p)})()"""


def main() -> None:
    """Make the page, click, print the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--browser", default="chromium")
    given = parser.parse_args()
    documents = drawn(given.files)
    page = index_html(documents)
    test = PAGE_TEST.replace("DATA", json.dumps([due(doc) for doc in documents]).replace("</", "<\\/"))
    clicked = CSP.sub("", page).replace(
        "</body>", f"<script>{test}</script></body>"
    )  # only the page's own may run there
    with tempfile.TemporaryDirectory() as folder:
        dom = opened(given.browser, Path(folder) / "index.html", page)
        runs = 'id="filter" hidden' not in dom and f"{given.files} of {given.files} shown" in dom
        said = re.search(r'<pre id="said">(.*?)</pre>', opened(given.browser, Path(folder) / "clicked.html", clicked))
    if not said:
        raise SystemExit("the page ended with an error")
    told = json.loads(html.unescape(said[1]))
    print(f"{given.files} rows: {told['checks']} clicks, slowest of each kind in ms: {told['slowest_ms']}")
    print("the page's own script runs under its own content policy" if runs else "THE SCRIPT DOES NOT RUN")
    print("faults:", "; ".join(told["faults"]) or "none")
    raise SystemExit(bool(told["faults"]) or not runs)


def drawn(count: int) -> list[json_report.Document]:
    """So many documents, always the same."""
    chance = random.Random(5)
    paths = sorted(p for p in SAMPLES.iterdir() if p.suffix in (".jpg", ".png", ".mp4", ".mov"))
    with tempfile.TemporaryDirectory() as out, build_screener(Settings()) as screener:
        known = [json_report.slim(json_report.document(screener.screen(path, Path(out)))) for path in paths]
    documents = []
    for _ in range(count):
        doc = copy.deepcopy(chance.choice(known))
        name = f"{chance.choice(NAMES)} {chance.randrange(9000)}.jpg"
        doc["input"] |= {"name": name, "url": json_report.url_of(name)}
        if "size_bytes" in doc["input"]:
            doc["input"]["size_bytes"] = chance.randrange(1000, 5_000_000)
        if not doc["error"] and chance.random() < 0.2:
            doc |= chance.choice(
                [{"verdict": "block", "disposition": "blocked", "output": None}, {"verdict": "review"}]
            )
        for reason in doc["reasons"]:
            reason["clause"] = chance.choice([reason["clause"], *CLAUSES])
        documents.append(doc)
    return documents


def due(doc: json_report.Document) -> dict[str, object]:
    """What the row of a document is found and sorted by."""
    output = doc["output"]
    return {
        "name": unicodedata.normalize("NFC", doc["input"]["name"]).lower(),
        "size": doc["input"].get("size_bytes", 0),
        "verdict": doc["verdict"],
        "rank": VERDICTS.index(doc["verdict"]),
        "clauses": list(words.clauses(doc)),
        "result": words.banner(doc)[1],
        "why": "|".join(words.clauses(doc)),
        "copy": words.CHANGED[output["changed"]] if output else "none",
    }


def opened(browser: str, path: Path, page: str) -> str:
    """The page's document after its scripts ran."""
    path.write_text(page, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--dump-dom"]
    return subprocess.run(
        [browser, *flags, path.as_uri()], capture_output=True, text=True, check=True, timeout=900
    ).stdout


if __name__ == "__main__":
    main()
