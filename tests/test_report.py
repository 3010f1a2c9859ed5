"""The report room: the schema holds, hostile names stay names, tag values stay out, the same twice is the same."""

from __future__ import annotations

import csv
import importlib
import io
import json
from dataclasses import fields, replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import jsonschema
import pytest
from builders import JPEG, SECRET, error_report, evidence, full_report, look, media, seen, tagged
from hypothesis import given
from hypothesis import strategies as st

import media_screen
from media_screen.policy.phrases import clock as policy_clock
from media_screen.report import (
    FORMATS,
    SUMMARIES,
    csv_report,
    html_parts,
    html_report,
    json_report,
    json_summary,
    text_report,
    words,
)
from media_screen.types import Decision, Output, Reason, Report, Thumbnail, Verdict, Verification

SCHEMA = json.loads(Path(media_screen.__file__).with_name("report").joinpath("schema.json").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)

HOSTILE = [
    '"><script>alert(1)</script>.jpg',
    "' onerror='alert(1).jpg",
    "photo\u202egpj.exe",
    "two\nlines\r\ttab\x00\x1b[2J.jpg",
    "raw\udcff\udc80.mp4",
    "half\ud800.mp4",
    "थाना/बरामदगी 😀👨‍👩‍👧.jpg",
    "a#b?c%41&d=e;f.jpg",
    "javascript:alert(1)",
    "//evil.example/x.jpg",
    "=cmd|' /C calc'!A0.jpg",
    "</title></style><img src=x onerror=alert(1)>.jpg",
    "]]>--><!--.jpg",
    "{{7*7}}${7*7}.jpg",
]


def still(**changes):
    info = media(name="gate.jpg", kind="image")
    seen_evidence = evidence(seen(first_s="0", last_s="0"), info=info, frames=1, looks=(look("face", frames=1),))
    return replace(full_report("gate.jpg"), media=info, evidence=seen_evidence, removed=(), thumbnails=(), **changes)


def with_decision(verdict, action, disposition):
    reason = Reason(
        rule="r", clause="31", text="1 police officer; some rule", action=action, findings=(0,), todo="Ask."
    )
    decision = Decision(verdict=verdict, reasons=(reason,))
    return replace(full_report(disposition=disposition), verdict=verdict, decision=decision)


def no_output(report):
    return replace(report, output=None, verification=None, removed=(), thumbnails=())


def reports():
    failed = Verification(passed=False, faults=("a face is exposed at 0:01.0",), frames_looked=26, renders=2)
    return {
        "cleared": full_report(),
        "held": with_decision(Verdict.REVIEW, "review", "held"),
        "blocked": no_output(with_decision(Verdict.BLOCK, "block", "blocked")),
        "gap": no_output(with_decision(Verdict.ERROR, "error", "error")),
        "error": error_report(),
        "checked": no_output(full_report(disposition="checked")),
        "checked pass": no_output(still(verdict=Verdict.PASS, disposition="checked", decision=None)),
        "checked review": no_output(with_decision(Verdict.REVIEW, "review", "checked")),
        "still": still(),
        "probed only": replace(error_report(), media=media()),
        "not verified": replace(full_report(), verification=failed),
        "note": with_decision(Verdict.PASS, "note", "cleared"),
    }


def function(path):
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def every_format():
    for name, path in FORMATS.items():
        yield pytest.param(function(path), id=name)
    for name, (file, path) in SUMMARIES.items():
        render = function(path)
        yield pytest.param(lambda doc, render=render: render([doc, doc]), id=f"{name} summary {file}")


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.sources, self.attributes, self.text = [], [], [], set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "href":
                self.links.append(value)
            elif name == "src":
                self.sources.append(value)

    def handle_data(self, data):
        self.text += data


# --- the contract of every format ---


@pytest.mark.parametrize("render", list(every_format()))
@pytest.mark.parametrize("kind", reports())
def test_the_same_report_gives_the_same_bytes(render, kind):
    once, again = (render(json_report.document(reports()[kind])).encode() for _ in range(2))
    assert once == again
    assert once


@pytest.mark.parametrize("render", list(every_format()))
def test_a_tag_value_and_the_local_path_are_in_no_format(render):
    report = full_report()
    assert SECRET in [tag.value for tag in report.evidence.tags]
    text = render(json_report.document(report))
    assert SECRET not in text
    assert "26.8467" not in text
    assert "/somewhere" not in text


@pytest.mark.parametrize("render", list(every_format()))
@given(name=st.text(st.characters()) | st.text("<>&\"'\\/=+-@\n\r\t\u202e\udcff\ud800"))
def test_any_name_renders_and_is_valid_utf8(render, name):
    report = replace(full_report(f"x{name}", note=name), error=name, error_type=name)
    render(json_report.document(report)).encode("utf-8")


# --- JSON ---


@pytest.mark.parametrize("kind", reports())
def test_the_document_fits_the_schema(kind):
    CHECK.check_schema(SCHEMA)
    CHECK.validate(json_report.document(reports()[kind]))
    assert json.loads(json_report.render(reports()[kind])) == json_report.document(reports()[kind])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_fits_the_schema_and_its_url_is_exact(name):
    doc = json_report.document(full_report(name, note=name))
    CHECK.validate(doc)
    kept = "surrogatepass" if "\ud800" in name else "surrogateescape"
    assert unquote_to_bytes(doc["input"]["url"]) == name.encode("utf-8", kept)
    assert unquote_to_bytes(doc["output"]["url"]) == f"cleared/{name}".encode("utf-8", kept)


def test_the_schema_is_strict_everywhere():
    def objects(part):
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for value in part.values():
                yield from objects(value)
        elif isinstance(part, list):
            for value in part:
                yield from objects(value)

    found = list(objects(SCHEMA))
    assert len(found) > 10
    for part in found:
        if part.get("properties"):
            assert part["additionalProperties"] is False
            optional = set(part["properties"]) - set(part["required"])
            assert not optional or "dependentRequired" in part
    for key in json_report.document(full_report()):
        broken = json_report.document(full_report())
        del broken[key]
        assert not CHECK.is_valid(broken), key


def test_what_the_issue_asks_for_is_in_the_document():
    doc = json_report.document(full_report())
    assert doc["input"]["duration_s"] == 12.0
    assert (doc["input"]["frames"], doc["input"]["media_type"]) == (300, "video/mp4")
    assert doc["findings"][0]["first_s"] == 2.44
    assert doc["findings"][0]["box"] == [100, 100, 292, 208]
    assert doc["findings"][0]["thumbnail"].startswith("data:image/jpeg;base64,/9j/")
    assert doc["findings"][2] | {"kind": "tag", "label": "location", "thumbnail": None} == doc["findings"][2]
    assert doc["removed"] == [
        {"kind": "location", "name": "EXIF: GPSLatitude"},
        {"kind": "device", "name": "EXIF: Model"},
    ]
    assert doc["coverage"]["detectors"] == [
        {"detector": "faces", "labels": ["face"], "frames_looked": 25, "largest_gap_s": 0.5}
    ]
    assert doc["reasons"][0]["findings"] == [0, 1]
    assert doc["timings_s"] == {"examine": 2.125, "write": 3.5}
    assert doc["tool"]["version"] == media_screen.__version__


def test_every_field_of_a_report_is_used():
    """A field added to Report has to be put into the document, or left out on purpose."""
    on_purpose = {"source"}  # a local path is nobody else's business
    source = Path(json_report.__file__).read_text(encoding="utf-8")
    for field in fields(Report):
        assert (f"report.{field.name}" in source) != (field.name in on_purpose), field.name


def test_a_note_of_the_file_is_said_once():
    info = replace(media(), notes=("twice", "once"))
    doc = json_report.document(replace(full_report(), media=info, notes=("twice",)))
    assert doc["notes"] == ["twice", "once"]


# --- HTML ---


def pages(name):
    doc = json_report.document(full_report(name, note=name))
    return html_report.render(doc), html_report.index_html([doc])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_tag_no_attribute_and_no_address(name):
    for mine, plain in zip(pages(name), pages("plain.mp4"), strict=True):
        hostile, calm = Page(mine), Page(plain)
        assert hostile.tags == calm.tags
        assert hostile.attributes == calm.attributes
        assert all(source.startswith("data:image/jpeg;base64,") for source in hostile.sources)
        for address in hostile.links:
            assert not urlsplit(address).scheme
            assert not urlsplit(address).netloc
            assert urljoin("https://here.example/out/", address).startswith("https://here.example/")
        assert not set(mine) & set("\u202e\x00\x1b\r\udcff")


@pytest.mark.parametrize("name", [n for n in HOSTILE if "\udcff" not in n and "\ud800" not in n])
def test_links_lead_to_the_file(name):
    report, index = (Page(html) for html in pages(name))
    here = "http://h/out/"

    def target(base, link):
        return unquote_to_bytes(urljoin(base, link).removeprefix(here)).decode()

    # the browser itself joins "//" in a path differently from a file system; such a name cannot come from a folder
    if "//" not in name:
        assert [target(here, link) for link in index.links] == [f"reports/{name}.html", f"cleared/{name}"]
        base = here + "reports/" + json_report.url_of(name) + ".html"
        assert [target(base, link) for link in report.links] == [f"cleared/{name}"]


def test_hindi_and_emoji_stay_readable():
    name = "थाना/बरामदगी क्ष\u200d 😀👨‍👩‍👧.jpg"
    for html in pages(name):
        assert name in html


def test_invisible_characters_are_written_out():
    assert words.shown("a\u202eb\n\x1b\u200b\u2066\ufeff") == "a\\u202eb\\n\\x1b\\u200b\\u2066\\ufeff"


def test_a_page_loads_nothing_and_runs_only_its_own_script():
    report, index = pages("x.mp4")
    assert "<script" not in report
    assert index.count("<script") == 1
    for html in (report, index):
        assert "default-src 'none'" in html
        assert "http://" not in html
        assert "https://" not in html
        assert "@import" not in html
        assert "url(" not in html
        assert '<html lang="en">' in html


def test_the_policy_of_the_page_names_the_digests_of_its_style_and_script():
    import base64
    import hashlib
    import re

    _, index = pages("x.mp4")
    for tag in ("style", "script"):
        inner = re.search(f"<{tag}>(.*?)</{tag}>", index, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in index


def test_a_thumbnail_that_is_no_inlined_jpeg_is_left_out():
    for data in ("https://evil.example/x.jpg", 'data:image/jpeg;base64,AA" onerror="x', "data:text/html,x"):
        doc = json_report.document(full_report())
        doc["findings"][0]["thumbnail"] = data
        for html in (html_report.render(doc), html_report.index_html([doc])):
            assert "evil.example" not in html
            assert "onerror" not in html
            assert "data:text" not in html


@pytest.mark.parametrize(
    ("kind", "headline", "also"),
    [
        ("cleared", "May be uploaded", "Upload the redacted copy, not the original."),
        ("held", "Held: a person must decide", "Ask."),
        ("blocked", "Must not be uploaded", "No copy was made."),
        ("gap", "Could not be screened", "1 police officer"),
        ("error", "Could not be screened", "the bytes do not decode"),
        ("checked", "Must be redacted first", "To be blurred"),
        ("checked pass", "Nothing to change", "The picture was decoded."),
        ("checked review", "A person must decide", "Clause 31"),
        ("not verified", "Could not be screened", "Fault: a face is exposed"),
    ],
)
def test_the_page_says_what_to_do(kind, headline, also):
    text = Page(html_report.render(json_report.document(reports()[kind]))).text
    assert headline in text
    assert also in text
    only_green = {"cleared", "checked pass"}
    assert ('class="banner pass"' in html_report.render(json_report.document(reports()[kind]))) == (kind in only_green)


def test_nothing_is_called_blurred_in_a_file_of_which_no_copy_was_made():
    text = Page(html_report.render(json_report.document(reports()["checked"]))).text
    assert "Blurred" not in text
    assert "Removed" not in text


def test_a_crowd_does_not_bury_the_page():
    crowd = tuple(seen() for _ in range(500))
    reason = Reason(rule="faces", clause="27", text="500 faces; rule", action="redact", findings=tuple(range(500)))
    report = replace(
        full_report(),
        evidence=evidence(*crowd, *(tagged(name=f"XMP: {n}") for n in range(500))),
        decision=Decision(verdict=Verdict.REDACT, reasons=(reason,)),
        thumbnails=tuple(Thumbnail(finding=n, jpeg=b"x") for n in range(500)),
    )
    page = Page(html_report.render(json_report.document(report)))
    assert page.tags.count("img") == html_report.MAX_THUMBNAILS
    assert page.tags.count("tr") == html_report.MAX_ROWS + 1
    assert "and 488 more" in page.text
    assert "and 400 more" in page.text


def test_the_index_counts_and_lists_every_input():
    docs = [json_report.document(report) for report in reports().values()]
    html = html_report.index_html(docs)
    page = Page(html)
    assert page.tags.count("tr") == len(docs) + 1
    assert html.count("data-verdict=") == len(docs)
    for verdict in ("pass", "redact", "review", "block", "error"):
        number = sum(doc["verdict"] == verdict for doc in docs)
        assert f">{verdict} {number}</button>" in html
    assert "<b>4</b>may be uploaded" in html
    assert 'id="filter" hidden' in html  # without a script there is no bar that does nothing
    assert Page(html_report.index_html([])).tags.count("tr") == 1


def test_the_index_filters_by_clause_and_shows_pictures_that_are_files():
    docs = [json_report.slim(json_report.document(report)) for report in reports().values()]
    html = html_report.index_html(docs)
    by_clause = sum("27" in words.clauses(doc) for doc in docs)
    assert f'value="27" aria-pressed="false">clause 27: {by_clause}</button>' in html
    assert html.index('value="9"') < html.index('value="27"') if 'value="9"' in html else True
    assert './reports/beat%207/patrol.mp4.thumbnail.jpg"' in html
    assert "base64" not in html.split("<body>")[1]


def test_a_slim_document_keeps_its_one_picture_by_address():
    doc = json_report.document(full_report())
    slim = json_report.slim(doc)
    assert json_report.picture(doc) == JPEG
    assert [f["thumbnail"] for f in slim["findings"]].count(None) == len(doc["findings"]) - 1
    assert json_report.slim(json_report.document(error_report()))["findings"] == []
    assert slim | {"findings": 0} == doc | {"findings": 0}


def test_the_summary_as_json_says_what_the_table_says():
    docs = [json_report.document(report) for report in reports().values()]
    said = json.loads(json_summary.render(docs))
    assert said["files"] == len(docs) == len(said["inputs"])
    assert sum(said["verdicts"].values()) == sum(said["dispositions"].values()) == len(docs)
    assert [row["name"] for row in said["inputs"]] == [row["name"] for row in rows(docs)]
    assert json.loads(json_summary.render([]))["inputs"] == []


def test_quotes_cannot_end_an_attribute_and_a_link_stays_here():
    doc = json_report.document(full_report())
    for finding in doc["findings"]:
        finding["label"] = '" onerror="alert(1)'  # the labels of a model somebody brings along
    page = Page(html_report.render(doc))
    assert "onerror" not in page.attributes
    assert html_parts.e("\"'<>&") == "&quot;&#x27;&lt;&gt;&amp;"
    assert html_parts.link("a:b", "b") == '<a href="./a:b"><bdi>b</bdi></a>'


# --- CSV ---


def rows(docs):
    return list(csv.DictReader(io.StringIO(csv_report.render(docs))))


def test_the_summary_has_one_row_for_each_input():
    docs = [json_report.document(report) for report in reports().values()]
    table = rows(docs)
    assert [row["verdict"] for row in table] == [doc["verdict"] for doc in docs]
    assert table[0]["clauses"] == "27 30 29"
    assert table[0]["found"] == "2 faces, first at 0:02.4 | 1 location tag"
    assert table[0]["output"] == "cleared/beat 7/patrol.mp4"
    assert rows([json_report.document(error_report())])[0]["error"] == "the bytes do not decode: 0 bytes"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "\n=", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_is_a_formula(start):
    doc = json_report.document(replace(full_report(f"{start}1+1.mp4"), error=f"{start}1", error_type="X"))
    (row,) = rows([doc])
    assert row["name"][0] in "'\\"
    assert row["error"][0] in "'\\"


@given(st.text())
def test_no_name_breaks_a_row(name):
    doc = json_report.document(full_report(name))
    text = csv_report.render([doc, doc])
    assert text.count("\n") == 3
    assert len(rows([doc, doc])) == 2
    for cell in rows([doc])[0].values():
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))


# --- the terminal ---


def test_the_answer_on_a_terminal():
    assert text_report.render(json_report.document(full_report())).splitlines()[:4] == [
        "beat 7/patrol.mp4: REDACT - May be uploaded. Upload the redacted copy, not the original.",
        "  Blurred       clauses 27, 30: 2 faces, first at 0:02.4; accused persons may be shown only with",
        "                their faces blurred",
        "                -> Upload only the redacted copy.",
    ]


def test_an_error_is_said_once():
    for kind in ("error", "gap"):
        report = reports()[kind]
        message = report.error or report.decision.reasons[0].text
        report = replace(report, error=message, error_type="FileError")
        assert text_report.render(json_report.document(report)).count(message) == 1
        assert Page(html_report.render(json_report.document(report))).text.count(message.partition("; ")[0]) <= 2


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_controls_the_terminal(name):
    doc = json_report.document(full_report(name, note=name))
    for text in (text_report.render(doc), text_report.line(doc)):
        assert not set(text) & set("\x1b\x00\r\t\u202e\udcff")
    assert "\n" not in text_report.line(doc)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("cleared", "cleared  beat 7/patrol.mp4: 2 faces, first at 0:02.4; 1 location tag (clauses 27, 30, 29)"),
        ("error", "error    broken.jpg: the bytes do not decode: 0 bytes"),
        ("checked pass", "pass     gate.jpg"),
        ("blocked", "blocked  beat 7/patrol.mp4: 1 police officer (clause 31)"),
    ],
)
def test_one_line_for_the_log(kind, line):
    assert text_report.line(json_report.document(reports()[kind])) == line


# --- words ---


@given(st.fractions(0, 100_000))
def test_both_rooms_write_a_time_alike(time_s):
    tenths = Fraction(int(time_s * 10), 10)
    assert words.clock(float(tenths)) == policy_clock(tenths)


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_718_592, "4.7 MB"), (3 * 10**9, "3.0 GB")],
)
def test_sizes(size_bytes, said):
    assert words.size(size_bytes) == said


def test_coverage_is_said_in_sentences():
    broken = evidence(decode_errors=("frame 9",), looks=())
    doc = json_report.document(replace(full_report(), evidence=broken))
    assert words.coverage(doc) == [
        "Only part of the file could be decoded (300 frames, 0:12.0).",
        "Decoding error: frame 9.",
        "No detector looked at it: this policy needs none.",
    ]
    assert words.coverage(json_report.document(error_report())) == ["The file was not examined to its end."]


def test_verification_is_said_in_sentences():
    copied = Output(name="cleared/x", sha256="0" * 64, size_bytes=1, changed="copied")
    looked = Verification(passed=True, faults=(), frames_looked=0, renders=0)
    doc = json_report.document(replace(full_report(), output=copied, verification=looked))
    assert words.verification(doc)[0] == "The copy is the same as the original, byte for byte."
    twice = replace(looked, renders=2, frames_looked=1)
    assert "(2 passes)" in words.verification(json_report.document(replace(full_report(), verification=twice)))[0]
