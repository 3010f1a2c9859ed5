"""A plain object (from YAML) -> Policy, or SettingsError with the path of the bad key. No files, no YAML here."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from media_screen.errors import SettingsError
from media_screen.policy.conditions import WORDS
from media_screen.policy.nouns import ACTIONS, Condition, Policy, Rule, Text
from media_screen.types import KeepWord

if TYPE_CHECKING:
    from collections.abc import Collection

    from media_screen.types import Action

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
POLICY_KEYS = ("name", "version", "title", "source", "rules")
POLICY_EXTRAS = ("keep",)
RULE_KEYS = ("id", "clause", "text", "action", "when")
RULE_EXTRAS = ("todo",)
LANGUAGES = ("en", "hi")
KEEP_WORDS: tuple[KeepWord, ...] = get_args(KeepWord)


def parse(document: object, *, sha256: str, origin: str) -> Policy:
    """Read a policy.

    Args:
        document: what the YAML file holds.
        sha256: the file's digest; reports name it.
        origin: the file's name, for messages.

    Raises:
        SettingsError: a key is unknown, missing, or has a value that it cannot have.
    """
    at = _Place(origin, "")
    top = at.mapping(document, POLICY_KEYS, POLICY_EXTRAS)
    listed = at.key("rules").sequence(top["rules"])
    rules = tuple(_rule(rule, at.key(f"rules[{i}]")) for i, rule in enumerate(listed))
    ids: dict[str, int] = {}
    for i, rule in enumerate(rules):
        if ids.setdefault(rule.id, i) != i:
            at.key(f"rules[{i}].id").fault(f"{rule.id!r} is already the name of rules[{ids[rule.id]}]")
    return Policy(
        name=at.key("name").name(top["name"]),
        version=at.key("version").number_or_string(top["version"]),
        title=_text(top["title"], at.key("title")),
        source=at.key("source").string(top["source"]),
        rules=rules,
        sha256=sha256,
        keep=_keep(top["keep"], at.key("keep")) if "keep" in top else (),
    )


class _Place:
    """A position in the document; says where a fault is."""

    def __init__(self, origin: str, path: str) -> None:
        self.origin, self.path = origin, path

    def key(self, key: str) -> _Place:
        return _Place(self.origin, f"{self.path}.{key}" if self.path else key)

    def fault(self, message: str) -> NoReturn:
        raise SettingsError(f"{self.origin}: {self.path}: {message}" if self.path else f"{self.origin}: {message}")

    def mapping(self, value: object, needed: Collection[str], extra: Collection[str] = ()) -> dict[str, Any]:
        """A mapping with all the needed keys and no unknown one."""
        if not isinstance(value, dict):
            self.fault(f"must be a mapping with {', '.join(needed or extra)}")
        for key in value:
            if key not in needed and key not in extra:
                self.key(str(key)).fault(f"unknown word{_nearest(str(key), (*needed, *extra))}")
        for key in needed:
            if key not in value:
                self.fault(f"{key} is missing")
        return value

    def sequence(self, value: object) -> list[Any]:
        if not isinstance(value, list) or not value:
            self.fault("must be a list with at least one entry")
        return value

    def string(self, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self.fault(f"must be text, not {value!r}")
        return value.strip()

    def number_or_string(self, value: object) -> str:
        """Clause 27 and "27" are the same; 1.10 and 1.1 are not, so a number with a point needs quotes."""
        return str(value) if type(value) is int else self.string(value)

    def name(self, value: object) -> str:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            self.fault(f"must be small letters, digits and hyphens, not {value!r}")
        return value


def _keep(value: object, at: _Place) -> tuple[KeepWord, ...]:
    words = at.sequence(value)
    for word in words:
        if word not in KEEP_WORDS:
            at.fault(f"cannot keep {word!r}{_nearest(str(word), KEEP_WORDS)}")
    if len(set(words)) < len(words):
        at.fault("names one thing twice")
    return tuple(words)


def _rule(document: object, at: _Place) -> Rule:
    row = at.mapping(document, RULE_KEYS, RULE_EXTRAS)
    action = _action(row["action"], at.key("action"))
    conditions = _conditions(row["when"], at.key("when"))
    words = {condition.word for condition in conditions}
    if action == "redact" and "label" not in words:
        at.key("action").fault('redact paints over objects: when needs a label (a tag is removed with "strip")')
    if action == "strip" and "tag" not in words:
        at.key("action").fault('strip removes metadata: when needs a tag (an object is painted over with "redact")')
    return Rule(
        id=at.key("id").name(row["id"]),
        clauses=_clauses(row["clause"], at.key("clause")),
        text=_text(row["text"], at.key("text")),
        action=action,
        conditions=conditions,
        todo=_text(row["todo"], at.key("todo")) if "todo" in row else None,
    )


def _conditions(document: object, at: _Place) -> tuple[Condition, ...]:
    when = at.mapping(document, (), tuple(WORDS))
    if ("label" in when) == ("tag" in when):
        at.fault("needs either a label or a tag: no finding is both")
    about = "track" if "label" in when else "tag"
    for key in when:
        if WORDS[key].about not in (about, "any"):
            at.key(key).fault("says nothing about a tag; it goes with a label")
    read = []
    for word, part in WORDS.items():
        if word not in when:
            continue
        try:
            read.append(Condition(word=word, value=part.read(when[word])))
        except ValueError as error:
            at.key(word).fault(str(error))
    return tuple(read)


def _action(value: object, at: _Place) -> Action:
    for action in ACTIONS:
        if value == action:
            return action
    return at.fault(f"must be one of {', '.join(ACTIONS)}, not {value!r}{_nearest(str(value), ACTIONS)}")


def _clauses(value: object, at: _Place) -> tuple[str, ...]:
    if not isinstance(value, list):
        return (at.number_or_string(value),)
    return tuple(at.number_or_string(clause) for clause in at.sequence(value))


def _text(document: object, at: _Place) -> Text:
    both = at.mapping(document, LANGUAGES)
    return Text(en=at.key("en").string(both["en"]), hi=at.key("hi").string(both["hi"]))


def _nearest(word: str, known: Collection[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
