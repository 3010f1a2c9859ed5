"""Name and value of a piece of metadata -> the kind of tag it is. For the listing; what goes is decided elsewhere."""

from __future__ import annotations

import re

from media_screen.types import Tag, TagKind

MAX_VALUE_CHARS = 200

# ISO 6709 annex H, NMEA 0183 sentences, "lat=51.5", two decimals side by side
COORDINATES = re.compile(
    rb"[+-]\d{2,6}\.\d+[+-]\d{3,7}(?:\.\d+)?|\$G[PNLAB][A-Z]{3},|(?i:lat|lon|gps|home)[a-z]{0,6}[\"' ]{0,3}[:=(]"
    rb"|\d{1,3}\.\d{4,}\s{0,2}[,; ]\s{0,2}[+-]?\d{1,3}\.\d{4,}"
)

# in an index or another list of numbers: eight letters in a row are no numbers
SPEAKS = re.compile(rb"[\x20-\x7e]{8}")

_WORDS: dict[TagKind, str] = {
    "location": "locat loci xyz gps geo coord latit longit city country place gpmd gpmf camm mebx djmd rtmd nmea klv",
    "picture": "cover covr thumb thmb tmbn pict cnth snal preview jpeg png image picture",
    "time": "date day time tmcd idit icrd year created modif smpte dtim",
    "device": "make model \xa9mak \xa9mod softw encod \xa9swr \xa9too isft handler device camera serial firm lens "
    "vendor vers muid gumi came muxing writing tool compressor uid uuid android identifier fdsc",
    "person": "author artist \xa9art owner perf person copyright cprt director producer iart icop auth composer actor",
    "text": "title titl desc comment cmt caption subtitle text sbtl chap chpl keyword lyric \xa9 inam icmt label info "
    "note album",
}


def kind_of(name: str, value: bytes = b"") -> TagKind:
    """The kind a name speaks of, unless its value holds coordinates."""
    if value and COORDINATES.search(value[:65536].replace(b"\0", b"")):
        return "location"
    name = name.lower().removeprefix("com.apple.quicktime.")  # which has "time" in it
    return next((kind for kind, words in _WORDS.items() if any(word in name for word in words.split())), "unknown")


def named(name: str, place: str, value: bytes = b"", kind: TagKind | None = None) -> Tag:
    """A tag of the given kind, or of the kind its name speaks of."""
    return Tag(kind=kind or kind_of(name, value), name=name, place=place, value=readable(value) or None)


def readable(value: bytes) -> str:
    """The printable part of a value, cut short."""
    text = value[: 4 * MAX_VALUE_CHARS].replace(b"\0", b"").decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable() and c != "\N{REPLACEMENT CHARACTER}")[:MAX_VALUE_CHARS]
