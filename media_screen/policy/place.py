"""A plain object in a document -> its typed value, or SettingsError that names the path and the nearest word."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from media_screen.errors import SettingsError
from media_screen.policy.nouns import Text

if TYPE_CHECKING:
    from collections.abc import Collection

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LANGUAGES = ("en", "hi")


class Place:
    """A position in the document; says where a fault is."""

    def __init__(self, origin: str, path: str = "") -> None:
        self.origin, self.path = origin, path

    def key(self, key: str) -> Place:
        """The place below this one."""
        return Place(self.origin, f"{self.path}.{key}" if self.path else key)

    def fault(self, message: str) -> NoReturn:
        """What is wrong here."""
        raise SettingsError(f"{self.origin}: {self.path}: {message}" if self.path else f"{self.origin}: {message}")

    def mapping(self, value: object, needed: Collection[str], extra: Collection[str] = ()) -> dict[str, Any]:
        """A mapping with all the needed keys and no unknown one."""
        if not isinstance(value, dict):
            self.fault(f"must be a mapping with {', '.join(needed or extra)}")
        for key in value:
            if key not in needed and key not in extra:
                self.key(str(key)).fault(f"unknown word{nearest(str(key), (*needed, *extra))}")
        for key in needed:
            if key not in value:
                self.fault(f"{key} is missing")
        return value

    def sequence(self, value: object) -> list[Any]:
        """A list that holds something."""
        if not isinstance(value, list) or not value:
            self.fault("must be a list with at least one entry")
        return value

    def string(self, value: object) -> str:
        """Text that says something."""
        if not isinstance(value, str) or not value.strip():
            self.fault(f"must be text, not {value!r}")
        return value.strip()

    def number_or_string(self, value: object) -> str:
        """Clause 27 and "27" are the same; 1.10 and 1.1 are not, so a number with a point needs quotes."""
        return str(value) if type(value) is int else self.string(value)

    def name(self, value: object) -> str:
        """A name in small letters."""
        if not isinstance(value, str) or not NAME.fullmatch(value):
            self.fault(f"must be small letters, digits and hyphens, not {value!r}")
        return value

    def one_of(self, value: object, known: Collection[str]) -> str:
        """One of a few words."""
        if isinstance(value, str) and value in known:
            return value
        return self.fault(f"must be one of {', '.join(known)}, not {value!r}{nearest(str(value), known)}")

    def text(self, value: object) -> Text:
        """A sentence in both languages."""
        both = self.mapping(value, LANGUAGES)
        return Text(en=self.key("en").string(both["en"]), hi=self.key("hi").string(both["hi"]))


def nearest(word: str, known: Collection[str]) -> str:
    """What was probably meant; or all that there is."""
    close = get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
