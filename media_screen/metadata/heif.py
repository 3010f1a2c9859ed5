"""HEIC, HEIF or AVIF -> tags; the same -> its primary picture, the items and properties that show it, and no other.

ISO/IEC 23008-12 (HEIF), ISO/IEC 14496-12 (meta box), AV1 Image File Format; numbers in comments are HEIF's clauses.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media_screen.errors import CorruptMedia, StripFailed, UnsupportedMedia
from media_screen.metadata import embedded, exif, isobmff, jpeg
from media_screen.metadata.codec_headers import avc_config, hevc_config
from media_screen.metadata.isobmff import Box, boxes, letters, loose_boxes, pack, pack_full, version_flags
from media_screen.metadata.kept import NOTHING, Fields
from media_screen.metadata.payload import Av1Units, Units
from media_screen.metadata.still import Cleaned, Found, icc_profile, read_tags, strip_file
from media_screen.types import Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from media_screen.types import TagKind

KEEPS = frozenset(exif.TEXT_TAGS)
MAX_ITEMS, MAX_EXTENTS = 20_000, 100_000  # 200 megapixels in tiles of 512 are 800 items

# brands that say how to read a still; those of sequences go with their movie box, those of makers name the device
_MAJOR_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"avif", b"mif1")
_BRANDS = {*_MAJOR_BRANDS, b"mif2", b"miaf", b"MiHB", b"MiHE", b"MiHA", b"MiPr", b"MA1A", b"MA1B", b"avio", b"avci"}
_SEQUENCE_BRANDS = {b"msf1", b"hevc", b"hevx", b"hevm", b"hevs", b"avis", b"avcs", b"iso8", b"iso6", b"isom"}
_SILENT_BRANDS = {*_SEQUENCE_BRANDS, b"tmap"}  # the last: a gain map, which goes

_CODED, _DERIVED = {b"hvc1", b"av01", b"avc1", b"jpeg"}, {b"grid", b"iovl", b"iden"}
_PICTURES = {*_CODED, *_DERIVED, b"tmap", b"unci", b"j2k1", b"vvc1", b"lhv1", b"hev1", b"evc1", b"mski", b"sato"}
_ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:avc:2015:auxid:1"}

_NAMES = {b"", b"Color", b"Alpha", b"HEVC Image"}  # that encoders give every file's items; they go, too

# property -> lengths it may have (6.5; MIAF 7.3.6; AVIF 2.3): size, form, turns, crop, light levels, layers
_PROPERTIES = {
    b"ispe": {12},
    b"pasp": {8},
    b"irot": {1},
    b"imir": {1},
    b"clap": {32},
    b"clli": {4},
    b"mdcv": {24},
    b"amve": {8},
    b"a1op": {1},
    b"a1lx": {7, 13},
    b"lsel": {2},
}
_OTHER_PROPERTIES: dict[bytes, tuple[TagKind, str]] = {
    b"udes": ("text", "description"),
    b"altt": ("text", "alternative text"),
    b"crtt": ("time", "creation time"),
    b"mdft": ("time", "modification time"),
    b"cmin": ("device", "camera intrinsics"),
    b"cmex": ("location", "camera position"),
}


@dataclass(slots=True, kw_only=True)
class _Item:
    """One item of the file (14496-12, 8.11)."""

    number: int
    kind: bytes
    hidden: bool = False
    protected: bool = False
    content_type: bytes = b""
    in_idat: bool = False
    readable: bool = True  # stands in this file, in a way that is followed here
    extents: list[tuple[int, int]] = field(default_factory=list)
    properties: list[tuple[int, bool]] = field(default_factory=list)  # index from 1, essential


@dataclass(slots=True)
class _File:
    """What the boxes of one file state."""

    data: bytes
    items: dict[int, _Item] = field(default_factory=dict)
    primary: int = 0
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)  # kind and source -> targets
    properties: list[Box] = field(default_factory=list)
    idat: tuple[int, int] = (0, 0)
    read_bytes: int = 0
    tags: Found = field(default_factory=Found)

    def body(self, box: Box) -> bytes:
        return self.data[box.body : box.end]

    def content(self, item: _Item) -> bytes:
        """The bytes of an item.

        Raises:
            CorruptMedia: they leave the file, or items overlap more than files do.
        """
        start, end = self.idat if item.in_idat else (0, len(self.data))
        pieces = []
        for at, size in item.extents:
            self.read_bytes += size
            if not item.readable or start + at + size > end or self.read_bytes > 2 * len(self.data):
                raise CorruptMedia("a HEIF item leaves the file: it is damaged or cut short")
            pieces.append(self.data[start + at : start + at + size])
        return b"".join(pieces)

    def targets(self, kind: bytes, number: int) -> list[int]:
        """Items that an item refers to, in order."""
        return self.references.get((kind, number), [])

    def sources(self, kind: bytes) -> set[int]:
        """Items that refer to others in this way."""
        return {source for k, source in self.references if k == kind}


def read(path: Path) -> list[Tag]:
    """All that display does not need."""
    return read_tags(path, clean)


def strip(source: Path, target: Path, fields: Fields = NOTHING) -> None:
    """Write `target` without it, but with these fields."""
    strip_file(source, target, clean, fields)


def clean(data: bytes, fields: Fields = NOTHING) -> Cleaned:
    """A whole file."""
    top, end = isobmff.file_boxes(io.BytesIO(data), len(data))
    if not top or top[0].kind != b"ftyp":
        raise CorruptMedia("not a HEIF")
    file = _File(data)
    metas = [box for box in top if box.kind == b"meta"]
    if not metas:
        raise CorruptMedia("a HEIF without a picture: it is damaged or cut short")
    brands = _brands(file.body(top[0]), file)
    _check_sequence(top, file)
    _read_meta(metas[0], file)
    kept = _needed(file)
    properties, contents = _kept_properties(kept, file), [_kept_content(item, file) for item in kept]
    for box in top:
        if box.kind not in (b"ftyp", b"mdat", b"moov") and box is not metas[0]:
            _drop_box(box, "HEIF", file)
    _list_items(kept, file)
    _list_unused(top, file)
    file.tags += embedded.after_end(data[end:])
    if fields:
        _add_exif(fields, kept, properties, contents, file)
    return Cleaned(_written(brands, kept, properties, contents, file), file.tags.all())


# --- reading ---


def _brands(body: bytes, file: _File) -> bytes:
    """ftyp, its brands cut to those that a still is read by (14496-12, 4.3)."""
    if len(body) < 8:
        raise CorruptMedia("not a HEIF")
    brands = list(dict.fromkeys(body[i : i + 4] for i in (0, *range(8, len(body) - 3, 4))))
    for brand in brands:
        if brand not in _BRANDS | _SILENT_BRANDS:
            file.tags.add(Tag(kind="device", name=f"brand {letters(brand)}", place="ftyp"))
    kept = [b for b in brands if b in _BRANDS]
    major = brands[0] if brands[0] in _MAJOR_BRANDS else next((b for b in _MAJOR_BRANDS if b in kept), b"mif1")
    return pack(b"ftyp", major, bytes(4), *dict.fromkeys((major, *kept)))


def _check_sequence(top: list[Box], file: _File) -> None:
    """A movie box beside the picture is dropped; where the file is a sequence in the first place it is all there is."""
    if any(box.kind in (b"moov", b"moof") for box in top):
        if file.body(top[0])[:4] in _SEQUENCE_BRANDS:
            raise StripFailed("an image sequence (animation or burst): save it as MP4, or one picture of it as JPEG")
        file.tags.add(Tag(kind="picture", name="film or sequence beside the picture", place="moov"))


def _read_meta(meta: Box, file: _File) -> None:
    readers: dict[bytes, Callable[[Box, _File], None]] = {
        b"hdlr": _read_handler,
        b"pitm": _read_primary,
        b"iinf": _read_infos,
        b"iref": _read_references,
        b"iprp": _read_properties,
        b"idat": _read_idat,
        b"iloc": _read_locations,
        b"grpl": _read_groups,
    }
    children = list(boxes(file.data, meta.body + 4, meta.end))
    # the other boxes speak of items by number
    for box in sorted(children, key=lambda b: b.kind != b"iinf"):
        if box.kind in readers:
            readers[box.kind](box, file)
        elif box.kind != b"dinf":
            _drop_box(box, "meta", file)


def _read_handler(box: Box, file: _File) -> None:
    body = file.body(box)
    if body[8:12] != b"pict":
        raise CorruptMedia("a HEIF whose items are no pictures")
    if name := body[24:].strip(b"\0"):
        file.tags += embedded.dropped(name, "handler name", "meta")


def _read_primary(box: Box, file: _File) -> None:
    version, _ = version_flags(file.data, box)
    file.primary = struct.unpack_from(">I" if version else ">H", file.data, box.body + 4)[0]


def _read_infos(box: Box, file: _File) -> None:
    """8.11.6 of 14496-12: number, protection, kind, name, and for MIME items the content type."""
    version, _ = version_flags(file.data, box)
    for info in boxes(file.data, box.body + (8 if version else 6), box.end):
        version, flags = version_flags(file.data, info)
        if info.kind != b"infe" or version not in (2, 3) or len(file.items) >= MAX_ITEMS:
            raise CorruptMedia("an unreadable list of HEIF items")
        body = file.body(info)
        number, protection, kind = struct.unpack_from(">HH4s" if version == 2 else ">IH4s", body, 4)
        name, _, rest = body[12 if version == 2 else 14 :].partition(b"\0")
        if number in file.items:
            raise CorruptMedia("two HEIF items of one number")
        file.items[number] = _Item(
            number=number,
            kind=kind,
            hidden=bool(flags & 1),
            protected=bool(protection),
            content_type=rest.partition(b"\0")[0],
        )
        if name not in _NAMES:
            file.tags += embedded.dropped(name, "item name", "meta")
        if kind not in (b"mime", b"uri ") and rest.strip(b"\0"):
            file.tags += embedded.dropped(rest, "bytes after an item's name", "meta")


def _read_references(box: Box, file: _File) -> None:
    version, _ = version_flags(file.data, box)
    number = "I" if version else "H"
    for reference in boxes(file.data, box.body + 4, box.end):
        body = file.body(reference)
        source, count = struct.unpack_from(f">{number}H", body)
        to = struct.unpack_from(f">{count}{number}", body, struct.calcsize(f">{number}H"))
        file.references.setdefault((reference.kind, source), []).extend(to)
        if len(file.references) > MAX_ITEMS:
            raise CorruptMedia("more HEIF references than any real file has")


def _read_properties(box: Box, file: _File) -> None:
    """9.3: the properties, and which item has which, in the order in which they apply."""
    for child in boxes(file.data, box.body, box.end):
        if child.kind == b"ipco":
            file.properties += boxes(file.data, child.body, child.end)
        elif child.kind == b"ipma":
            _read_associations(child, file)
        else:
            _drop_box(child, "iprp", file)


def _read_associations(box: Box, file: _File) -> None:
    version, flags = version_flags(file.data, box)
    data, at = file.data, box.body + 8
    item_bytes, index_bytes = (4 if version else 2), (2 if flags & 1 else 1)
    for _ in range(struct.unpack_from(">I", data, box.body + 4)[0]):
        item = file.items.get(int.from_bytes(data[at : at + item_bytes], "big"))
        at += item_bytes
        if at >= box.end:
            raise CorruptMedia("an unreadable list of HEIF properties")
        count = data[at]
        for place in range(at + 1, at + 1 + count * index_bytes, index_bytes):
            word = int.from_bytes(data[place : place + index_bytes], "big")
            essential = word >> (8 * index_bytes - 1)
            if item is not None and word:
                item.properties.append((word & (1 << 8 * index_bytes - 1) - 1, bool(essential)))
        at += 1 + count * index_bytes


def _read_idat(box: Box, file: _File) -> None:
    file.idat = (box.body, box.end)


def _read_locations(box: Box, file: _File) -> None:
    """8.11.3 of 14496-12: where the bytes of each item are."""
    version, _ = version_flags(file.data, box)
    reader = io.BytesIO(file.body(box)[4:])

    def number(size: int) -> int:
        piece = reader.read(size)
        if len(piece) < size:
            raise CorruptMedia("an unreadable list of HEIF places")
        return int.from_bytes(piece, "big")

    sizes, more = number(1), number(1)
    offset_bytes, length_bytes, base_bytes = sizes >> 4, sizes & 15, more >> 4
    index_bytes = more & 15 if version else 0
    extents = 0
    for _ in range(number(4 if version > 1 else 2)):
        item = file.items.get(number(4 if version > 1 else 2))
        method = number(2) & 15 if version else 0
        elsewhere, base, count = number(2), number(base_bytes), number(2)
        places = []
        for _ in range(count):
            number(index_bytes)
            places.append((base + number(offset_bytes), number(length_bytes)))
        extents += count
        if extents > MAX_EXTENTS:
            raise CorruptMedia("more pieces of HEIF items than any real file has")
        if item is not None:
            item.in_idat, item.extents = method == 1, places
            # a length of 0 means the rest of the file: no camera writes it
            item.readable = not elsewhere and method in (0, 1) and all(length for _, length in places)


def _read_groups(box: Box, file: _File) -> None:
    for group in loose_boxes(file.data, box.body, box.end):
        file.tags.add(Tag(kind="unknown", name=f"item group {group.name}", place="meta"))


# --- what is kept ---


def _needed(file: _File) -> list[_Item]:
    """The primary item, all it is made of, and the transparency of those (6.4.4, 6.6)."""
    if file.primary not in file.items:
        raise CorruptMedia("a HEIF without a primary picture")
    queue, numbers = [file.primary], set[int]()
    alphas: dict[int, list[int]] = {}
    for source in file.sources(b"auxl"):
        for target in file.targets(b"auxl", source) if _is_alpha(source, file) else ():
            alphas.setdefault(target, []).append(source)
    while queue:
        number = queue.pop()
        if number in numbers:
            continue
        if number not in file.items:
            raise CorruptMedia("a HEIF picture refers to an item that is not there")
        numbers.add(number)
        queue += file.targets(b"dimg", number)
        queue += alphas.get(number, ())
    kept = [item for item in file.items.values() if item.number in numbers]
    for item in kept:
        if item.kind not in _CODED | _DERIVED or item.protected:
            raise UnsupportedMedia(f"a HEIF picture of kind {letters(item.kind)!r}: save it as JPEG or plain HEIC")
    return kept


def _is_alpha(number: int, file: _File) -> bool:
    item = file.items.get(number)
    kinds = [box for box, _ in _boxes_of(item, file) if box.kind == b"auxC"] if item else []
    return any(file.data[b.body + 4 : min(b.end, b.body + 64)].partition(b"\0")[0] in _ALPHA for b in kinds)


def _boxes_of(item: _Item, file: _File) -> Iterator[tuple[Box, bool]]:
    for index, essential in item.properties:
        if not 0 < index <= len(file.properties):
            raise CorruptMedia("a HEIF item has a property that is not there")
        yield file.properties[index - 1], essential


def _kept_properties(kept: list[_Item], file: _File) -> list[list[tuple[bytes, bool]]]:
    """For each item its properties, cleaned, in their order."""
    done: dict[int, bytes] = {}
    result = []
    for item in kept:
        properties = []
        for box, essential in _boxes_of(item, file):
            if essential and box.kind not in _PROPERTIES and box.kind not in _CLEANED:
                raise StripFailed(f"the picture needs a property ({box.name}) that is not known: save it anew")
            if box.start not in done:
                done[box.start] = _property(box, file)
            if done[box.start]:
                properties.append((done[box.start], essential))
        result.append(properties)
    used = {index for item in file.items.values() for index, _ in item.properties}
    for index, box in enumerate(file.properties, 1):
        if index not in used:
            _drop_box(box, "ipco", file)
    return result


def _property(box: Box, file: _File) -> bytes:
    """A property as it may stay, empty for one that goes."""
    body = file.body(box)
    if box.kind in _PROPERTIES:
        if len(body) not in _PROPERTIES[box.kind]:
            raise CorruptMedia(f"a HEIF property ({box.name}) of a wrong length")
        return pack(box.kind, body)
    if box.kind in _CLEANED:
        cleaned = _CLEANED[box.kind](body, file)
        return pack(box.kind, cleaned) if cleaned else b""
    if box.kind in _OTHER_PROPERTIES:
        kind, name = _OTHER_PROPERTIES[box.kind]
        file.tags.add(Tag(kind=kind, name=name, place="property", value=embedded.text_of(body[4:])))
    else:
        file.tags += embedded.dropped(body, f"property {box.name}", "property")
    return b""


def _channels(body: bytes, _file: _File) -> bytes:
    """6.5.6: a number, and so many depths."""
    if len(body) < 5 or len(body) < 5 + body[4]:
        raise CorruptMedia("a HEIF property of a wrong length")
    return bytes(4) + body[4 : 5 + body[4]]


def _colour(body: bytes, file: _File) -> bytes:
    """14496-12, 12.1.5: numbers, or an ICC profile."""
    kind = body[:4]
    if kind == b"nclx" and len(body) == 11:
        return body
    profile = icc_profile(body[4:]) if kind in (b"prof", b"rICC") else b""
    if rest := body[4 + len(profile) :]:
        file.tags += embedded.dropped(rest, "bytes that are no ICC profile", "colr")
    return kind + profile if profile else b""


def _alpha_type(body: bytes, _file: _File) -> bytes:
    """6.5.8: only transparency is ever kept; what follows its name goes."""
    return bytes(4) + body[4:].partition(b"\0")[0] + b"\0"


def _hevc(body: bytes, file: _File) -> bytes:
    units = Units("hevc", "hvcC", length_bytes=4)
    return _found(hevc_config(body, units.unit), units.found, file)


def _avc(body: bytes, file: _File) -> bytes:
    units = Units("h264", "avcC", length_bytes=4)
    return _found(avc_config(body, units.unit), units.found, file)


def _av1(body: bytes, file: _File) -> bytes:
    units = Av1Units("av1C")
    return body[:4] + _found(units.packet(body[4:]), units.found, file)


_CLEANED: dict[bytes, Callable[[bytes, _File], bytes]] = {
    b"pixi": _channels,
    b"colr": _colour,
    b"auxC": _alpha_type,
    b"hvcC": _hevc,
    b"avcC": _avc,
    b"av1C": _av1,
}


def _found(kept: bytes, tags: dict[Tag, None], file: _File) -> bytes:
    file.tags += tags
    return kept


def _kept_content(item: _Item, file: _File) -> bytes:
    """The coded picture without user data, or the recipe of a derived one."""
    content = file.content(item)
    place = f"item {item.number}"
    own = {box.kind: box for box, _ in _boxes_of(item, file)}
    if item.kind in (b"hvc1", b"avc1"):
        config, at = (own.get(b"hvcC"), 21) if item.kind == b"hvc1" else (own.get(b"avcC"), 4)
        if config is None or config.size_bytes <= at:
            raise CorruptMedia("a HEIF picture without its decoder configuration")
        length_bytes = (file.data[config.body + at] & 3) + 1
        units = Units("hevc" if item.kind == b"hvc1" else "h264", place, length_bytes=length_bytes)
        return _found(units.packet(content), units.found, file)
    if item.kind == b"av01":
        obus = Av1Units(place)
        return _found(obus.packet(content), obus.found, file)
    if item.kind == b"jpeg":
        if b"jpgC" in own:
            raise UnsupportedMedia("a HEIF picture of JPEG pieces: save it as JPEG")
        cleaned = jpeg.clean(content)
        return _found(cleaned.data, dict.fromkeys(cleaned.tags), file)
    _check_recipe(item, content, file)
    return content


def _check_recipe(item: _Item, content: bytes, file: _File) -> None:
    """6.6.2: of an identity nothing, of a grid its rows, columns and size, of an overlay colour, size and places."""
    parts = len(file.targets(b"dimg", item.number))
    wide = bool(content[1] & 1) if len(content) > 1 else False
    number = 4 if wide else 2
    if item.kind == b"iden":
        valid = not content and parts == 1
    elif item.kind == b"grid":
        valid = len(content) == 4 + 2 * number and (content[2] + 1) * (content[3] + 1) == parts
    else:
        valid = len(content) == 10 + 2 * number * (1 + parts)
    if not valid or content[:1].strip(b"\0"):
        raise CorruptMedia("a HEIF picture whose pieces do not fit together")


# --- what is listed ---


def _drop_box(box: Box, place: str, file: _File) -> None:
    body = file.body(box)
    if box.kind == b"mpvd":
        file.tags += [Tag(kind="picture", name="motion photo", place="mpvd"), *embedded.scan(body, "mpvd")]
    elif box.kind in (b"free", b"skip", b"wide"):
        file.tags += embedded.dropped(body, "padding that is not empty", place) if body.strip(b"\0") else []
    else:
        file.tags += embedded.dropped(body, f"box {box.name}", place)


def _list_items(kept: list[_Item], file: _File) -> None:
    numbers = {item.number for item in kept}
    thumbnails, auxiliary = file.sources(b"thmb"), file.sources(b"auxl")
    for item in file.items.values():
        if item.number in numbers:
            continue
        if item.kind in _PICTURES:
            name = "thumbnail" if item.number in thumbnails else "second picture"
            name = "auxiliary picture (depth, gain map or the like)" if item.number in auxiliary else name
            file.tags.add(Tag(kind="picture", name=name, place="HEIF item"))
            continue
        try:
            content = file.content(item)
        except CorruptMedia:
            file.tags.add(Tag(kind="unknown", name=f"unreadable item {letters(item.kind)}", place="HEIF item"))
            continue
        file.tags += _item_tags(item, content)


def _item_tags(item: _Item, content: bytes) -> list[Tag]:
    if item.kind == b"Exif":  # annex A: 4 bytes say where its TIFF header is
        start = 4 + int.from_bytes(content[:4], "big")
        found = exif.tags(content[start:]) if start <= len(content) else embedded.dropped(content, "EXIF", "HEIF item")
        return found or [Tag(kind="unknown", name="EXIF block", place="EXIF")]
    if item.kind == b"mime" and (b"rdf" in item.content_type or b"<x:xmpmeta" in content[:1000]):
        return embedded.xmp_tags(content)
    return embedded.dropped(content, f"item {letters(item.kind)}", "HEIF item")


def _list_unused(top: list[Box], file: _File) -> None:
    """What stands among the items' bytes and belongs to none."""
    stretches = [(box.body, box.end, False) for box in top if box.kind == b"mdat"] + [(*file.idat, True)]
    for start, end, in_idat in stretches:
        shift = file.idat[0] if in_idat else 0
        spans = sorted(
            (shift + at, shift + at + size)
            for item in file.items.values()
            if item.in_idat == in_idat
            for at, size in item.extents
        )
        gaps, at = [], start
        for first, last in [*spans, (end, end)]:
            if start <= at < first <= end:
                gaps.append(file.data[at:first])
            at = max(at, min(last, end))
        if unused := b"".join(gap for gap in gaps if len(gap) > 3 and gap.strip(b"\0")):
            file.tags += embedded.dropped(unused, "bytes of no item", "idat" if in_idat else "mdat")


# --- writing ---


def _add_exif(
    fields: Fields, kept: list[_Item], properties: list[list[tuple[bytes, bool]]], contents: list[bytes], file: _File
) -> None:
    """One more item: an EXIF block of kept fields, which describes the primary picture (annex A)."""
    item = _Item(number=max(file.items) + 1, kind=b"Exif")
    file.items[item.number] = item
    file.references[b"cdsc", item.number] = [file.primary]
    kept.append(item)
    properties.append([])
    contents.append(bytes(4) + exif.minimal(1, fields))


def _written(
    brands: bytes,
    kept: list[_Item],
    properties: list[list[tuple[bytes, bool]]],
    contents: list[bytes],
    file: _File,
) -> bytes:
    """The same boxes in the order of the standard's examples; recipes stay in idat where they stood there."""
    wide = max(file.items) > 0xFFFF
    fixed = (
        pack_full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
        pack_full(b"pitm", int(wide), 0, _number(file.primary, wide=wide)),
        _packed_infos(kept, wide=wide),
        _packed_references(kept, file, wide=wide),
        _packed_properties(kept, properties, wide=wide),
    )
    idat = b"".join(c for item, c in zip(kept, contents, strict=True) if item.in_idat)
    last = pack(b"idat", idat) if idat else b""
    blank = pack_full(b"meta", 0, 0, *fixed, _packed_places(kept, contents, 0, wide=wide), last)
    media_at = len(brands) + len(blank) + 8
    meta = pack_full(b"meta", 0, 0, *fixed, _packed_places(kept, contents, media_at, wide=wide), last)
    media = (c for item, c in zip(kept, contents, strict=True) if not item.in_idat)
    return b"".join((brands, meta, pack(b"mdat", *media)))


def _number(number: int, *, wide: bool) -> bytes:
    return struct.pack(">I" if wide else ">H", number)


def _packed_infos(kept: list[_Item], *, wide: bool) -> bytes:
    infos = (
        pack_full(b"infe", 3 if wide else 2, int(i.hidden), _number(i.number, wide=wide), bytes(2), i.kind, b"\0")
        for i in kept
    )
    return pack_full(b"iinf", 0, 0, struct.pack(">H", len(kept)), *infos)


def _packed_references(kept: list[_Item], file: _File, *, wide: bool) -> bytes:
    """What a picture is made of, whose transparency it is, whether its colours hold that; what describes it."""
    numbers = {item.number for item in kept}
    packed = []
    for (kind, source), to in file.references.items():
        targets = [number for number in to if number in numbers]
        if kind in (b"dimg", b"auxl", b"prem", b"cdsc") and source in numbers and targets:
            parts = (_number(source, wide=wide), struct.pack(">H", len(targets)))
            packed.append(pack(kind, *parts, *(_number(n, wide=wide) for n in targets)))
    return pack_full(b"iref", int(wide), 0, *packed) if packed else b""


def _packed_properties(kept: list[_Item], properties: list[list[tuple[bytes, bool]]], *, wide: bool) -> bytes:
    indices: dict[bytes, int] = {}
    for own in properties:
        for packed, _ in own:
            indices.setdefault(packed, len(indices) + 1)
    long = len(indices) > 127
    entries = []
    for item, own in zip(kept, properties, strict=True):
        words = (indices[packed] | essential << (15 if long else 7) for packed, essential in own)
        entries.append(_number(item.number, wide=wide) + bytes((len(own),)))
        entries += [word.to_bytes(2 if long else 1, "big") for word in words]
    associations = pack_full(b"ipma", int(wide), int(long), struct.pack(">I", len(kept)), *entries)
    return pack(b"iprp", pack(b"ipco", *indices), associations)


def _packed_places(kept: list[_Item], contents: list[bytes], media_at: int, *, wide: bool) -> bytes:
    """Offsets and lengths of 4 bytes, one piece an item."""
    version = 2 if wide else int(any(item.in_idat for item in kept))
    at = {False: media_at, True: 0}
    entries = []
    for item, content in zip(kept, contents, strict=True):
        method = struct.pack(">H", item.in_idat) if version else b""
        pieces = struct.pack(">HII", 1, at[item.in_idat], len(content)) if content else struct.pack(">H", 0)
        entries.append(_number(item.number, wide=wide) + method + bytes(2) + pieces)
        at[item.in_idat] += len(content)
    return pack_full(b"iloc", version, 0, b"\x44\0", struct.pack(">I" if wide else ">H", len(kept)), *entries)
