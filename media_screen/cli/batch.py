"""`batch`: files and folders -> an output folder with copies that may go out, and a report on each."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen import __version__
from media_screen.cli.options import (
    DISPOSITION_EXIT,
    EXIT_CODES,
    keep_option,
    policy_option,
    settings_from,
    with_limits,
)
from media_screen.cli.progress import Progress
from media_screen.errors import EXIT_ERROR, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.types import Report


@click.command(epilog=EXIT_CODES)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where everything goes.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@policy_option
@keep_option
@click.option("--style", default="blur", show_default=True, type=click.Choice(["blur", "mosaic", "fill"]))
@click.option("--report", "formats", default="json,html,csv", show_default=True, help="Which reports to write.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files of these names (may be repeated).")
@with_limits
def batch(
    inputs: tuple[Path, ...],
    out: Path,
    jobs: int | None,
    policy: str,
    keep: tuple[str, ...] | None,
    style: str,
    formats: str,
    exclude: tuple[str, ...],
    **limits: Any,
) -> None:
    """Screen files and folders INPUTS; write copies that may go out, and a report on each.

    \b
    Under the output folder:
      cleared/     may be uploaded: untouched or redacted, and verified
      held/        redacted copies that a human must release
      reports/     a JSON and an HTML report for every input
      index.html   all of them at a glance; summary.csv the same for spreadsheets
    """  # noqa: D301 - click wants the \\b itself, not a backslash
    from multiprocessing import get_context

    from media_screen.batch import default_jobs, gather, gravest, run
    from media_screen.config import build_screener
    from media_screen.report import json_report, text_report
    from media_screen.report.files import write_index, write_report

    chosen = _formats(formats)
    items = gather(inputs, out, exclude)
    count = jobs or default_jobs(len(items))
    settings = settings_from(policy, limits, keep=keep, style=style, threads=max(1, (os.cpu_count() or 1) // count))
    build_screener(settings)  # a wrong policy or model is said once, before anything is screened
    _claim(out)
    frames = get_context("spawn").Value("Q", 0)
    unwritten: list[str] = []

    def done(report: Report) -> None:
        unwritten.extend(write_report(report, out, chosen))
        say(text_report.line(json_report.document(report)))

    with Progress(len(items), frames) as say:
        reports = run(items, out, settings, jobs=count, on_done=done, frames=frames)
    unwritten += write_index(reports, out, chosen)
    click.echo(_summary(out, reports, chosen))
    for fault in unwritten:
        click.echo(fault, err=True)
    codes = [DISPOSITION_EXIT[r.disposition] for r in reports]
    sys.exit(gravest([*codes, EXIT_ERROR] if unwritten else codes))


def _formats(formats: str) -> set[str]:
    from media_screen.report.files import KNOWN

    chosen = {f.strip() for f in formats.split(",") if f.strip()}
    if unknown := chosen.difference(KNOWN):
        raise SettingsError(f"--report {', '.join(sorted(unknown))}: choose from {', '.join(KNOWN)}")
    return chosen


def _claim(out: Path) -> None:
    """Make the output folder ours; a folder that holds somebody else's files is refused."""
    from media_screen.batch import MARK

    mark = out / MARK
    try:
        if out.is_dir() and any(out.iterdir()) and not mark.is_file():
            raise SettingsError(
                f"{out} holds other files; give --out a new or empty folder, or one of an earlier batch"
            )
        out.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"made_by": f"media-screen {__version__}"}) + "\n")
    except OSError as error:
        raise SettingsError(f"{out} cannot be written: {error.strerror or error}") from error


def _summary(out: Path, reports: Sequence[Report], chosen: set[str]) -> str:
    counts = {d: sum(r.disposition == d for r in reports) for d in DISPOSITION_EXIT}
    words = ", ".join(f"{n} {d}" for d, n in counts.items())
    lines = ["", f"{len(reports)} files: {words}", f"  may be uploaded:  {out / 'cleared'}"]
    if counts["held"]:
        lines.append(f"  for a human:      {out / 'held'}")
    if "html" in chosen:
        lines.append(f"  all reports:      {out / 'index.html'}")
    return "\n".join(lines)
