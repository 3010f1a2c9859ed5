"""JSON documents -> summary.csv, one row an input, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from media_screen.report.words import clauses, found_and_rule, shown, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from media_screen.report.json_report import Document

COLUMNS = (
    *("name", "verdict", "disposition", "clauses", "found", "todo", "output", "changed", "media_type", "size_bytes"),
    *("duration_s", "frames", "input_sha256", "output_sha256", "policy", "error"),
)
# A cell that begins so is a formula to a spreadsheet, which would run it; full-width forms count too.
_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - the full-width forms are what is meant


def render(documents: Iterable[Document]) -> str:
    """The whole file. Every cell is quoted, so that no other separator can cut a cell into two."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    for doc in documents:
        writer.writerow({column: cell(value) for column, value in row(doc).items()})
    return buffer.getvalue()


def row(doc: Document) -> dict[str, object]:
    """What a summary says of one input, by column."""
    media, output = doc["input"], doc["output"] or {}
    return {
        "name": media["name"],
        "verdict": doc["verdict"],
        "disposition": doc["disposition"],
        "clauses": " ".join(clauses(doc)),
        "found": " | ".join(found_and_rule(text_of(doc, reason))[0] for reason in doc["reasons"]),
        "todo": " | ".join(dict.fromkeys(text_of(doc, reason, "todo") for reason in doc["reasons"] if reason["todo"])),
        "output": output.get("name"),
        "changed": output.get("changed"),
        "media_type": media.get("media_type"),
        "size_bytes": media.get("size_bytes"),
        "duration_s": media.get("duration_s"),
        "frames": media.get("frames"),
        "input_sha256": media.get("sha256"),
        "output_sha256": output.get("sha256"),
        "policy": doc["policy"]["name"],
        "error": doc["error"] and doc["error"]["message"],
    }


def cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "" if value is None else shown(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
