"""`batch`: files and folders -> an output folder with copies that may go out, and a report on each."""

from __future__ import annotations

import json
import os
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen import __version__
from media_screen.cli.options import (
    DISPOSITION_EXIT,
    EXIT_CODES,
    keep_option,
    lang_option,
    policy_option,
    settings_from,
    with_facts,
    with_limits,
)
from media_screen.cli.progress import Progress
from media_screen.errors import EXIT_ERROR, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.batch import Item, Job, Outcome
    from media_screen.journal import Journal


@click.command(epilog=EXIT_CODES)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where everything goes.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@policy_option
@keep_option
@click.option("--style", default="blur", show_default=True, type=click.Choice(["blur", "mosaic", "fill"]))
@click.option("--report", "formats", default="json,html,csv", show_default=True, help="Which reports to write.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files of these names (may be repeated).")
@click.option("--timeout", type=click.FloatRange(0.1), help="A file that takes longer is an error, seconds.")
@click.option(
    "--memory-mb", type=click.IntRange(256), help="Memory of all workers together.  [default: 80 % of what is free]"
)
@with_facts
@lang_option
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
    timeout: float | None,
    memory_mb: int | None,
    **limits: Any,
) -> None:
    """Screen files and folders INPUTS; write copies that may go out, and a report on each.

    The same command again does only what is new or has changed, also after it was killed.

    \b
    Under the output folder:
      cleared/     may be uploaded: untouched or redacted, and verified
      held/        redacted copies that a human must release
      reports/     a JSON and an HTML report for every input
      index.html   all of them at a glance; summary.csv the same for spreadsheets
    """  # noqa: D301 - click wants the \\b itself, not a backslash
    from media_screen.batch import Job, default_jobs, gather, gravest, sweep
    from media_screen.journal import Journal
    from media_screen.report.files import write_index

    chosen = _formats(formats)
    items = gather(inputs, out, exclude)
    count = jobs or default_jobs(len(items))
    settings = settings_from(policy, limits, keep=keep, style=style, threads=max(1, (os.cpu_count() or 1) // count))
    job = Job(out=out.resolve(), settings=settings, formats=chosen)
    claim(out)
    with Journal(job.out) as journal:
        sweep(job.out)  # what an earlier batch was killed over
        outcomes = _screened(items, job, journal, jobs=count, timeout_s=timeout, memory_mb=memory_mb)
    unwritten = [fault for outcome in outcomes for fault in outcome.unwritten]
    unwritten += write_index([o.document for o in outcomes], out, chosen)
    click.echo(_summary(out, outcomes, chosen, settings.lang))
    for fault in unwritten:
        click.echo(fault, err=True)
    codes = [DISPOSITION_EXIT[o.disposition] for o in outcomes]
    sys.exit(gravest([*codes, EXIT_ERROR] if unwritten else codes))


def _screened(items: Sequence[Item], job: Job, journal: Journal, *, jobs: int, **more: Any) -> list[Outcome]:
    """What is done already, and what is done now; in the order of the items."""
    from media_screen.batch import local, run, sift
    from media_screen.config import build_screener
    from media_screen.report import text_report

    sifted = sift(items, job, journal)
    outcomes = {outcome.name: outcome for outcome in sifted.old}
    if sifted.fresh:
        build_screener(job.settings)  # a wrong policy or model is said once, before anything is screened
        frames = get_context("spawn").Value("Q", 0)
        jobs = min(jobs, len(sifted.fresh))
        with (
            local(job.settings, jobs=jobs, frames=frames, **more) as workers,
            Progress(len(items), frames, done=len(outcomes)) as say,
        ):
            fresh = run(sifted, job, workers, journal, lambda o: say(text_report.line(o.document)))
        outcomes |= {outcome.name: outcome for outcome in fresh}
    return [outcomes[item.name] for item in items]


def _formats(formats: str) -> tuple[str, ...]:
    from media_screen.report.files import KNOWN

    chosen = {f.strip() for f in formats.split(",") if f.strip()}
    if unknown := chosen.difference(KNOWN):
        raise SettingsError(f"--report {', '.join(sorted(unknown))}: choose from {', '.join(KNOWN)}")
    return tuple(sorted(chosen))


def claim(out: Path) -> None:
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


def _summary(out: Path, outcomes: Sequence[Outcome], chosen: Sequence[str], lang: str) -> str:
    from media_screen.report.hindi import say
    from media_screen.report.words import counted

    counts = {d: sum(o.disposition == d for o in outcomes) for d in DISPOSITION_EXIT}
    words = ", ".join(f"{n} {say(lang, d)}" for d, n in counts.items())
    lines = ["", f"{counted(len(outcomes), 'file', lang)}: {words}"]
    rows: list[tuple[str, object]] = []
    if old := sum(o.is_old for o in outcomes):
        rows.append(("done before:", say(lang, "{count}, unchanged since", count=old)))
    rows.append(("may be uploaded:", out / "cleared"))
    if counts["held"]:
        rows.append(("for a human:", out / "held"))
    if "html" in chosen:
        rows.append(("all reports:", out / "index.html"))
    return "\n".join([*lines, *(f"  {say(lang, head):<17} {what}" for head, what in rows)])
