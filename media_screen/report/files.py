"""Reports -> files in the output folder, each whole or not at all. A page that cannot be written costs no other."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from media_screen.report import FORMATS, SUMMARIES, json_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from media_screen.report.json_report import Document

KNOWN = tuple(dict.fromkeys((*FORMATS, *SUMMARIES)))


def write_pages(
    name: str, document: Document, out: Path, formats: Collection[str]
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """One page in each format below `out`/reports, and the picture that the index shows.

    Returns what was written, with the length of each; and what could not be written, in words.
    """
    pages = {
        f"reports/{name}.{n}": _function(FORMATS[n])(document).encode("utf-8", "replace")
        for n in FORMATS
        if n in formats
    }
    picture = json_report.picture(document) if "html" in formats else None
    if picture:
        pages[f"reports/{name}{json_report.PICTURE}"] = picture
    faults = [_write(out / page, content) for page, content in pages.items()]
    return tuple((page, len(content)) for page, content in pages.items()), tuple(fault for fault in faults if fault)


def write_index(documents: Sequence[Document], out: Path, formats: Collection[str]) -> list[str]:
    """The pages about a whole batch, in `out`. Returns what could not be written, in words."""
    chosen = [SUMMARIES[name] for name in SUMMARIES if name in formats]
    faults = [
        _write(out / file_name, _function(where)(documents).encode("utf-8", "replace")) for file_name, where in chosen
    ]
    return [fault for fault in faults if fault]


def _function(where: str) -> Callable[[Any], str]:
    module, _, name = where.partition(":")
    function: Callable[[Any], str] = getattr(import_module(module), name)
    return function


def _write(path: Path, content: bytes) -> str | None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of an earlier run: if this one cannot be written, none is better than that
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        return f"{path}: the report cannot be written: {error.strerror or error}"
    return None
