"""What was done in an output folder, and from what -> the same, told again to the next batch. SQLite, one row a file.

Every row is on the disk before it counts: a batch may be killed at any moment, and the next one goes on from the rows
that are there. One batch at a time: the file is locked while it is open.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from media_screen.errors import SettingsError, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

FILE = "journal.sqlite3"
_TABLE = """
CREATE TABLE IF NOT EXISTS entry (
    name TEXT PRIMARY KEY,      -- as JSON: a name need not be valid Unicode
    key TEXT NOT NULL,          -- of content, policy, models, settings and tool: see key_of
    size_bytes INTEGER NOT NULL,-- of the input
    document TEXT NOT NULL,     -- its report, without pictures
    pages TEXT NOT NULL         -- what was written for it, and how long each is
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that was done."""

    name: str
    key: str
    size_bytes: int
    document: dict[str, Any]
    pages: tuple[tuple[str, int], ...]


def key_of(content_sha256: str, suffix: str, identity: str, facts: str = "") -> str:
    """The same key, the same report. The extension counts, for a wrong one is remarked on, and what is declared."""
    parts = f"{content_sha256}\0{suffix.lower()}\0{identity}\0{facts}"
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()


class Journal:
    """The rows of one output folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def __enter__(self) -> Self:
        try:
            self._rows = sqlite3.connect(self._path, isolation_level=None, timeout=0.2)
            # exclusive first: then WAL needs no shared memory, and works on network drives too
            self._rows.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=FULL")
            self._rows.execute(_TABLE)
            self._rows.execute("BEGIN IMMEDIATE")  # takes the lock, which stays
            self._rows.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise SettingsError(f"another batch is at work in {self._path.parent}") from error
            raise SettingsError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise SettingsError(
                f"{self._path} is damaged ({error}); delete it, and everything is screened anew"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    def entries(self) -> Iterator[Entry]:
        """All of them."""
        for name, key, size_bytes, document, pages in self._rows.execute("SELECT * FROM entry"):
            yield Entry(
                name=json.loads(name),
                key=key,
                size_bytes=size_bytes,
                document=json.loads(document),
                pages=tuple((page, length) for page, length in json.loads(pages)),
            )

    def record(self, entry: Entry) -> None:
        """On the disk when this returns.

        Raises:
            WriteFailed: it is not.
        """
        row = (json.dumps(entry.name), entry.key, entry.size_bytes, json.dumps(entry.document), json.dumps(entry.pages))
        try:
            self._rows.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise WriteFailed(f"the journal cannot be written: {error}") from error

    def forget(self, names: list[str]) -> None:
        """What is to be done anew was not done."""
        self._rows.execute("BEGIN")
        self._rows.executemany("DELETE FROM entry WHERE name = ?", [(json.dumps(name),) for name in names])
        self._rows.execute("COMMIT")
