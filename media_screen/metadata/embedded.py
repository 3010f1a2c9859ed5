"""Blocks inside a file (XMP, IPTC, Photoshop resources, bytes nobody explains) -> Tags. Reads only; writes nothing."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, get_args

from media_screen.types import Tag, TagKind

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TAGS = 500  # a hostile packet may name a million properties; the first few hundred say enough
MAX_VALUE_CHARS = 200
MAX_XMP_BYTES = 2 << 20  # of a packet whose properties are named one by one
_KINDS: tuple[TagKind, ...] = get_args(TagKind)  # from telling to dull: the first that fits names a block

# --- bytes that mean the same wherever they stand ---

# each pattern begins with one certain letter, so that a search through a hundred megabytes of film goes at the speed of
# a search for that, and is done once for all of the same letter; what must stand before it is looked back at


class _Scans:
    """Patterns by kind and name."""

    def __init__(self, *scans: tuple[TagKind, str, re.Pattern[bytes]]) -> None:
        self._scans = scans
        letters: dict[bytes, list[bytes]] = {}
        for _, _, pattern in scans:
            letters.setdefault(_letter(pattern), []).append(pattern.pattern)
        self._sieves = {letter: re.compile(b"|".join(patterns)) for letter, patterns in letters.items()}

    def tags(self, data: bytes, place: str) -> list[Tag]:
        """Of the first match of each pattern."""
        met = {letter for letter, sieve in self._sieves.items() if sieve.search(data)}
        hits = ((kind, name, pattern.search(data)) for kind, name, pattern in self._scans if _letter(pattern) in met)
        return [Tag(kind=kind, name=name, place=place, value=text_of(hit.group())) for kind, name, hit in hits if hit]


def _letter(pattern: re.Pattern[bytes]) -> bytes:
    """What it begins with, as it is written there."""
    return pattern.pattern[: 2 if pattern.pattern[:1] == b"\\" else 1]


_ISO6709 = re.compile(
    rb"\.(?=\d)(?:(?<=[+-]\d\d\.)|(?<=[+-]\d{4}\.)|(?<=[+-]\d{6}\.))\d{1,40}[+-]\d{3}(?:\d{2}){0,2}(?:\.\d{1,40})?(?:[+-]\d[\d.]{0,12})?[/C]"
)
_NMEA = re.compile(rb"G(?<=\$G)[PNLAB](?:RMC|GGA|GLL|VTG),[\d,]")
_NAMED_COORDINATES = tuple(
    re.compile(
        letter
        + rb"(?=[aAoO])(?:(?<![A-Za-z]"
        + letter
        + rb")|(?<=[gG][pP][sS]"
        + letter
        + rb")|(?<=[gG][eE][oO]"
        + letter
        + rb"))"
        rb"(?:[aA][tT]|[oO][nN][gG]?)(?:[iI]tude|ITUDE)?"
        rb"[\"'\s:=>]{1,8}[NSEW]?\s?[+-]?\d{1,3}[.,]\d{3,}"
    )
    for letter in (b"l", b"L")
)
_COORDINATE_PAIR = re.compile(
    rb"\.(?=\d)(?:(?<=[^\d.]\d\.)|(?<=[^\d.]\d\d\.)|(?<=\A\d\.)|(?<=\A\d\d\.))"
    rb"\d{4,15}\s{0,3}[,; ]\s{0,3}[+-]?\d{1,3}\.\d{4,15}(?![\d.])"
)
_TEXT: tuple[tuple[TagKind, str, re.Pattern[bytes]], ...] = (
    ("location", "ISO 6709 string", _ISO6709),
    ("location", "NMEA sentence", _NMEA),
    *(("location", "coordinates", p) for p in _NAMED_COORDINATES),
    ("location", "coordinates", _COORDINATE_PAIR),
    ("location", "GPS property", re.compile(rb"GPSL(?:at|ong)itude")),
    ("location", "GPS property", re.compile(rb"\.ISO6709(?<=location\.ISO6709)")),
)
_BASE64: tuple[tuple[TagKind, str, re.Pattern[bytes]], ...] = (
    ("picture", "base64 picture", re.compile(rb"/9j/4[A-Za-z0-9+/]{40}")),
    ("picture", "base64 picture", re.compile(rb"G(?<=iVBORw0KG)go[A-Za-z0-9+/]{20}")),
    ("picture", "base64 picture", re.compile(rb"G(?<=UklG)R[A-Za-z0-9+/]{3,9}V0VCUF")),
)
_TEXT_SCANS = _Scans(*_TEXT)
_SCANS = _Scans(
    *_TEXT,
    *_BASE64,
    ("unknown", "second EXIF", re.compile(rb"Exif\0\0(?:II\*\0|MM\0\*)")),
    ("unknown", "XMP packet", re.compile(rb"<(?:x:xmpmeta|rdf:RDF)")),
    ("picture", "JPEG file", re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb\xe0-\xef\xfe]")),
    ("picture", "PNG file", re.compile(rb"G(?<=\x89PNG)\r\n\x1a\n")),
    ("picture", "WebP file", re.compile(rb"E(?<=RIFF[\0-\xff]{4}WE)BP")),
    ("picture", "film", re.compile(rb"t(?<=[\0-\x01][\0-\xff]{3}ft)yp[ -~]{4}")),  # a box length below 2**25
)
# all that compressed pictures do not hold by chance; what the bytes begin with is their own start
_QUICK_SCANS = _Scans(
    *_TEXT,
    *_BASE64,
    ("unknown", "XMP packet", re.compile(rb"t(?:(?<=<x:xmpmet)a|(?<=<\?xpacket) )")),
    # but not the block that holds an orientation only
    ("unknown", "EXIF block", re.compile(rb"Exif\0\0(?:II\*\0|MM\0\*(?!\0\0\0\x08\0\x01\x01\x12))")),
    ("picture", "PNG file", re.compile(rb"G(?<=\x89PNG)(?<!\A\x89PNG)\r\n\x1a\n")),
    (
        "picture",
        "film",
        re.compile(rb"t(?<=\0\0\0[\x10-\x80]ft)(?<!\A[\0-\xff]{4}ft)yp(?:isom|mp4[12]|qt  |3gp|hei|avif)"),
    ),
    ("picture", "WebP file", re.compile(rb"E(?<=RIFF[\0-\xff]{4}WE)(?<!\A[\0-\xff]{10})BP")),
    ("text", "PNG text", re.compile(rb"t(?:(?<=tEXt)|(?<=iTXt)|(?<=zTXt))[A-Za-z][ -~]{2,78}\0")),
)


def text_of(value: bytes) -> str:
    """A value for human eyes, cut short."""
    return value[: 2 * MAX_VALUE_CHARS].decode("utf-8", "replace").replace("\0", " ").strip()[:MAX_VALUE_CHARS]


def scan(data: bytes, place: str) -> list[Tag]:
    """What a raw look at bytes recognises, whatever wrote them: one tag for each sort of thing."""
    found = _SCANS.tags(data, place)
    if data.count(b"\0") > len(data) // 3:  # text in UTF-16 shows once its zero bytes are gone
        found += _TEXT_SCANS.tags(data.replace(b"\0", b""), place)
    return list(dict.fromkeys(found))


def scan_quick(data: bytes, place: str) -> list[Tag]:
    """What a raw look at a whole file, compressed pictures and all, recognises without false alarms."""
    return _QUICK_SCANS.tags(data, place)


def dropped(data: bytes, name: str, place: str) -> list[Tag]:
    """Tags of a block that nobody explains: itself, by the most telling thing seen in it, then those things."""
    found = scan(data, place)
    kind: TagKind = min((t.kind for t in found), key=_KINDS.index) if found else "unknown"
    return [Tag(kind=kind, name=name, place=place, value=f"{len(data)} bytes"), *found]


def after_end(data: bytes) -> list[Tag]:
    """Tags of what follows the end of a file; padding of zeros and line ends counts as bytes too."""
    return dropped(data, "data after the end", "after end") if data else []


# --- XMP: ISO 16684-1. Names of properties are enough: a pattern does what an XML parser would be attacked through ---

_XMP_PROPERTY = re.compile(
    rb"[<\s]([A-Za-z][\w-]{0,40}+:[A-Za-z][\w.-]{0,60}+)(?:\s{0,4}=\s{0,4}[\"']([^\"'<]{0,400})|[^<>]{0,200}+>([^<]{0,400}))"
)
_XMP_FRAME = re.compile(rb"(?:xml|xmlns|rdf|x|xpacket):")
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")  # exactly what Pillow turns a picture by
_NAME_WORDS: tuple[tuple[TagKind, str], ...] = (
    (
        "location",
        r"GPS|Latitude|Long?t?itude|Altitude|City|State\b|Country|Location|Region\b|geo:|Coverage|PCode|CiAdr",
    ),
    (
        "picture",
        r"GImage|GDepth|GAudio|Container|Item|GainMap|hdrgm|xmpGImg|Thumbnail|MotionPhoto|MicroVideo",
    ),
    ("person", r"mwg-rs:Name"),
    (
        "person",
        r"Creator\b|Author|Artist|Owner|Person|Rights|Copyright|Credit|Writer|Contact|CiEmail|CiTel|CiUrl|By-?line|licens",
    ),
    ("time", r"Date|(?<!Exposure)Time\b|TimeZone"),
    (
        "text",
        r"description|title|subject|comment|caption|headline|keyword|instruction|label|object ?name|alt",
    ),
    (
        "device",
        r"Make\b|Model|Lens|Serial|CreatorTool|Software|Exposure|FNumber|ISO|Focal|Aperture|tiff:|exif|aux:|crs:|xmpMM",
    ),
)
_NAME_KINDS = [(kind, re.compile(words, re.IGNORECASE)) for kind, words in _NAME_WORDS]


def kind_of_name(name: str) -> TagKind:
    """The kind a property's name suggests, "unknown" where it suggests none."""
    return next((kind for kind, pattern in _NAME_KINDS if pattern.search(name)), "unknown")


def xmp_tags(packet: bytes, place: str = "XMP") -> list[Tag]:
    """One tag for each property named in a packet, and what a raw look at it recognises."""
    text = packet.replace(b"\0", b"") if packet.count(b"\0") > len(packet) // 4 else packet
    found: dict[str, Tag] = {}
    for match in _XMP_PROPERTY.finditer(text, 0, MAX_XMP_BYTES):
        if len(found) >= MAX_TAGS:
            break
        if not _XMP_FRAME.match(match[1]):
            name = match[1].decode("ascii", "replace")
            value = text_of(match[2] or match[3] or b"")
            found.setdefault(name, Tag(kind=kind_of_name(name), name=name, place=place, value=value))
    packet_tag = Tag(kind="unknown", name="XMP packet", place=place, value=f"{len(packet)} bytes")
    return [*(found.values() or [packet_tag]), *(t for t in scan(text, place) if t.name != "XMP packet")]


def xmp_orientation(packet: bytes) -> int:
    """EXIF orientation 1..8 that an XMP packet states, or 1."""
    match = _XMP_ORIENTATION.search(packet)
    return int(match[1]) if match and match[1] in b"12345678" else 1


# --- IPTC-IIM 4.2, record 2, and the Photoshop image resources around it ---

_IPTC_NAMES: dict[int, str] = {
    5: "ObjectName", 15: "Category", 20: "SupplementalCategories", 25: "Keywords", 26: "ContentLocationCode",
    27: "ContentLocationName", 40: "SpecialInstructions", 55: "DateCreated", 60: "TimeCreated",
    62: "DigitalCreationDate", 63: "DigitalCreationTime", 65: "OriginatingProgram", 80: "By-line", 85: "By-lineTitle",
    90: "City", 92: "Sub-location", 95: "Province-State", 100: "CountryCode", 101: "CountryName",
    103: "TransmissionReference",
    105: "Headline", 110: "Credit", 115: "Source", 116: "CopyrightNotice", 118: "Contact", 120: "Caption-Abstract",
    122: "CaptionWriter", 202: "ObjectPreviewData thumbnail",
}  # fmt: skip


def iptc_tags(block: bytes, place: str = "IPTC") -> list[Tag]:
    """One tag for each data set."""
    found: list[Tag] = []
    at = 0
    while at + 5 <= len(block) and block[at] == 0x1C and len(found) < MAX_TAGS:
        record, number, size = struct.unpack_from(">BBH", block, at + 1)
        if size & 0x8000:  # an extended data set: its length follows in up to 4 bytes (IIM 4.2, 1.5)
            break
        name = _IPTC_NAMES.get(number, f"{record}:{number}") if record == 2 else f"{record}:{number}"
        value = block[at + 5 : at + 5 + size]
        kind: TagKind = "location" if record == 2 and number in (26, 27, 92, 95) else kind_of_name(name)
        found.append(Tag(kind=kind, name=name, place=place, value=text_of(value)))
        at += 5 + size
    if block[at:].strip(b"\0"):
        found += dropped(block[at:], "IPTC block", place)
    return list(dict.fromkeys(found))


_RESOURCE_NAMES = {0x0409: "thumbnail", 0x040C: "thumbnail", 0x040A: "copyright flag", 0x0425: "caption digest"}


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Photoshop file format, "Image resource blocks": signature, id, Pascal name, size, data, each padded to even."""
    at = 0
    while at + 12 <= len(block) and block[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"):
        number, name_size = struct.unpack_from(">HB", block, at + 4)
        size_at = at + 6 + (name_size + 2 & ~1)
        if size_at + 4 > len(block):
            break
        size = struct.unpack_from(">I", block, size_at)[0]
        yield number, block[size_at + 4 : size_at + 4 + size]
        at = size_at + 4 + (size + 1 & ~1)
    if block[at:].strip(b"\0"):
        yield -1, block[at:]


def photoshop_tags(block: bytes, place: str = "Photoshop") -> list[Tag]:
    """Tags of an image resource block, with the IPTC and XMP inside."""
    found: list[Tag] = []
    for number, resource in _resources(block):
        if len(found) >= MAX_TAGS:
            break
        if number == 0x0404:
            found += iptc_tags(resource, f"{place} IPTC")
        elif number == 0x0424:
            found += xmp_tags(resource, f"{place} XMP")
        elif number in (0x0409, 0x040C):
            found.append(Tag(kind="picture", name="thumbnail", place=place, value=f"{len(resource)} bytes"))
        else:
            found += dropped(resource, _RESOURCE_NAMES.get(number, f"resource 0x{number & 0xFFFF:04x}"), place)
    return list(dict.fromkeys(found)) or dropped(block, "Photoshop block", place)
