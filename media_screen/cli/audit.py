"""`audit`: an archive and a list of what of it is posted -> the list of what has to come down, and by when."""

from __future__ import annotations

import csv
import io
import os
import sys
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.cli.options import (
    VERDICT_EXIT,
    lang_option,
    policy_option,
    settings_from,
    with_blur,
    with_facts,
    with_limits,
)
from media_screen.cli.progress import Progress
from media_screen.errors import SettingsError
from media_screen.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.audit import Post
    from media_screen.batch import Item
    from media_screen.config import Settings
    from media_screen.report.json_report import Document

CODES = """\b
Exit codes:
  0  nothing of what is posted has to come down
  1  something has to be redacted
  2  usage error, or the list of posts cannot be read
  3  something could not be examined, or is not in the folder
  4  a human must review something
  5  something is forbidden by the policy
The gravest wins: 3, then 5, 4, 1."""


@click.command(epilog=CODES)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--posted",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV of what is posted: columns file (below FOLDER) and posted (2024-09-30), and where if known.",
)
@click.option(
    "--out",
    default="takedown.csv",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The list, for spreadsheets.",
)
@click.option(
    "--from", "start", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="When the days begin.  [default: today]"
)
@click.option("--days", default=7, show_default=True, type=click.IntRange(0), help="Within so many it has to be gone.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@click.option("--timeout", type=click.FloatRange(0.1), help="A file that takes longer is an error, seconds.")
@policy_option
@with_blur
@with_facts
@lang_option
@with_limits
def audit(
    folder: Path,
    posted: Path,
    out: Path,
    start: datetime | None,
    days: int,
    jobs: int | None,
    timeout: float | None,
    policy: str,
    **more: Any,
) -> None:
    """Screen again what of FOLDER is posted already, and list what has to come down. Changes nothing in FOLDER."""
    from media_screen.audit import due_day, matched, read_posts, takedown
    from media_screen.batch import default_jobs, gather, gravest

    today = datetime.now().astimezone().date()
    due = due_day(start.date() if start else today, days)
    posts = read_posts(posted)
    _claim(out, posted)
    items = gather([folder], None)
    files = matched(posts, [item.name for item in items])
    wanted = [item for item in items if item.name in set(files.values())]
    count = jobs or default_jobs(len(wanted))
    settings = settings_from(policy, more, threads=max(1, (os.cpu_count() or 1) // count))
    documents = _looked(wanted, settings, jobs=count, timeout_s=timeout)
    reports = {spelt: documents[name] for spelt, name in files.items()}
    rows = takedown(posts, reports, due=due, today=today, lang=settings.lang)
    _write(out, rows)
    click.echo(_summary(out, posts, rows, due, unlisted=len(items) - len(wanted), lang=settings.lang))
    sys.exit(gravest(VERDICT_EXIT[v] for v in Verdict for row in rows if row["verdict"] == str(v)))


def _looked(items: Sequence[Item], settings: Settings, *, jobs: int, timeout_s: float | None) -> dict[str, Document]:
    from media_screen.batch import local, look_at
    from media_screen.config import build_screener

    build_screener(settings)  # a wrong policy or model is said once, before anything is screened
    if not items:
        return {}
    frames = get_context("spawn").Value("Q", 0)
    with local(settings, jobs=jobs, timeout_s=timeout_s, frames=frames) as workers, Progress(len(items), frames) as say:
        documents = look_at(items, settings, workers, say)
    return {item.name: document for item, document in zip(items, documents, strict=True)}


def _claim(out: Path, posted: Path) -> None:
    """An earlier list may be written over, and nothing else."""
    from media_screen.audit import COLUMNS

    if not out.exists():
        return
    head = out.read_bytes()[:4096].partition(b"\n")[0].decode("utf-8", "replace")
    if out.resolve() == posted.resolve() or next(csv.reader([head]), []) != list(COLUMNS):
        raise SettingsError(f"{out} is no earlier list of this command: give --out another name")


def _write(out: Path, rows: Sequence[dict[str, object]]) -> None:
    from media_screen.audit import COLUMNS
    from media_screen.report.csv_report import cell
    from media_screen.write import publish, workbench

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)
    with workbench(out) as part:
        part.write_text(buffer.getvalue(), encoding="utf-8", errors="replace")
        publish(part, out)


def _summary(
    out: Path, posts: Sequence[Post], rows: Sequence[dict[str, object]], due: date, *, unlisted: int, lang: str
) -> str:
    from media_screen.audit import TAKE_DOWN
    from media_screen.report.hindi import say
    from media_screen.report.words import shown

    certain = sum(row["do"] == say(lang, TAKE_DOWN) for row in rows)
    said = [
        "",
        say(lang, "{posts} posts: {fine} may stay, {down} to be taken down, {look} for a person to look at",
            posts=len(posts), fine=len(posts) - len(rows), down=certain, look=len(rows) - certain),
        say(lang, "to be gone by {day}: {file}", day=due.isoformat(), file=shown(out)),
    ]  # fmt: skip
    left = "{count} files in the folder are not in the list of posts, and were not screened"
    return "\n".join([*said, *([say(lang, left, count=unlisted)] if unlisted else [])])
