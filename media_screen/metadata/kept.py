"""Tags of a file + words of `keep` -> a few typed fields of plain text. What a person asked to keep is written anew.

No block of the source is ever copied: a maker's note, an XMP packet or a comment can hold a place anywhere. The writers
of the formats put these fields, and nothing else, into a block of their own; `own` knows such a block by its bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, get_args

from media_screen.metadata.embedded import scan
from media_screen.metadata.kinds import COORDINATES
from media_screen.types import KeepWord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from media_screen.types import Tag

WORDS: tuple[KeepWord, ...] = get_args(KeepWord)
PLACE = "kept"  # of the tags of a block that only holds kept fields
MAX_CHARS, MAX_BYTES = 200, 400  # no more than a listing shows of a value: by that a block is known again

# word -> fields -> names under which formats hold them, the most trusted first
_NAMES: dict[str, dict[str, str]] = {
    "copyright": {
        "copyright": "Copyright dc:rights CopyrightNotice cprt \xa9cpy com.apple.quicktime.copyright COPYRIGHT ICOP"
    },
    "creator": {
        "creator": "Artist dc:creator By-line Author \xa9ART \xa9aut auth com.apple.quicktime.author"
        " com.apple.quicktime.artist ARTIST AUTHOR IART"
    },
    "description": {
        "description": "ImageDescription dc:description Caption-Abstract Description desc dscp \xa9des"
        " com.apple.quicktime.description DESCRIPTION ICMT"
    },
    "date": {
        "date": "DateTimeOriginal DateTime DateTimeDigitized xmp:CreateDate photoshop:DateCreated \xa9day"
        " com.apple.quicktime.creationdate DATE_RECORDED DATE ICRD"
    },
    "device": {
        "make": "Make tiff:Make \xa9mak com.apple.quicktime.make MAKE",
        "model": "Model tiff:Model \xa9mod com.apple.quicktime.model MODEL",
    },
}
_FIELD_NAMES = {field: names.split() for parts in _NAMES.values() for field, names in parts.items()}
_WORD_OF_FIELD = {field: word for word, parts in _NAMES.items() for field in parts}
_WORD_OF_NAME = {name: _WORD_OF_FIELD[field] for field, names in _FIELD_NAMES.items() for name in names}

_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?")
# degrees with minutes, a link to a map, an Open Location Code: a place in words that no other scan looks for
_PLACE = re.compile(
    r"\d{1,3}\s?\N{DEGREE SIGN}|\d{1,3}[.,]\d{3,}\s?\N{DEGREE SIGN}?\s?[NSEW]\b|\bgeo:|maps?\.|goo\.gl|plus\.codes"
    r"|\d{1,3}\.\d{3,}[,;\s]+-?\d{1,3}\.\d{3,}|\b[23456789CFGHJMPQRVWX]{4,8}\+[23456789CFGHJMPQRVWX]{2,3}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What is written into a clean file; empty text is not. The date is `YYYY-MM-DD HH:MM:SS`, without a zone."""

    copyright: str = ""
    creator: str = ""
    description: str = ""
    date: str = ""
    make: str = ""
    model: str = ""

    def __bool__(self) -> bool:
        return any(text for _, text in self.pairs())

    def pairs(self) -> list[tuple[str, str]]:
        """Names and texts of all fields, empty ones too."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def only(self, names: Collection[str]) -> Fields:
        """The fields of these names."""
        return replace(self, **{name: "" for name, _ in self.pairs() if name not in names})

    def packed(self, places: dict[str, str]) -> list[tuple[str, bytes]]:
        """Where (`places`: field -> the format's name for it) and what, of those that are not empty."""
        return [(places[name], text.encode()) for name, text in self.pairs() if text and name in places]


NOTHING = Fields()


def chosen(tags: Iterable[Tag], keep: Collection[str], can_hold: Collection[str]) -> tuple[Fields, list[str]]:
    """The fields to keep, and notes on what could not be kept.

    Args:
        tags: all of the source, with their values.
        keep: words of WORDS.
        can_hold: the fields that the format has a place for.
    """
    values: dict[str, str] = {}
    for tag in tags:
        if tag.value and not tag.place.startswith("after"):
            values.setdefault(tag.name, tag.value)
    found: dict[str, str] = {}
    notes = []
    for field, names in _FIELD_NAMES.items():
        value = next((values[name] for name in names if name in values), "")
        if not value or _WORD_OF_FIELD[field] not in keep:
            continue
        if field not in can_hold:
            notes.append(f"{field} is not kept: this format has no place for it")
        elif text := (_date(value) if field == "date" else plain(value)):
            found[field] = text
        else:
            notes.append(f"{field} is not kept: it is not plain, or may tell a place")
    if found:
        notes.insert(0, f"kept as asked: {', '.join(found)}")
    return Fields(**found), notes


def plain(text: str) -> str:
    """The text in one line, cut short; empty where it may tell a place by its coordinates."""
    text = "".join(c if c.isprintable() or c.isspace() else "" for c in text.replace("\N{REPLACEMENT CHARACTER}", ""))
    raw = " ".join(text.split())[:MAX_CHARS].encode("utf-8", "ignore")[:MAX_BYTES]
    line = raw.decode("utf-8", "ignore").strip()
    return "" if _PLACE.search(line) or COORDINATES.search(raw) or scan(raw, "") else line


def own(tags: list[Tag], block: bytes, pack: Callable[[Fields], bytes]) -> list[Tag]:
    """The tags of a block; at PLACE if `pack` makes the same block of nothing but the fields that they name."""
    made, _ = chosen(tags, WORDS, _FIELD_NAMES)
    if not made or pack(made) != block:
        return tags
    return [replace(tag, place=PLACE) for tag in tags]


def remaining(tags: Iterable[Tag], keep: Collection[str]) -> list[Tag]:
    """The tags less those that hold nothing but what is to be kept."""
    return [tag for tag in tags if tag.place != PLACE or _WORD_OF_NAME.get(tag.name) not in keep]


def _date(value: str) -> str:
    """Day and time, without the zone, which is half a longitude."""
    match = _DATE.search(value)
    if not match:
        return ""
    year, month, day, *time = (int(part or 0) for part in match.groups())
    valid = year and 1 <= month <= 12 and 1 <= day <= 31 and time[0] < 24 and time[1] < 60 and time[2] < 61
    return f"{year:04}-{month:02}-{day:02} {time[0]:02}:{time[1]:02}:{time[2]:02}" if valid else ""
