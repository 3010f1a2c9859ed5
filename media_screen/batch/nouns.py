"""The nouns of a batch: Item, Job, Outcome, Heavy. Frozen, slotted, keyword-only, picklable: they travel to workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from media_screen.config import Settings
    from media_screen.report.json_report import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input and the name its output and report will have: relative, unique within the batch."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is the same for every file of a batch."""

    out: Path
    settings: Settings
    formats: tuple[str, ...] = ("json", "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one input."""

    name: str  # the item's
    document: Document  # the report as JSON, its pictures left out: ten thousand of them are kept
    pages: tuple[tuple[str, int], ...] = ()  # what was written below the output folder, and how many bytes
    unwritten: tuple[str, ...] = ()  # pages that could not be written, in words
    is_old: bool = False  # done by an earlier batch, and still as it was

    @property
    def disposition(self) -> str:
        """Where it went."""
        said: str = self.document["disposition"]
        return said

    @property
    def error_type(self) -> str | None:
        """The name of what went wrong, or None."""
        error = self.document["error"]
        return error["type"] if error else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heavy:
    """A file that needs more memory than its share: nothing was done yet."""

    estimate_mb: int
