"""What a policy is made of: frozen and picklable, for every worker gets its copy. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from media_screen.types import Action, Fact, KeepWord, MediaKind, Role, Verdict

ACTIONS: tuple[Action, ...] = ("note", "strip", "redact", "review", "block")  # "error" is the engine's, not a rule's
Absent = Literal["error", "ask"]  # what a rule means where no detector looks for its labels
Way = Literal["enforced", "asked", "out-of-reach"]


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
class Told:
    """A fact, and the values of it that are meant."""

    fact: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Fires on the findings that satisfy all of its conditions, or without findings if it has none."""

    id: str
    clauses: tuple[str, ...]
    text: Text
    action: Action
    conditions: tuple[Condition, ...] = ()  # in the order in which they are applied
    media: MediaKind | None = None
    declared: tuple[Told, ...] = ()  # all of them; a fact that is not declared counts as if it were
    unless: tuple[tuple[Told, ...], ...] = ()  # silent where all of one row is declared so
    absent: Absent = "error"
    todo: Text | None = None

    @property
    def clause(self) -> str:
        """The clauses as a report names them."""
        return ", ".join(self.clauses)

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact that it depends on, each once."""
        told = (*self.declared, *(t for row in self.unless for t in row))
        return tuple(dict.fromkeys(t.fact for t in told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause of a source, in our words, and the one way in which it is met."""

    id: str  # "27"; in a pack of several sources "UP 27"
    text: Text
    way: Way
    because: Text | None = None  # why it is out of reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An example of a pack: what is declared and found, and what that must come to."""

    name: str
    facts: tuple[Fact, ...]
    found: tuple[Found, ...]
    media: MediaKind
    detectors: tuple[str, ...] | None  # labels that are looked for; None: all that the pack speaks of
    verdict: Verdict
    clauses: tuple[str, ...] | None = None  # named by the reasons, where the example says them
    questions: tuple[str, ...] | None = None  # open ones, where the example says them


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding of an example."""

    kind: Literal["track", "tag"]
    label: str
    score: float = 0.9
    first_s: float = 0.0
    last_s: float = 2.0
    count: int = 1
    role: Role = "unknown"


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
    cite: str = ""  # what stands before a clause's number where several sources meet
    clauses: tuple[Clause, ...] = ()
    examples: tuple[Expected, ...] = ()
