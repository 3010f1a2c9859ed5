"""What a person asks to keep: there and readable for others in every format, everything else gone, no place in it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import get_args

import av
import films
import planted
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media_screen import metadata
from media_screen.errors import StripFailed
from media_screen.metadata import exif, kept
from media_screen.probe import sniff
from media_screen.types import KeepWord, Tag

FIELDS = kept.Fields(
    copyright="© UP Police कॉपीराइट",
    creator="A. Sharma",
    description="A market at noon",
    date="2023-05-06 07:08:09",
    make="Acme",
    model="X1",
)
STILLS = {
    "jpeg": planted.jpeg_base(),
    "jpeg upright": planted.jpeg_base(1),
    "png": planted.png_base(),
    "apng": planted.apng(),
    "webp": planted.webp_base(),
    "webp plain": planted.encoded(planted.picture(), "WEBP"),
    "webp lossless with alpha": planted.encoded(planted.picture("RGBA"), "WEBP", lossless=True),
    "webp animated": planted.webp_base(animated=True),
    "tiff": planted.tiff_base(),
    "tiff of two pages": planted.encoded(
        planted.picture(), "TIFF", save_all=True, append_images=[planted.picture(seed=2)]
    ),
    "tiff big": planted.tiff([planted.page()], [planted.pixels().tobytes()], big=True),
    "heif": planted.heif_base(),
    "heif with alpha": planted.heif_base("RGBA"),
    "avif": planted.encoded(planted.picture(), "AVIF"),
}
SMALL = {"codec": "libx264", "size": (48, 32), "frames": 6, "sound": ("mp2",), "options": {"bf": "0", **films.QUIET}}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
FILMS = {
    "mp4": films.Film(muxer="mp4", **SMALL),
    "mp4 of fragments": films.Film(muxer="mp4", container_options=FRAGMENTS, **SMALL),
    "mov": films.Film(muxer="mov", **{**SMALL, "sound": ("pcm_s16le",)}),
    "matroska": films.Film(muxer="matroska", **SMALL),
    "webm": films.Film(muxer="webm", codec="libvpx-vp9", size=(48, 32), frames=6, sound=("libopus",)),
    "avi": films.Film(muxer="avi", **SMALL),
}


def round_trip(data: bytes, folder, format_name: str) -> tuple[bytes, list[Tag]]:
    """The copy with all fields, after all that is true of every such copy was found true."""
    handler = metadata.handler_for(format_name)
    source, with_fields, clean, again = (folder / n for n in ("source", "with", "clean", "again"))
    source.write_bytes(data)
    fields = FIELDS.only(handler.KEEPS)
    handler.strip(source, with_fields, fields)
    handler.strip(source, clean)
    tags = metadata.read(with_fields, format_name)
    assert {tag.place for tag in tags} == {kept.PLACE}
    assert metadata.to_keep(tags, kept.WORDS, format_name)[0] == fields
    assert metadata.remaining(tags, kept.WORDS) == []
    assert {t.name for t in metadata.remaining(tags, {"creator"})} == {t.name for t in tags} - {_name_of(tags)}
    handler.strip(with_fields, again)
    assert again.read_bytes() == clean.read_bytes()  # the block is all that was added
    handler.strip(with_fields, again, fields)
    assert again.read_bytes() == with_fields.read_bytes()
    return with_fields.read_bytes(), tags


def _name_of(tags) -> str:
    return next(tag.name for tag in tags if tag.value == FIELDS.creator)


@pytest.mark.parametrize("name", STILLS)
def test_kept_fields_of_a_still_are_read_by_others_and_nothing_else_is_there(name, tmp_path):
    data, _ = round_trip(STILLS[name], tmp_path, sniff(STILLS[name][:4096]))
    planted.pillow_heif.register_heif_opener(thumbnails=False)
    with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(STILLS[name])) as before:
        entries = image.getexif()
        texts = {field: entries[number].encode("latin-1").decode() for field, number in exif.TEXT_TAGS.items()}
        assert texts == {**dict(FIELDS.pairs()), "date": "2023:05:06 07:08:09"}
        assert image.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
        assert image.info.get("icc_profile") == before.info.get("icc_profile")
        assert getattr(image, "n_frames", 1) == getattr(before, "n_frames", 1)


@pytest.mark.parametrize("name", FILMS)
def test_kept_fields_of_a_film_are_read_by_others_and_nothing_else_is_there(name, tmp_path):
    av.logging.set_level(None)
    film = FILMS[name]
    path = films.make(tmp_path / f"film.{film.muxer}", film)
    data, tags = round_trip(path.read_bytes(), tmp_path, film.format)
    (tmp_path / "kept").write_bytes(data)
    with av.open(f"file:{tmp_path / 'kept'}", format=films.DEMUXERS[film.format]) as container:
        words = set(container.metadata.values())
    assert {tag.value for tag in tags} <= words
    assert films.seen(tmp_path / "kept", film.format) == films.seen(path, film.format)


@pytest.mark.parametrize("name", ["gif", "bmp"])
def test_a_format_without_a_place_for_text_says_so(name, tmp_path):
    data = {"gif": planted.gif_base(), "bmp": planted.bmp_base()}[name]
    tags = [Tag(kind="person", name="Artist", place="EXIF", value="A. Sharma")]
    assert metadata.to_keep(tags, {"creator"}, name) == (
        metadata.NOTHING,
        ["creator is not kept: this format has no place for it"],
    )
    (tmp_path / "source").write_bytes(data)
    metadata.handler_for(name).strip(tmp_path / "source", tmp_path / "target", FIELDS)
    assert metadata.read(tmp_path / "target", name) == []


@pytest.mark.parametrize(
    ("format_name", "data"),
    [
        ("jpeg", planted.encoded(planted.picture(), "JPEG", exif=planted.exif(6))),
        ("png", planted.png_with(planted.chunk(b"eXIf", planted.exif()[6:]), planted.chunk(b"tEXt", b"Author\0Asha"))),
        ("heif", planted.heif_base(exif=planted.exif(1), xmp=planted.xmp())),
        ("tiff", planted.tiff_base(tiffinfo={315: "Asha", 270: planted.NOTE.decode()})),
    ],
)
def test_what_was_not_asked_for_goes_from_a_file_with_secrets(format_name, data, tmp_path):
    handler = metadata.handler_for(format_name)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    fields, _ = metadata.to_keep(handler.read(source), {"creator", "device"}, format_name)
    assert fields
    handler.strip(source, target, fields)
    assert metadata.remaining(metadata.read(target, format_name), {"creator", "device"}) == []
    for secret in (planted.SERIAL, planted.NOTE, b"GPSLatitude", planted.other_picture()[-200:]):
        assert secret not in target.read_bytes()


def tag(name: str, value: str) -> Tag:
    return Tag(kind="text", name=name, place="EXIF", value=value)


@pytest.mark.parametrize(
    "text",
    [
        "at +26.8467+080.9462/",
        "26.84670, 80.94620",
        "lat=26.84670 lon=80.9",
        "26° 50' 48\" N",
        "26.8467N 80.9462E",
        "https://maps.google.com/?q=house",
        "7MMV+Q9 Lucknow",
        "geo:26.8,80.9",
        "$GPRMC,071314",
        "\0\0\t\n",
    ],
)
def test_a_text_that_tells_a_place_is_not_kept(text):
    fields, notes = metadata.to_keep([tag("ImageDescription", text)], {"description"}, "jpeg")
    assert not fields
    assert len(notes) == 1
    assert "may tell a place" in notes[0]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2023:05:06 07:08:09", "2023-05-06 07:08:09"),
        ("2023-05-06T07:08:09+05:30", "2023-05-06 07:08:09"),
        ("2023-05-06", "2023-05-06 00:00:00"),
        ("2023:13:06 07:08:09", ""),
        ("0000:00:00 00:00:00", ""),
        ("yesterday", ""),
    ],
)
def test_a_date_is_a_date_without_its_zone(given, written):
    assert metadata.to_keep([tag("DateTimeOriginal", given)], {"date"}, "jpeg")[0].date == written


def test_only_what_is_asked_for_and_the_most_trusted_name_first():
    tags = [tag("dc:creator", "second"), tag("Artist", "first"), tag("Copyright", "mine"), tag("Make", "Acme")]
    fields, notes = metadata.to_keep(tags, {"creator"}, "jpeg")
    assert fields == kept.Fields(creator="first")
    assert notes == ["kept as asked: creator"]
    assert metadata.to_keep(tags, (), "jpeg") == (metadata.NOTHING, [])


@given(st.text(max_size=500))
def test_whatever_a_text_holds_its_block_is_known_again(text):
    """Control characters, joiners, halves of pairs, four-byte letters: what is written is what is recognised."""
    line = kept.plain(text)
    fields = replace(FIELDS, description=line)
    block = exif.minimal(6, fields)
    assert {t.place for t in exif.tags(block)} == {kept.PLACE}
    assert kept.plain(line) == line


def test_a_block_with_one_byte_more_is_not_taken_for_ours():
    block = exif.minimal(6, FIELDS)
    assert kept.PLACE not in {t.place for t in exif.tags(block + b"hidden")}
    assert kept.PLACE not in {t.place for t in exif.tags(block.replace(b"A market at noon", b"26.84670,80.9462"))}


def test_fields_that_would_bring_more_are_refused(tmp_path):
    (tmp_path / "source").write_bytes(planted.jpeg_base())
    placed = kept.Fields(description="26.84670, 80.94620")  # as no caller makes them
    with pytest.raises(StripFailed):
        metadata.handler_for("jpeg").strip(tmp_path / "source", tmp_path / "target", placed)


def test_every_word_is_known_to_the_writers():
    assert get_args(KeepWord) == kept.WORDS
    assert {name for name, _ in FIELDS.pairs()} == set(exif.TEXT_TAGS)
