"""`batch`: files and folders -> an output folder with copies that may go out, and a report on each."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from media_screen import __version__
from media_screen.cli.options import (
    DISPOSITION_EXIT,
    EXIT_CODES,
    settings_from,
    warn_if_nobody_is_recognised,
    with_screening,
)
from media_screen.cli.progress import Progress, event
from media_screen.errors import EXIT_ERROR, EXIT_PASS, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from media_screen.batch import Item, Job, Outcome, Workers
    from media_screen.signing import Key
    from media_screen.types import EncoderName


@click.command(epilog=EXIT_CODES)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where everything goes.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@click.option("--report", "formats", default="json,html,csv", show_default=True, help="Which reports to write.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files of these names (may be repeated).")
@click.option(
    "--timeout", type=click.FloatRange(0.1), help="A file that takes longer is an error, seconds. Not with --executor."
)
@click.option(
    "--memory-mb", type=click.IntRange(256), help="Memory of all workers together.  [default: 80 % of what is free]"
)
@click.option(
    "--watch", is_flag=True, help="Go on: what arrives in the folders is screened when it has stopped growing."
)
@click.option(
    "--executor",
    metavar="dask://HOST:PORT",
    help="Screen on a Dask cluster that shares the folders; it knows no --timeout.",
)
@click.option("--log-json", is_flag=True, help="A JSON object a line instead of text.")
@click.option("--quiet", is_flag=True, help="Only what went wrong with the machine; the rest is in the reports.")
@with_screening
def batch(
    inputs: tuple[Path, ...],
    out: Path,
    jobs: int | None,
    policy: str,
    keep: tuple[str, ...] | None,
    style: str,
    encoder: EncoderName,
    formats: str,
    exclude: tuple[str, ...],
    timeout: float | None,
    memory_mb: int | None,
    watch: bool,
    executor: str | None,
    sign_key: Path | None,
    log_json: bool,
    quiet: bool,
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
      verdicts/    with --sign-key: NAME.verdict.json for every file in cleared/
    """  # noqa: D301 - click wants the \\b itself, not a backslash
    from media_screen.batch import MARK, Job, cluster, default_jobs, gather, local
    from media_screen.signing import read_key
    from media_screen.write import require

    chosen = _formats(formats)
    items = [] if watch else gather(inputs, out, exclude)
    count = jobs or default_jobs(len(items) or sys.maxsize)
    settings = settings_from(
        policy, limits, keep=keep, style=style, encoder=encoder, threads=max(1, (os.cpu_count() or 1) // count)
    )
    if executor and timeout:
        raise SettingsError(
            "--timeout is for this machine's own workers: a cluster's cannot be ended from here; leave it out"
        )
    if not executor:  # a cluster's workers are asked themselves
        require(encoder)
    key = read_key(sign_key) if sign_key else None
    frames = get_context("spawn").Value("Q", 0)

    def lend(jobs: int) -> AbstractContextManager[Workers]:
        if executor:
            return cluster(executor, settings, mark=out.resolve() / MARK)
        return local(settings, jobs=jobs, frames=frames, timeout_s=timeout, memory_mb=memory_mb)

    claim(out)
    job = Job(out=out.resolve(), settings=settings, formats=chosen)
    voice = "json" if log_json else "none" if quiet else "text"
    desk = _Desk(job=job, lend=lend, jobs=count, voice=voice, frames=frames, key=key, out=out)
    sys.exit(desk.watch(inputs, exclude) if watch else desk.finish(items, desk.screened(items)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """One batch, or one after the other for as long as a folder is watched."""

    job: Job
    lend: Callable[[int], AbstractContextManager[Workers]]
    jobs: int
    voice: str
    frames: Any
    key: Key | None
    out: Path  # as it was given: so the summary says it

    def screened(self, items: Sequence[Item]) -> dict[str, Outcome]:
        """What is done already, and what is done now."""
        from media_screen.batch import run, sift, sweep
        from media_screen.config import build_screener
        from media_screen.journal import Journal

        items = [replace(item, path=item.path.absolute()) for item in items]  # a worker may stand elsewhere
        with Journal(self.job.out) as journal:
            sweep(self.job.out)  # what an earlier batch was killed over
            sifted = sift(items, self.job, journal)
            outcomes = {outcome.name: outcome for outcome in sifted.old}
            if sifted.fresh:
                screener = build_screener(self.job.settings)  # what is wrong is said once, before anything is screened
                warn_if_nobody_is_recognised(screener, self.job.settings.lang)
                with (
                    self.lend(min(self.jobs, len(sifted.fresh))) as workers,
                    Progress(len(items), self.frames, done=len(outcomes), voice=self.voice) as say,
                ):
                    fresh = run(sifted, self.job, workers, journal, lambda o: say(o.document))
                outcomes |= {outcome.name: outcome for outcome in fresh}
        return outcomes

    def finish(self, items: Sequence[Item], outcomes: Mapping[str, Outcome]) -> int:
        """Index, signed verdicts, summary; the exit code."""
        from media_screen.batch import gravest
        from media_screen.report.files import write_index
        from media_screen.signing import sign_cleared

        done = [outcomes[item.name] for item in items if item.name in outcomes]
        documents = [outcome.document for outcome in done]
        unwritten = [fault for outcome in done for fault in outcome.unwritten]
        unwritten += write_index(documents, self.out, self.job.formats)
        if self.key:
            unwritten += sign_cleared(self.job.out, {o.name: o.document for o in done}, self.key)
        if self.voice == "json":
            click.echo(event("batch", files=len(done), dispositions=Counter(d["disposition"] for d in documents)))
        elif self.voice == "text":
            click.echo(_summary(self.out, done, self.job.formats, self.job.settings.lang))
        for fault in unwritten:
            click.echo(fault, err=True)
        codes = [DISPOSITION_EXIT[o.disposition] for o in done]
        return gravest([*codes, EXIT_ERROR] if unwritten else codes)

    def watch(self, inputs: Sequence[Path], exclude: Sequence[str]) -> int:
        """Until Ctrl-C. Between two rounds the folder is free, for `release` too; the workers stay warm."""
        from media_screen.batch import settled

        outcomes: dict[str, Outcome] = {}
        code = EXIT_PASS
        with self.lend(self.jobs) as workers, suppress(KeyboardInterrupt):
            warm = replace(self, lend=lambda _: nullcontext(workers))
            if self.voice == "text":
                click.echo("watching; Ctrl-C ends it")
            for items, ready in settled(inputs, self.job.out, exclude, stop=Event()):
                outcomes |= warm.screened(ready)
                code = warm.finish(items, outcomes)
                if any(outcomes[item.name].error_type == "Interrupted" for item in ready):
                    break
        return code


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
