"""The second reader: quiet on every clean file, not blind where our own is, and never the reason of a crash."""

from __future__ import annotations

import base64
import random
import struct
from dataclasses import replace

import av
import films
import planted
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_screen import metadata
from media_screen.errors import CorruptMedia, FileError
from media_screen.metadata import second
from media_screen.probe import probe, sniff

CASES = planted.cases()
SMALL = films.Film(muxer="mp4", codec="libx264", size=(48, 32), frames=6, sound=("mp2",), options={"bf": "0"})
FILMS = [
    SMALL,
    replace(SMALL, container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    replace(SMALL, muxer="mov", sound=("pcm_s16le",)),
    replace(SMALL, muxer="matroska"),
    replace(SMALL, muxer="avi"),
    replace(SMALL, muxer="mpegts"),
    films.Film(muxer="webm", codec="libvpx-vp9", size=(48, 32), frames=6, sound=("libopus",)),
    films.Film(muxer="mov", codec="mjpeg", pixel_format="yuvj420p", size=(48, 32), frames=4),
]
# what other libraries do not name, and no bytes that speak for themselves
UNSEEN = {
    *("png-time", "png-keyword", "png-unknown-chunk", "png-in-picture", "webp-unknown-chunk", "webp-second-picture"),
    *("bmp-gap", "bmp-linked-profile", "bmp-profile-tail", "bmp-reserved", "gif-plain-text", "gif-profile-tail"),
    *("gif-after-pixels", "gif-between-blocks", "tiff-after-pixels", "tiff-lzw-tail", "tiff-reduced-page"),
    *("jpeg-between-segments", "jpeg-profile-tail", "jpeg-jfif-thumbnail", "jpeg-credentials", "heif-orphan"),
    *("heif-thumbnail", "heif-description", "png-exif-last", "tiff-private-field", "webp-unannounced-exif"),
}


@pytest.fixture(autouse=True)
def _silent():
    av.logging.set_level(None)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_planted_still_is_seen_and_its_clean_copy_is_quiet(case, tmp_path):
    name = sniff(case.data[:4096])
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(case.data)
    if case.shown is case.data:  # the others are not opened by Pillow, and so never get this far
        assert bool(second.read(source, name)) or case.name in UNSEEN
    metadata.handler_for(name).strip(source, target)
    assert second.read(target, name) == []


@pytest.mark.parametrize("film", FILMS, ids=lambda film: f"{film.muxer} {film.codec} {len(film.container_options)}")
def test_film_that_speaks_is_heard_and_its_clean_copy_is_quiet(film, tmp_path):
    path = films.make(tmp_path / f"a.{film.muxer}", replace(film, metadata={"comment": films.NAME.decode()}))
    copy = tmp_path / "copy"
    metadata.handler_for(film.format).strip(path, copy)
    assert second.read(copy, film.format) == []
    heard = second.read(path, film.format)
    assert heard or film.muxer == "mpegts"  # which has no comments


def planted_in_mp4(tmp_path, *boxes: bytes):
    path = films.make(tmp_path / "film.mp4", SMALL)
    clean = tmp_path / "clean.mp4"
    metadata.handler_for("mp4").strip(path, clean)
    clean.write_bytes(clean.read_bytes() + b"".join(boxes))
    return clean


@pytest.mark.parametrize(
    ("planted_bytes", "kind", "name"),
    [
        (films.box(b"free", bytes(5_000_000), films.SPOT), "location", "ISO 6709 string"),
        (films.box(b"mdat", b"$GPRMC,071314,A,2650.8,N,08056.7,E"), "location", "NMEA sentence"),
        (films.box(b"free", b" lat: 26.84670"), "location", "coordinates"),
        (films.box(b"mdat", planted.encoded(planted.picture(), "PNG")), "picture", "PNG file"),
        (films.box(b"mdat", base64.b64encode(planted.encoded(planted.picture(), "JPEG"))), "picture", "base64 picture"),
        (films.box(b"free", b"<x:xmpmeta/>"), "unknown", "XMP packet"),
        (films.box(b"beam", b"x"), "unknown", "box that no player needs"),
        (planted.film()[:12], "unknown", "data after the end"),
    ],
)
def test_bytes_between_the_packets_are_searched(planted_bytes, kind, name, tmp_path):
    found = second.read(planted_in_mp4(tmp_path, planted_bytes), "mp4")
    assert (kind, name) in {(tag.kind, tag.name) for tag in found}


@pytest.mark.parametrize("gap", [0, second.STEP_BYTES - 10, 3 * second.STEP_BYTES - 4])
def test_what_stands_across_two_stretches_is_seen(gap, tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(bytes(gap) + b"26.84670, 80.94620" + bytes(second.STEP_BYTES))
    assert {tag.name for tag in second._raw_tags(path, "matroska", [])} == {"coordinates"}


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        (planted.other_picture(), "JPEG file"),
        (planted.film(), "data after the end"),
        (b"note", "data after the end"),
        (b"\xff\xfe\0\x14" + films.SPOT + b"\xff\xd9", "ISO 6709 string"),
    ],
)
def test_a_raw_look_sees_what_both_readers_are_made_to_miss(tail, name, tmp_path, monkeypatch):
    monkeypatch.setattr(metadata.handler_for("jpeg"), "read", lambda _path: [])
    monkeypatch.setattr(second, "_still_tags", lambda _path, _format: ([], None))
    path = tmp_path / "picture.jpg"
    path.write_bytes(planted.jpeg_base() + tail)
    assert name in {tag.name for tag in metadata.read(path, "jpeg")}


def test_the_second_reader_counts_where_ours_is_made_blind(tmp_path, monkeypatch):
    path = tmp_path / "picture.jpg"
    path.write_bytes(planted.encoded(planted.picture(), "JPEG", exif=planted.exif()))
    ours = metadata.read(path, "jpeg")
    assert not any(tag.place == second.PLACE for tag in ours)  # the same in other words is not said twice
    monkeypatch.setattr(metadata.handler_for("jpeg"), "read", lambda _path: [])
    others = metadata.read(path, "jpeg")
    assert {tag.place for tag in others} == {second.PLACE}
    assert {"location", "picture", "device"} <= {tag.kind for tag in others}


def test_camera_data_in_a_frame_is_seen(tmp_path):
    unit = films.sei("h264", 5, bytes(range(16)) + films.SPOT)
    path = films.make(tmp_path / "film.mp4", replace(SMALL, wrap=films.before_slices("h264", unit)))
    assert ("location", "frame data SEI_UNREGISTERED") in {(t.kind, t.name) for t in second.read(path, "mp4")}


def test_a_name_from_the_file_is_no_message(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(planted.png_with(planted.chunk(b"tEXt", planted.NOTE + b"\0x")))
    assert planted.NOTE.decode() not in {tag.name for tag in second.read(path, "png")}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_damage_is_an_error_of_ours_or_a_list(seed, tmp_path):
    rng = random.Random(seed)
    case = rng.choice(CASES)
    data = bytearray(case.data)
    for _ in range(4):
        at = rng.randrange(len(data) - 8)
        data[at : at + 4] = struct.pack(">I", rng.choice((0, 1, 255, 1 << 31, (1 << 32) - 1)))
    (tmp_path / "damaged").write_bytes(data)
    try:
        second.read(tmp_path / "damaged", sniff(case.data[:4096]))
    except FileError as error:
        assert str(error)  # noqa: PT017 - an error or a list


def test_content_cannot_choose_another_parser(tmp_path):
    """A JPEG by its first bytes, and a GIMP brush by the next: that reader would ask for 4 GB for its comment."""
    path = tmp_path / "brush.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + struct.pack(">4I", 1, 64, 64, 1) + b"no comment" * 20)
    with pytest.raises(CorruptMedia):
        second.read(path, "jpeg")
    with pytest.raises(CorruptMedia):
        probe(path)
