"""Events -> ledger.jsonl, one record a line, each chained by digest to the one before; and that file -> its faults.

Lines are only ever added. A record that was altered, taken out, put in or moved breaks the chain. A write that was cut
off leaves a torn line: it is told, and the chain goes on past it. That the last records were cut away shows only
against a digest of the head that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from media_screen.errors import SettingsError, WriteFailed
from media_screen.locks import locked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "ledger.jsonl"
START = "0" * 64  # what the first record follows
SIGNED = ".verdict.json"  # after a copy's name: its signed verdict lies beside it
BLOCK_BYTES = 1 << 12  # a few records
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a ledger holds."""

    records: tuple[Record, ...]
    faults: tuple[str, ...]  # somebody had a hand in it
    torn: tuple[int, ...]  # numbers of lines that a cut-off write left

    @property
    def head(self) -> str:
        """The digest of the last record: whoever notes it can tell later whether the end was cut away."""
        return self.records[-1]["sha256"] if self.records else START


def of_verdict(document: Mapping[str, Any]) -> Record:
    """What is kept of a report: digests, policy, verdict, declared facts. No faces, no positions, no metadata."""
    media, output, error = document["input"], document["output"] or {}, document["error"]
    return {
        "event": "verdict",
        "name": media["name"],
        "input_sha256": media.get("sha256"),
        "output": output.get("name"),
        "output_sha256": output.get("sha256"),
        "policy": document["policy"]["name"],
        "policy_sha256": document["policy"]["sha256"],
        "verdict": document["verdict"],
        "disposition": document["disposition"],
        "clauses": sorted({c for reason in document["reasons"] for c in reason["clause"].split(", ") if c}),
        "questions": [question["name"] for question in document["questions"]],
        "facts": [{part: fact[part] for part in ("name", "value", "reference", "by")} for fact in document["facts"]],
        "blur": document["blur"],
        "gallery": (document["identification"] or {}).get("gallery_sha256"),
        "models": [model["sha256"] for model in document["models"]],
        "error": error["type"] if error else None,
        "tool": document["tool"]["version"],
    }


def append(path: Path, event: Mapping[str, Any]) -> Record:
    """Add one record; on the disk when this returns. Writers in other processes wait for each other.

    Raises:
        WriteFailed: it is not there for certain.
    """
    try:
        with path.open("ab+") as file, locked(file):
            last, is_cut_off = _last(file)
            record = _sealed(event, last)
            line = _line(record)
            file.write(b"\n" + line if is_cut_off else line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WriteFailed(f"{path}: the record cannot be written: {error.strerror or error}") from error
    return record


def read(path: Path) -> Chain:
    """Every record, and whether each follows the one before.

    Raises:
        SettingsError: there is no ledger, or it cannot be read.
    """
    records: list[Record] = []
    faults, torn = [], []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                record = _parsed(line)
                if record is None:
                    torn.append(number)
                    continue
                faults += _faults(record, records[-1] if records else None, number)
                records.append(record)
    except OSError as error:
        raise SettingsError(f"{path}: no ledger can be read there: {error.strerror or error}") from error
    return Chain(records=tuple(records), faults=tuple(faults), torn=tuple(torn))


def latest(chain: Chain) -> dict[str, Record]:
    """The last record of every name."""
    return {record["name"]: record for record in chain.records if "name" in record}


def unrecorded(out: Path, chain: Chain) -> list[str]:
    """Copies below an output folder that are not the ones of the last record of their name."""
    known, said = latest(chain), []
    for folder in ("cleared", "held"):
        for path in sorted(p for p in (out / folder).rglob("*") if p.is_file()):
            inner = path.relative_to(out / folder).as_posix()
            name = inner.encode("utf-8", "backslashreplace").decode("utf-8")
            if name.endswith(SIGNED) and name.removesuffix(SIGNED) in known:
                continue
            record = known.get(name, {})
            if record.get("output") != f"{folder}/{name}":
                said.append(f"{folder}/{name}: no record says that it lies there")
            elif record["output_sha256"] != sha256_of(path):
                said.append(f"{folder}/{name}: not the copy that was recorded")
    return said


def sha256_of(path: Path) -> str:
    """Of the content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sealed(event: Mapping[str, Any], last: Record | None) -> Record:
    record = {
        "seq": last["seq"] + 1 if last else 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **event,
        "previous": last["sha256"] if last else START,
    }
    return record | {"sha256": _digest(record)}


def _line(record: Record) -> bytes:
    return json.dumps(record).encode("ascii") + b"\n"


def _digest(record: Mapping[str, Any]) -> str:
    said = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _parsed(line: bytes) -> Record | None:
    """The record of a line; None where the line is no whole record."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("seq"), int):
        return None
    return record if isinstance(record.get("sha256"), str) and isinstance(record.get("previous"), str) else None


def _faults(record: Record, before: Record | None, number: int) -> list[str]:
    said = []
    if record["sha256"] != _digest(record):
        said.append(f"line {number}: the record was altered")
    if record["previous"] != (before["sha256"] if before else START):
        said.append(f"line {number}: does not follow the record before it; some were taken out, put in or moved")
    return said


def _last(file: BinaryIO) -> tuple[Record | None, bool]:
    """The last whole record, and whether the file ends within a line."""
    end = file.seek(0, os.SEEK_END)
    tail, start = b"", end
    while start > 0:
        size = min(max(BLOCK_BYTES, len(tail)), start)  # twice as much each time
        start = file.seek(start - size)
        tail = file.read(size) + tail
        lines = tail.split(b"\n")
        whole = lines if start == 0 else lines[1:]  # the first may begin before what was read
        for line in reversed(whole):
            if record := _parsed(line):
                return record, not tail.endswith(b"\n")
    return None, bool(tail) and not tail.endswith(b"\n")
