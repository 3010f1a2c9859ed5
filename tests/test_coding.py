"""Films of one digest decode to the same: only user data may differ, and a copy of that digest is not decoded again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, Sound, make_clip, see

from media_screen import metadata, pipeline
from media_screen.config import Settings, build_screener
from media_screen.decode import Faults, coding_of, shots
from media_screen.detect import ModelSpec
from media_screen.examine import examine
from media_screen.probe import probe
from media_screen.report import json_report, words
from media_screen.types import Box, Detection, ModelInfo, Tag

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
FILMS = {
    "MP4": Clip(options={"bf": "2"}, sounds=(Sound(),)),
    "MOV, turned": Clip(name="a.mov", orientation=6),
    "Matroska": Clip(name="a.mkv", options={"bf": "0"}),
    "HEVC without a word": Clip(codec="libx265", options={"x265-params": "log-level=none:info=0:pools=none"}),
}
SETTINGS = b"x264 - core 164 r3095"


def length_and(unit):
    return len(unit).to_bytes(4, "big") + unit


def sei(kind, payload):
    return length_and(bytes((6, kind, len(payload))) + payload + b"\x80")


def user_data(text):
    return sei(5, bytes(range(1, 17)) + text)


def changed(tmp_path, path, change):
    """The film's video packets anew, each as `change(number, bytes)` says."""
    part = tmp_path / f"new {path.name}"
    with av.open(str(path)) as source, av.open(str(part), "w", format="mp4") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in source.demux(stream) if p.size):
            data = change(number, bytes(packet))
            if data is None:
                continue
            new = av.Packet(data)
            new.pts, new.dts, new.duration = packet.pts, packet.dts, packet.duration
            new.time_base, new.is_keyframe, new.stream = packet.time_base, packet.is_keyframe, out
            target.mux(new)
    return part


@pytest.fixture
def film(tmp_path):
    return make_clip(tmp_path, Clip(options={"bf": "2", "x264-params": "log-level=none"}))


@pytest.mark.parametrize("name", FILMS)
def test_a_cleaned_film_is_the_same_film(tmp_path, name):
    path = make_clip(tmp_path, FILMS[name])
    info, part = probe(path), tmp_path / f"clean {path.name}"
    metadata.handler_for(info.format).strip(path, part, metadata.NOTHING)
    faults = Faults()
    assert len(list(shots(info, faults))) == len(FILMS[name].times)
    assert faults.coding == coding_of(info) == coding_of(probe(part))
    before, after = see(path), see(part)
    pairs = [pair for films in zip(before.planes, after.planes, strict=True) for pair in zip(*films, strict=True)]
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_user_data_is_no_part_of_a_film_but_the_build_of_x264_is(tmp_path, film):
    def with_text(*texts):
        return coding_of(
            probe(changed(tmp_path, film, lambda n, d: b"".join(map(user_data, texts)) + d if n == 3 else d))
        )

    plain = with_text()
    assert with_text(b"Gomti Nagar beat 7") == with_text(b"a", b"b") == plain
    assert with_text(SETTINGS) == with_text(b"x264 - core 164") != plain
    assert with_text(b"x264 - core 33") != with_text(SETTINGS)
    assert with_text(b"x264: a riddle") != plain


def first_slice(data):
    """Where the last unit of a packet begins, beyond its header."""
    at = 0
    while at + 4 + int.from_bytes(data[at : at + 4], "big") < len(data):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return at + 4


CHANGES = {
    "a bit of a slice": lambda n, d: d[:-2] + bytes((d[-2] ^ 16,)) + d[-1:] if n == 7 else d,
    "a bit of a slice's header": lambda n, d: (
        d[: first_slice(d) + 1] + bytes((d[first_slice(d) + 1] ^ 1,)) + d[first_slice(d) + 2 :] if n == 7 else d
    ),
    "a packet lost": lambda n, d: None if n == 7 else d,
    "the last packet lost": lambda n, d: None if n == 19 else d,
    "another message": lambda n, d: sei(6, b"\x84") + d if n == 7 else d,
    "registered data that are no captions": lambda n, d: sei(4, b"\xb4\x00\x50\x00") + d if n == 7 else d,
    "a message that does not parse": lambda n, d: length_and(b"\6\5\x40" + b"\1" * 20 + b"\x80") + d if n == 7 else d,
    "a unit of no known type": lambda n, d: length_and(b"\x18" + b"\5\x10" + bytes(16) + b"\x80") + d if n == 7 else d,
    "bytes after the last unit": lambda n, d: d + b"\0\0" if n == 7 else d,
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_else_is_changed_makes_another_film(tmp_path, film, name):
    same = coding_of(probe(changed(tmp_path, film, lambda _, d: d)))
    assert coding_of(probe(changed(tmp_path, film, CHANGES[name]))) != same


def test_times_and_parameters_make_another_film(tmp_path):
    clips = {
        "as it is": Clip(),
        "later": Clip(times=range(3, 63, 3)),
        "one frame later": Clip(times=(*range(0, 57, 3), 58)),
        "full range": Clip(pixel_format="yuvj420p"),
        "other pixels": Clip(aspect=Fraction(4, 3)),
    }
    for number in range(len(clips)):
        (tmp_path / str(number)).mkdir()
    made = [coding_of(probe(make_clip(tmp_path / str(n), clip))) for n, clip in enumerate(clips.values())]
    assert len(set(made)) == len(clips)


# --- the whole way ---


FACES_STAY = """
name: stay
version: 1
title: {en: Stay, hi: रहें}
source: a test
rules:
  - id: note
    clause: 1
    when: {label: face}
    action: note
    text: {en: faces are seen, hi: चेहरे दिखे}
  - id: hidden
    clause: 2
    when: {tag: [device, time, unknown, text]}
    action: strip
    text: {en: metadata, hi: मेटाडेटा}
"""


def empty_room(index, size):
    rgb = np.full((size[1], size[0], 3), (90, 110, 120), np.uint8)
    rgb[20:40, 2 * index : 2 * index + 30] = (160, 150, 140)
    return rgb


def visitor(index, size):
    from PIL import Image

    rgb = empty_room(index, size)
    rgb[60:220, 120:280] = np.asarray(Image.open(SAMPLES / "wrong name.jpg").crop((60, 0, 220, 160)))
    return rgb


def room_film(folder, scene=empty_room):
    folder.mkdir(exist_ok=True)
    return make_clip(folder, Clip(size=(480, 272), scene=scene, times=tuple(range(0, 90, 3)), sounds=(Sound(),)))


@pytest.fixture(scope="module")
def screener():
    return build_screener(Settings())


def test_a_copy_of_the_same_packets_is_not_decoded_again_and_that_is_said(screener, tmp_path):
    path = room_film(tmp_path)
    report = screener.screen(path, tmp_path / "out")
    assert (report.disposition, report.output.changed) == ("cleared", "stripped")
    look = report.verification
    assert (look.frames_looked, look.frames_verified, look.frames_identical) == (0, 30, 30)
    doc = json_report.document(report)
    assert doc["verification"]["frames_identical"] == 30
    assert "All 30 frames of the copy are, packet by packet" in words.verification(doc)[0]
    assert not any("same eyes" in sentence for sentence in words.verification(doc))


def test_a_face_in_the_film_means_a_second_look(screener, tmp_path):
    report = screener.screen(room_film(tmp_path, visitor), tmp_path / "out")
    assert report.output.changed == "redacted"
    assert report.verification.frames_identical == 0
    assert report.verification.frames_looked > 5


def test_where_faces_stay_the_copy_is_looked_at(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(FACES_STAY, encoding="utf-8")
    report = build_screener(Settings(policy=str(policy))).screen(room_film(tmp_path, visitor), tmp_path / "out")
    assert (report.disposition, report.output.changed) == ("cleared", "stripped")
    assert (report.verification.frames_looked > 5, report.verification.frames_identical) == (True, 0)


def putting(monkeypatch, other):
    """Cleaning writes what `other(source)` names instead."""
    handler = metadata.handler_for("mp4")
    real = handler.strip
    monkeypatch.setattr(handler, "strip", lambda source, target, fields: real(other(source), target, fields))


def test_a_copy_that_holds_another_film_is_looked_at_and_not_published(screener, tmp_path, monkeypatch):
    other = room_film(tmp_path / "other", lambda index, size: empty_room(index + 60, size)[::-1])
    putting(monkeypatch, lambda _: other)
    report = screener.screen(room_film(tmp_path), tmp_path / "out")
    assert report.error_type == "VerificationFailed"
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_the_same_packets_without_their_sound_are_not_published(screener, tmp_path, monkeypatch):
    putting(monkeypatch, lambda source: changed(tmp_path, source, lambda _, d: d))
    report = screener.screen(room_film(tmp_path), tmp_path / "out")
    assert "1 audio tracks became 0" in report.error


def test_metadata_beside_the_same_packets_is_not_published(screener, tmp_path, monkeypatch):
    left = [Tag(kind="location", name="place", place="udta")]
    real = metadata.read
    monkeypatch.setattr(metadata, "read", lambda path, form: [*real(path, form), *left])
    report = screener.screen(room_film(tmp_path), tmp_path / "out")
    assert report.error_type == "StripFailed"


def test_packets_are_read_from_the_copy_and_not_only_once(screener, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "coding_of", lambda _: "another")
    report = screener.screen(room_film(tmp_path), tmp_path / "out")
    assert report.disposition == "cleared"
    assert (report.verification.frames_looked > 0, report.verification.frames_identical) == (True, 0)


# --- the moments at which a second look would have looked ---


class Glimpse:
    """Sees a face in some frames alone; which frames it was asked about is in `asked`."""

    model = ModelInfo(name="glimpse", sha256="0" * 64)

    def __init__(self, frames, *, follow=True):
        self.frames, self.asked = frames, []
        self.spec = ModelSpec(
            name="glimpse",
            runtime="-",
            file="-",
            sha256="0" * 64,
            licence="-",
            labels=("face",),
            score=0.5,
            low_score=0.25,
            picture_px=96,
            frame_px=96,
            period_s=Fraction(1, 5),
            follow=follow,
        )

    def detect(self, frames, _min_score):
        self.asked += [f.index for f in frames]
        face = Detection(label="face", score=0.9, box=Box(x1=10, y1=10, x2=40, y2=40), detector="glimpse")
        return [[face] if f.index in self.frames else [] for f in frames]


@pytest.mark.parametrize("follow", [True, False])
def test_looking_twice_sees_what_a_second_look_would(tmp_path, follow):
    grey = np.full((64, 96, 3), 120, np.uint8)
    info = probe(make_clip(tmp_path, Clip(scene=lambda *_: grey, times=tuple(range(0, 180, 3)))))
    second = Glimpse(range(0), follow=follow)
    examine(info, [second], phase=Fraction(1, 2))
    for frame in second.asked[1:-1]:
        once, twice = Glimpse({frame}, follow=follow), Glimpse({frame}, follow=follow)
        examine(info, [once])
        assert len(examine(info, [twice], twice=True).evidence.tracks) == 1, frame
        assert set(once.asked) < set(twice.asked)


def test_where_a_face_is_followed_nothing_more_is_looked_at(tmp_path):
    grey = np.full((64, 96, 3), 120, np.uint8)
    info = probe(make_clip(tmp_path, Clip(scene=lambda *_: grey, times=tuple(range(0, 180, 3)))))
    once, twice = Glimpse(range(60)), Glimpse(range(60))
    examine(info, [once])
    examine(info, [twice], twice=True)
    assert once.asked == twice.asked
