"""A held copy and the person who answers for it -> the same bytes in cleared/, and the record of it in the ledger.

The record is written first: were the machine to stop between the two, the file would still be held, and the same
command would finish what it began.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from media_screen import ledger
from media_screen.batch import MARK
from media_screen.errors import SettingsError, VerificationFailed, WriteFailed
from media_screen.journal import Entry, Journal
from media_screen.report import FORMATS, SUMMARIES, json_report
from media_screen.report.files import write_index, write_pages
from media_screen.write import copy, publish, workbench

if TYPE_CHECKING:
    from pathlib import Path

    from media_screen.report.json_report import Document

HELD, CLEARED = "held", "cleared"


def release(file: Path, *, by: str, reason: str) -> tuple[Path, list[str]]:
    """Let a held copy go out.

    Args:
        file: in the held/ of an output folder.
        by: the name of the person who answers for it.
        reason: why it may go out, in that person's words.

    Returns:
        Where the file lies now, and the pages that could not be renewed, in words.

    Raises:
        SettingsError: it is no held copy, or nobody is named.
        VerificationFailed: it is not the copy that was screened, or the ledger was tampered with.
        WriteFailed: it could not be recorded, or not be moved.
    """
    by, reason = _line(by, "--by"), _line(reason, "--reason")
    out, name = _place(file)
    with Journal(out) as journal:  # nobody screens into the folder meanwhile
        record = _held(out, name)
        target = out / CLEARED / name
        with workbench(target) as part:
            copy(file, part)
            if ledger.sha256_of(part) != record["output_sha256"]:
                raise VerificationFailed(f"{file} is not the copy that was screened: screen the original again")
            if record["event"] == "verdict":
                record = ledger.append(out / ledger.FILE, _event(record, by, reason))
            publish(part, target)
        file.unlink()
        return target, _tell(out, name, journal, {part: record[part] for part in ("by", "reason", "at")})


def _line(text: str, option: str) -> str:
    said = " ".join(text.split())
    if not said:
        raise SettingsError(f"{option} is empty: a release needs a name and a reason")
    return said


def _place(file: Path) -> tuple[Path, str]:
    """The output folder, and the name below its held/."""
    whole = file.absolute()
    for folder in whole.parents:
        if folder.name == HELD and (folder.parent / MARK).is_file():
            if not whole.is_file() or whole.is_symlink():
                raise SettingsError(f"{file}: there is no such file")
            return folder.parent, whole.relative_to(folder).as_posix()
    raise SettingsError(f"{file} is no held copy: name a file in the held/ of an output folder")


def _held(out: Path, name: str) -> ledger.Record:
    """The last that was recorded of it: a verdict that holds it, or a release that was broken off."""
    chain = ledger.read(out / ledger.FILE)
    if chain.faults:
        raise VerificationFailed(f"the ledger was tampered with: {chain.faults[0]} (media-screen ledger verify)")
    record = ledger.latest(chain).get(json_report.clean(name))
    if record is None or (record["event"] == "verdict" and record["disposition"] != HELD):
        raise VerificationFailed(f"the ledger knows nothing of a held {name}: screen the original again")
    return record


def _event(record: ledger.Record, by: str, reason: str) -> ledger.Record:
    kept = ("name", "input_sha256", "output_sha256", "policy", "policy_sha256", "clauses", "questions")
    said = {part: record[part] for part in kept}
    return {"event": "release", **said, "output": f"{CLEARED}/{record['name']}", "by": by, "reason": reason}


# --- the pages that still call it held ---


def _tell(out: Path, name: str, journal: Journal, said: Document) -> list[str]:
    """Renew what can be renewed. The release is done and recorded by now, so nothing here may undo it."""
    entry = next((entry for entry in journal.entries() if entry.name == name), None)
    formats = [f for f in FORMATS if (out / "reports" / f"{name}.{f}").is_file()]
    pages: tuple[tuple[str, int], ...] = ()
    try:
        document = _released(_document(out, name), name, said)
        pages, faults = write_pages(name, document, out, formats)
        short = json_report.slim(document)
    except (KeyError, TypeError, ValueError):  # none there, or of another version of media-screen
        faults = (f"{out}: its reports cannot be renewed and still call it held; the ledger has the release",)
        short = {}
    told = list(faults)
    if entry:
        short = short or _released(entry.document, name, said)
        try:
            journal.record(replace(entry, document=short, pages=pages or entry.pages))
        except WriteFailed as error:
            told.append(f"{out}: {error}; the next batch screens it anew")
    return [*told, *_renew_index(out, journal)]


def _document(out: Path, name: str) -> Document:
    with suppress(OSError, ValueError):
        document = json.loads((out / "reports" / f"{name}.json").read_text(encoding="utf-8"))
        return document if isinstance(document, dict) else {}
    return {}


def _released(document: Document, name: str, said: Document) -> Document:
    path = f"{CLEARED}/{name}"
    output: Any = document["output"]
    output = output | {"name": json_report.clean(path), "url": json_report.url_of(path)}
    return document | {"disposition": CLEARED, "output": output, "release": said}


def _renew_index(out: Path, journal: Journal) -> list[str]:
    """The pages about the whole batch, with the rows that they have."""
    stale = [f"{out}: index and summary still call it held; the next batch renews them"]
    try:
        listed = [row["name"] for row in json.loads((out / SUMMARIES["json"][0]).read_text("utf-8"))["inputs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return stale
    known: dict[str, Entry] = {json_report.clean(entry.name): entry for entry in journal.entries()}
    read = {n: known[n].document if n in known else _document(out, n) for n in listed}
    if not all(read.values()):
        return stale
    chosen = [f for f, (page, _) in SUMMARIES.items() if (out / page).is_file()]
    try:
        return write_index([d if n in known else json_report.slim(d) for n, d in read.items()], out, chosen)
    except (KeyError, TypeError, ValueError):  # of another version
        return stale
