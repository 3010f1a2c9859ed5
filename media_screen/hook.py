"""A file and a warm Screener -> an Answer: what became of it, and the copy that may go out, if any may.

The door for programs that upload: the command `hook`, its lines on stdin, and the HTTP service all answer from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from media_screen import ledger
from media_screen.batch import Item, Job, Outcome, worker
from media_screen.errors import FileError, VerificationFailed
from media_screen.report import json_report
from media_screen.signing import sign, verdict_of, write_verdict

if TYPE_CHECKING:
    from pathlib import Path

    from media_screen.report.json_report import Document
    from media_screen.signing import Key

CODES = {"cleared": 0, "held": 4, "blocked": 5, "error": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one file. Only `file` may be uploaded, and only if `code` is 0."""

    document: Document
    code: int  # the exit code that the verdict earns: anything but 0 means: do not upload
    file: Path | None = None  # the cleared copy
    verdict: Path | None = None  # its signed verdict

    def line(self) -> dict[str, Any]:
        """As programs in other languages read it."""
        document = self.document
        return {
            "code": self.code,
            "verdict": document["verdict"],
            "disposition": document["disposition"],
            "file": None if self.file is None else str(self.file),
            "sha256": document["output"]["sha256"] if self.file else None,
            "verdict_file": None if self.verdict is None else str(self.verdict),
            "why": why(document),
            "report": document,
        }


def why(document: Document) -> list[str]:
    """In words: the error, or every reason."""
    if document["error"]:
        return [document["error"]["message"]]
    return [reason["text"] for reason in document["reasons"]]


def answer(item: Item, job: Job, key: Key | None = None, record: Path | None = None) -> Answer:
    """Screen one file in this process: its models stay warm for the next."""
    outcome = worker.work(item, job)
    if not isinstance(outcome, Outcome):  # only said where memory is shared out
        raise TypeError("a file alone is never too heavy")
    return settle(item, outcome, job, key, record)


def settle(item: Item, outcome: Outcome, job: Job, key: Key | None = None, record: Path | None = None) -> Answer:
    """Hand out the copy that a worker made, only if it is the one that was verified.

    Args:
        item: the input.
        outcome: what the worker says of it.
        job: what is the same for all.
        key: signs a verdict.
        record: the ledger.
    """
    document = outcome.document
    code = CODES[document["disposition"]]
    try:
        if record is not None:
            ledger.append(record, ledger.of_verdict(document))
        if code:
            return Answer(document=document, code=code)
        file = job.out / "cleared" / item.name
        if ledger.sha256_of(file) != document["output"]["sha256"]:
            raise VerificationFailed("the copy is not the one that was verified")
        signed = None
        if key is not None:
            signed = file.with_name(f"{file.name}.verdict.json")
            write_verdict(signed, sign(verdict_of(document), key))
    except (FileError, OSError) as error:
        return failed(item, job, error)
    return Answer(document=document, code=0, file=file, verdict=signed)


def failed(item: Item, job: Job, error: Exception, words: str = "") -> Answer:
    """What could not be handed out whole is an error, never a pass."""
    worker.remove_stale(item.name, job.out)
    report = worker.error_report(item, job.settings, words or str(error), type(error).__name__)
    return Answer(document=json_report.document(report), code=CODES["error"])
