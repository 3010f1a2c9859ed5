"""JSON documents -> summary.json: how many of each, and for each input the columns of summary.csv as plain values."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from media_screen.report.csv_report import row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.report.json_report import Document

SCHEMA_VERSION = 1


def render(documents: Sequence[Document]) -> str:
    """The whole file: one input a line, so that it can be read by eye and compared by diff."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "files": len(documents),
        "verdicts": Counter(doc["verdict"] for doc in documents),
        "dispositions": Counter(doc["disposition"] for doc in documents),
    }
    lines = ",\n".join(json.dumps(row(doc), ensure_ascii=False) for doc in documents)
    return f'{json.dumps(head, indent=1, sort_keys=True)[:-2]},\n "inputs": [\n{lines}\n]}}\n'
