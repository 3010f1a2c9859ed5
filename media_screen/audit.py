"""A folder, what of it is posted, and the reports on it -> what has to come down, and by which day. Screens nothing."""

from __future__ import annotations

import csv
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from media_screen.errors import SettingsError
from media_screen.report import csv_report
from media_screen.report.hindi import say
from media_screen.report.words import what_failed
from media_screen.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from media_screen.report.json_report import Document

NEEDED, EXTRA = ("file", "posted"), ("where",)
COLUMNS = (*("due", "overdue", "do", "file", "where", "posted", "verdict"), *("clauses", "why", "todo", "input_sha256"))
DAYS = 7  # Karachi Range order 2024, directive 6
TAKE_DOWN, LOOK = "take down", "take down or let a person decide"
NOT_THERE = "it is not in the folder: look at the post itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One row of the list of what is posted."""

    file: str  # below the folder
    posted: date
    where: str = ""  # an address, an account: as the list says it


def read_posts(path: Path) -> tuple[Post, ...]:
    """The list of what is posted: CSV with the columns file and posted (2024-09-30), and where if it is known.

    Raises:
        SettingsError: it cannot be read; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the list of posts cannot be read: {error}") from error
    head = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head and "," not in head else ",", strict=True)
    try:
        missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
        if missing:
            raise SettingsError(f"{path}: no column {missing[0]!r}; needed are {', '.join(NEEDED)}")
        posts = tuple(_post(row, f"{path}: line {rows.line_num}") for row in rows)
    except csv.Error as error:
        raise SettingsError(f"{path}: line {rows.line_num}: {error}") from error
    if not posts:
        raise SettingsError(f"{path}: lists no posts")
    return posts


def matched(posts: Iterable[Post], names: Iterable[str]) -> dict[str, str]:
    """The file of the folder that each post means, by the post's own spelling; absent where there is none."""
    known = {_plain(name): name for name in names}
    return {post.file: known[_plain(post.file)] for post in posts if _plain(post.file) in known}


def takedown(
    posts: Sequence[Post], reports: Mapping[str, Document], *, due: date, today: date, lang: str = "en"
) -> list[dict[str, object]]:
    """One row for every post that may not stay as it is, the gravest first, the oldest first among them.

    Args:
        posts: what is posted.
        reports: by the post's own spelling of the file; a post without one cannot be examined, and is listed.
        due: the day by which it has to be gone.
        today: for what is overdue.
        lang: of what a person reads.
    """
    grave = {str(verdict): -verdict for verdict in Verdict}
    rows = [_row(post, reports.get(post.file), due, today, lang) for post in posts]
    rows = [row for row in rows if row["verdict"] != str(Verdict.PASS)]
    return sorted(rows, key=lambda row: (grave[str(row["verdict"])], str(row["posted"]), str(row["file"])))


def due_day(start: date, days: int) -> date:
    """Within seven days of the 20th is up to the 27th."""
    return start + timedelta(days=days)


def _post(row: dict[str, str | None], at: str) -> Post:
    file, posted = (str(row[name] or "").strip() for name in NEEDED)
    if not file:
        raise SettingsError(f"{at}: file is empty")
    try:
        day = date.fromisoformat(posted[:10])
    except ValueError as error:
        raise SettingsError(f"{at}: posted must be a day such as 2024-09-30, not {posted!r}") from error
    return Post(file=file, posted=day, where=(row.get("where") or "").strip())


def _plain(name: str) -> str:
    """The same for the two ways in which systems spell Hindi and separate folders."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))


def _row(post: Post, report: Document | None, due: date, today: date, lang: str) -> dict[str, object]:
    verdict = str(report["verdict"]) if report else str(Verdict.ERROR)
    is_certain = verdict in (str(Verdict.REDACT), str(Verdict.BLOCK))
    why, todo, clauses = _said(report) if report else (say(lang, NOT_THERE), "", "")
    return {
        "due": due.isoformat(),
        "overdue": "yes" if due < today else "no",
        "do": say(lang, TAKE_DOWN if is_certain else LOOK),
        "file": post.file,
        "where": post.where,
        "posted": post.posted.isoformat(),
        "verdict": verdict,
        "clauses": clauses,
        "why": why,
        "todo": todo,
        "input_sha256": report["input"].get("sha256") if report else None,
    }


def _said(report: Document) -> tuple[str, str, str]:
    row = csv_report.row(report)
    why = what_failed(report) if report["error"] else str(row["found"])
    return why, str(row["todo"]), str(row["clauses"])
