"""A box that will be dropped -> tags that say what was in it. Lenient: what does not parse is one unknown tag."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media_screen.metadata.isobmff import letters, loose_boxes, pack
from media_screen.metadata.kinds import kind_of, named

if TYPE_CHECKING:
    from media_screen.metadata.isobmff import Box
    from media_screen.metadata.kept import Fields
    from media_screen.types import Tag, TagKind

MAX_TAGS_A_BOX = 200
MAX_VALUE_BYTES = 65536

_UUIDS: dict[bytes, tuple[str, TagKind]] = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): ("XMP", "location"),
    bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"): ("Canon camera data", "device"),
}
# handler or format of a track -> kind; ISO/IEC 14496-12 8.4.3, QuickTime, and what the camera makers use
_TRACKS: dict[bytes, TagKind] = {
    b"gpmd": "location",
    b"camm": "location",
    b"mebx": "location",
    b"djmd": "location",
    b"rtmd": "location",
    b"mett": "location",
    b"metx": "location",
    b"gps ": "location",
    b"dbgi": "device",
    b"fdsc": "device",
    b"tmcd": "time",
    b"text": "text",
    b"tx3g": "text",
    b"sbtl": "text",
    b"subt": "text",
    b"subp": "text",
    b"clcp": "text",
    b"vide": "picture",
    b"auxv": "picture",
    b"pict": "picture",
}


# fields that may be kept -> items of an iTunes list, which FFmpeg, exiftool and players read in MP4 and MOV alike
KEPT_ITEMS = {
    "copyright": "cprt",
    "creator": "\xa9ART",
    "description": "desc",
    "date": "\xa9day",
    "make": "\xa9mak",
    "model": "\xa9mod",
}


def pack_kept(fields: Fields) -> bytes:
    """A udta box of these fields and nothing else."""
    items = (
        pack(name.encode("latin-1"), pack(b"data", struct.pack(">II", 1, 0), text))  # 1: UTF-8
        for name, text in fields.packed(KEPT_ITEMS)
    )
    handler = pack(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    return pack(b"udta", pack(b"meta", bytes(4), handler, pack(b"ilst", *items)))


def dropped_tags(buffer: bytes, box: Box, place: str) -> list[Tag]:
    """What was in a box: one tag for each item of a list, or one for the box."""
    body = buffer[box.body : box.end]
    if box.kind == b"udta":
        return _user_data(body, f"{place}/udta")[:MAX_TAGS_A_BOX]
    if box.kind == b"meta":
        return _meta(body, f"{place}/meta")[:MAX_TAGS_A_BOX]
    if box.kind == b"uuid":
        name, kind = _UUIDS.get(body[:16], (f"uuid {body[:16].hex()}", kind_of("", body[16:])))
        return [named(name, place, body[16:MAX_VALUE_BYTES], kind)]
    if box.kind in (b"free", b"skip", b"wide", b"junk"):
        return [named("padding", place, body[:MAX_VALUE_BYTES], kind_of("", body))] if body.strip(b"\0") else []
    return [named(box.name, place, body[:MAX_VALUE_BYTES])] if body.strip(b"\0") else []


def note_rest(name: str, place: str, rest: bytes, tags: dict[Tag, None]) -> None:
    """Bytes that stand where nothing should: after the last field of a box, or in reserved fields."""
    if rest.strip(b"\0"):
        tags[named(f"rest of {name}", place, rest[:MAX_VALUE_BYTES], kind_of("", rest))] = None


def track_kind(handler: bytes, entry: bytes) -> TagKind:
    """What a track that is no picture and no sound speaks of."""
    return _TRACKS.get(entry) or _TRACKS.get(handler) or kind_of(letters(entry))


def _user_data(body: bytes, place: str) -> list[Tag]:
    tags: list[Tag] = []
    end = 0
    for item in loose_boxes(body):
        end = item.end
        value = body[item.body : item.end]
        if item.kind == b"meta":
            tags += _meta(value, f"{place}/meta")
        elif value.strip(b"\0"):
            tags.append(named(item.name, place, value[:MAX_VALUE_BYTES]))
    if body[end:].strip(b"\0"):
        tags.append(named("bytes that are no box", place, body[end : end + MAX_VALUE_BYTES], kind_of("", body[end:])))
    return tags


def _meta(body: bytes, place: str) -> list[Tag]:
    """Items of an iTunes list or of QuickTime's keys; else one tag for each box."""
    start = 0 if body[4:8] in (b"hdlr", b"keys", b"ilst", b"iinf", b"xml ", b"ID32") else 4
    tags: list[Tag] = []
    keys: list[str] = []
    for box in loose_boxes(body, start):
        value = body[box.body : box.end]
        if box.kind == b"keys":
            keys = _keys(value)
        elif box.kind == b"ilst":
            tags += [_item(body, item, keys, place) for item in loose_boxes(body, box.body, box.end)]
        elif box.kind != b"hdlr" and value.strip(b"\0"):
            kind: TagKind | None = "location" if box.kind in (b"xml ", b"bxml") else None
            tags.append(named(box.name, place, value[:MAX_VALUE_BYTES], kind))
    return tags or [named("meta", place, body[:MAX_VALUE_BYTES], kind_of("", body))]


def _item(body: bytes, item: Box, keys: list[str], place: str) -> Tag:
    index = struct.unpack(">I", item.kind)[0]
    name = keys[index - 1] if 0 < index <= len(keys) else item.name
    value = body[item.body : item.end]
    value = value[16:] if value[4:8] == b"data" else value  # 4 type, 4 locale
    return named(name, place, value[:MAX_VALUE_BYTES])


def _keys(body: bytes) -> list[str]:
    """QuickTime File Format, metadata item keys."""
    return [body[key.body : key.end].decode("utf-8", "replace") for key in loose_boxes(body, 8)]
