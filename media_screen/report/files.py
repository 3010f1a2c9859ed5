"""Reports -> files in the output folder, each whole or not at all. A page that cannot be written costs no other."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from media_screen.report import FORMATS, SUMMARIES, json_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from media_screen.types import Report

KNOWN = tuple(dict.fromkeys((*FORMATS, *SUMMARIES)))


def write_report(report: Report, out: Path, formats: Collection[str]) -> list[str]:
    """One page in each format below `out`/reports. Returns what could not be written, in words."""
    document = json_report.document(report)
    chosen = [name for name in FORMATS if name in formats]
    faults = [_write(out / "reports" / f"{report.name}.{n}", _function(FORMATS[n])(document)) for n in chosen]
    return [fault for fault in faults if fault]


def write_index(reports: Sequence[Report], out: Path, formats: Collection[str]) -> list[str]:
    """The pages about a whole batch, in `out`. Returns what could not be written, in words."""
    documents = [json_report.document(r) for r in reports]
    chosen = [SUMMARIES[name] for name in SUMMARIES if name in formats]
    faults = [_write(out / file_name, _function(where)(documents)) for file_name, where in chosen]
    return [fault for fault in faults if fault]


def _function(where: str) -> Callable[[Any], str]:
    module, _, name = where.partition(":")
    function: Callable[[Any], str] = getattr(import_module(module), name)
    return function


def _write(path: Path, text: str) -> str | None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of an earlier run: if this one cannot be written, none is better than that
        try:
            part.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        return f"{path}: the report cannot be written: {error.strerror or error}"
    return None
