"""What a policy is made of: frozen and picklable, for every worker gets its copy. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from media_screen.types import Action, KeepWord

ACTIONS: tuple[Action, ...] = ("note", "strip", "redact", "review", "block")  # "error" is the engine's, not a rule's


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One sentence in both languages of the media cell."""

    en: str
    hi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One word of a rule with the value it was given, as the word's own reader returned it."""

    word: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Fires on the findings that satisfy all of its conditions."""

    id: str
    clauses: tuple[str, ...]
    text: Text
    action: Action
    conditions: tuple[Condition, ...]  # in the order in which they are applied
    todo: Text | None = None

    @property
    def clause(self) -> str:
        """The clauses as a report names them."""
        return ", ".join(self.clauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A pack: the rules of one source, and the digest of the file they were read from."""

    name: str
    version: str
    title: Text
    source: str
    rules: tuple[Rule, ...]
    sha256: str
    keep: tuple[KeepWord, ...] = ()  # metadata that is written back, typed and plain
