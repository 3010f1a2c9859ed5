"""The click commands. The only module that prints and exits."""

from __future__ import annotations

import json
import os
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen import __version__
from media_screen.errors import (
    EXIT_BLOCK,
    EXIT_ERROR,
    EXIT_PASS,
    EXIT_REDACT,
    EXIT_REVIEW,
    EXIT_SETTINGS,
    FileError,
    SettingsError,
)
from media_screen.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media_screen.config import Settings
    from media_screen.types import Report

VERDICT_EXIT = {
    Verdict.PASS: EXIT_PASS,
    Verdict.REDACT: EXIT_REDACT,
    Verdict.REVIEW: EXIT_REVIEW,
    Verdict.BLOCK: EXIT_BLOCK,
    Verdict.ERROR: EXIT_ERROR,
}
DISPOSITION_EXIT = {"cleared": EXIT_PASS, "held": EXIT_REVIEW, "blocked": EXIT_BLOCK, "error": EXIT_ERROR}

EXIT_CODES = """\b
Exit codes (anything but 0 means: do not upload):
  0  pass; for batch: every file ended in cleared/
  1  redaction needed (check)
  2  usage or configuration error, nothing was screened
  3  at least one file could not be screened
  4  a human must review
  5  blocked by policy
The gravest wins: 3, then 5, 4, 1."""

policy_option = click.option(
    "--policy", default="faces-and-location", show_default=True, metavar="NAME|PATH", help="A pack, or a policy file."
)
limit_options = [
    click.option("--max-pixels", type=click.IntRange(1), help="Refuse larger pictures.  [default: 260000000]"),
    click.option(
        "--max-duration", type=click.FloatRange(0.001), help="Refuse longer videos, seconds.  [default: 14400]"
    ),
    click.option("--max-memory-mb", type=click.IntRange(256), help="Memory of one worker (batch).  [default: 6144]"),
]


def with_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of the safety limits."""
    for option in reversed(limit_options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="media-screen")
def cli() -> None:
    """Screens photos and videos before they are posted: finds and blurs faces, removes location, rules by clause.

    Runs offline; media and faces never leave this machine. Originals are never changed.
    """


@cli.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The report of each file as one line of JSON.")
@policy_option
@with_limits
def check(files: tuple[Path, ...], as_json: bool, policy: str, **limits: Any) -> None:
    """Examine and rule on FILES as they stand; writes no media."""
    from media_screen.batch import Item, gravest, safely
    from media_screen.config import build_screener
    from media_screen.report import json_report, text_report

    settings = _settings(policy, limits)
    screener = build_screener(settings)
    codes = []
    for path in files:
        report = safely(screener.check, Item(path=path, name=path.name), settings)
        codes.append(VERDICT_EXIT[report.verdict])
        document = json_report.document(report)
        if as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            click.echo(text_report.render(document))
    sys.exit(gravest(codes))


@cli.command(epilog=EXIT_CODES)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where everything goes.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@policy_option
@click.option("--style", default="blur", show_default=True, type=click.Choice(["blur", "mosaic", "fill"]))
@click.option("--report", "formats", default="json,html,csv", show_default=True, help="Which reports to write.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files of these names (may be repeated).")
@with_limits
def batch(
    inputs: tuple[Path, ...],
    out: Path,
    jobs: int | None,
    policy: str,
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
    settings = _settings(policy, limits, style=style, threads=max(1, (os.cpu_count() or 1) // count))
    build_screener(settings)  # a wrong policy or model is said once, before anything is screened
    _claim(out)
    frames = get_context("spawn").Value("Q", 0)
    unwritten: list[str] = []

    def done(report: Report) -> None:
        unwritten.extend(write_report(report, out, chosen))
        say(text_report.line(json_report.document(report)))

    with _progress(len(items), frames) as say:
        reports = run(items, out, settings, jobs=count, on_done=done, frames=frames)
    unwritten += write_index(reports, out, chosen)
    click.echo(_summary(out, reports, chosen))
    for fault in unwritten:
        click.echo(fault, err=True)
    codes = [DISPOSITION_EXIT[r.disposition] for r in reports]
    sys.exit(gravest([*codes, EXIT_ERROR] if unwritten else codes))


@cli.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--every", type=click.FloatRange(0), help="Seconds between looks at a video.  [default: each detector's own]"
)
@click.option("--score", type=click.FloatRange(0, 1), help="Lowest score to print.  [default: operating point]")
def detect(inputs: tuple[Path, ...], as_json: bool, every: float | None, score: float | None) -> None:
    """Print raw detections, for tuning and measuring.

    Boxes are x1, y1, x2, y2 in pixels of the upright full-size frame.
    """
    from media_screen.batch import gather
    from media_screen.config import load_detectors
    from media_screen.examine import look
    from media_screen.probe import probe

    detectors = load_detectors(None)
    every_s = None if every is None else Fraction(str(every))
    failed = False
    for item in gather(inputs, Path("\0nowhere".strip("\0"))):
        try:
            info = probe(item.path)
            for frame, found in look(info, detectors, every_s=every_s, score=score):
                click.echo(_detections(item.path, info.kind, frame, found, as_json=as_json))
        except FileError as error:
            failed = True
            click.echo(f"{item.path}: {error}", err=True)
    sys.exit(EXIT_ERROR if failed else EXIT_PASS)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(as_json: bool) -> None:
    """Say which models, runtimes and codecs really work on this machine."""
    from dataclasses import asdict

    from media_screen.doctor import examine_machine

    checks = examine_machine()
    if as_json:
        click.echo(json.dumps([asdict(c) for c in checks], indent=1))
    else:
        width = max(len(c.name) for c in checks)
        group = ""
        for c in checks:
            if c.group != group:
                click.echo(("\n" if group else "") + c.group)
                group = c.group
            click.echo(f"  {'ok    ' if c.works else 'absent'}  {c.name:<{width}}  {c.detail}")
    sys.exit(EXIT_PASS if all(c.works for c in checks if c.group in ("runtime", "model")) else EXIT_ERROR)


def main() -> None:
    """Entry point: errors the caller can mend end in one line and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is Ctrl-C: clean up and report
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_SETTINGS)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: nothing of what was not finished may be uploaded", err=True)
        sys.exit(EXIT_ERROR)
    except SettingsError as error:
        click.echo(f"media-screen: {error}", err=True)
        sys.exit(EXIT_SETTINGS)
    except BrokenPipeError:  # `media-screen detect | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    except OSError as error:  # what was to go well before and after screening did not: no room for a pipe or a page
        click.echo(f"media-screen: {error}", err=True)
        sys.exit(EXIT_ERROR)


def _settings(policy: str, limits: dict[str, Any], **more: Any) -> Settings:
    from media_screen.config import Settings
    from media_screen.pipeline import Limits

    given = {
        "max_pixels": limits["max_pixels"],
        "max_duration_s": None if limits["max_duration"] is None else Fraction(str(limits["max_duration"])),
        "max_memory_mb": limits["max_memory_mb"],
    }
    return Settings(policy=policy, limits=Limits(**{k: v for k, v in given.items() if v is not None}), **more)


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


def _detections(path: Path, kind: str, frame: Any, found: Sequence[Any], *, as_json: bool) -> str:
    time_s = None if kind == "image" else round(float(frame.time_s), 6)
    boxes = [
        {
            "label": d.label,
            "score": round(d.score, 4),
            "box": [round(v, 2) for v in (d.box.x1, d.box.y1, d.box.x2, d.box.y2)],
            "detector": d.detector,
        }
        for d in found
    ]
    if as_json:
        head = {"path": str(path), "time_s": time_s, "frame": frame.index}
        size = {"width_px": frame.width_px, "height_px": frame.height_px}
        return json.dumps({**head, **size, "detections": boxes}, ensure_ascii=False)
    where = str(path) if time_s is None else f"{path} at {time_s:.3f} s"
    return "\n".join([f"{where}: {len(boxes)} found", *(f"  {b['label']} {b['score']:.2f} {b['box']}" for b in boxes)])


class _progress:  # noqa: N801 - used as a function
    """Files, frames a second and time left on a terminal; a plain line a file elsewhere."""

    def __init__(self, total: int, frames: Any) -> None:
        self._total, self._frames, self._count = total, frames, 0
        self._bar: Any = None

    def __enter__(self) -> Callable[[str], None]:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
            from rich.text import Text

            frames = self._frames

            class Speed(ProgressColumn):
                def render(self, task: Any) -> Text:
                    rate = frames.value / task.elapsed if task.elapsed else 0.0
                    return Text(f"{rate:.0f} frames/s")

            self._bar = Progress(
                BarColumn(), MofNCompleteColumn(), "files", Speed(), TimeRemainingColumn(), console=Console(stderr=True)
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self._say

    def _say(self, line: str) -> None:
        self._count += 1
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            self._bar.advance(self._task)
        else:
            click.echo(f"[{self._count}/{self._total}] {line}")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


if __name__ == "__main__":
    main()
