"""`metadata`: files -> what is hidden in them, by kind, name and place, and what cleaning would leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.cli.options import keep_option
from media_screen.errors import EXIT_ERROR, EXIT_PASS, EXIT_REDACT, FileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from media_screen.inspection import Inspection
    from media_screen.types import Tag

CODES = """\b
Exit codes:
  0  nothing is there but what is needed to show the file, and what --keep names
  1  something is there
  2  usage error
  3  at least one file could not be read"""


@click.command(epilog=CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--values", is_flag=True, help="The values too: they may be secret, and are shown nowhere else.")
@keep_option
def metadata(files: tuple[Path, ...], as_json: bool, values: bool, keep: tuple[str, ...] | None) -> None:
    """List the metadata of FILES as two readers see it, and what cleaning would leave; writes nothing."""
    from media_screen.inspection import inspected
    from media_screen.metadata import remaining

    codes = [EXIT_PASS]
    for path in files:
        try:
            seen = inspected(path, keep or ())
        except FileError as error:
            codes.append(EXIT_ERROR)
            click.echo(_failed(path, error, as_json=as_json), err=not as_json)
            continue
        codes.append(EXIT_REDACT if remaining(seen.tags, keep or ()) else EXIT_PASS)
        click.echo(_json(path, seen, values=values) if as_json else _text(path, seen, values=values))
    sys.exit(max(codes))


def _failed(path: Path, error: FileError, *, as_json: bool) -> str:
    from media_screen.report.words import shown

    if not as_json:
        return f"{shown(path)}: {shown(error)}"
    return json.dumps({"path": str(path), "error": {"type": type(error).__name__, "message": str(error)}})


def _json(path: Path, seen: Inspection, *, values: bool) -> str:
    def listed(tags: Iterable[Tag]) -> list[dict[str, Any]]:
        return [
            {"kind": tag.kind, "name": tag.name, "place": tag.place} | ({"value": tag.value} if values else {})
            for tag in tags
        ]

    return json.dumps(
        {
            "path": str(path),
            "media_type": seen.media.media_type,
            "tags": listed(seen.tags),
            "after_cleaning": None if seen.refusal else listed(seen.after),
            "refusal": seen.refusal or None,
            "notes": list(seen.notes),
        }
    )


def _text(path: Path, seen: Inspection, *, values: bool) -> str:
    from media_screen.report.words import counted, shown

    lines = [f"{shown(path)} ({seen.media.media_type}): {counted(len(seen.tags), 'piece')} of metadata"]
    lines += _rows(seen.tags, values=values)
    if seen.refusal:
        return "\n".join([*lines, f"  After cleaning: no copy can be made: {shown(seen.refusal)}"])
    lines.append("  After cleaning:" if seen.after else "  After cleaning: nothing")
    lines += _rows(seen.after, values=values)
    return "\n".join([*lines, *(f"  Note: {shown(note)}" for note in seen.notes)])


def _rows(tags: Iterable[Tag], *, values: bool) -> list[str]:
    """A heading for each kind, a line for each tag; nothing in them can pose as another line."""
    from media_screen.report.words import TAG_KINDS, shown

    lines = []
    for kind, heading in TAG_KINDS.items():
        own = [tag for tag in tags if tag.kind == kind]
        lines += [f"    {heading}"] if own else []
        for tag in own:
            value = f" = {shown(tag.value)}" if values and tag.value else ""
            lines.append(f"      {shown(tag.name)} ({shown(tag.place)}){value}")
    return lines
