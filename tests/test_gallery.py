"""The gallery: encodings in one private file, whole or an error; and what is enrolled in it, and what is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from faces import PORTRAIT, SPEC, TODAY, Hue, head, person, side_by_side
from PIL import Image

from media_screen import config
from media_screen.cli import cli
from media_screen.config import Settings, build_screener, identity, load_detectors
from media_screen.errors import SettingsError
from media_screen.identify import Encoding, gallery
from media_screen.identify.enrolment import Likeness, Photo, enrolled, judged, look_alikes
from media_screen.identify.quality import faults, is_good
from media_screen.recognise import faces_in
from media_screen.types import Box, Portrait

EMPTY = gallery.Gallery(embedding="hue", embedding_sha256="0" * 64)


@pytest.fixture
def folder(tmp_path):
    known = EMPTY.with_person(person("A. Verma", "green")).with_person(person("X", "blue", "accused"))
    gallery.write(tmp_path / "g", known)
    return tmp_path / "g"


def encoding(vector=(1.0, 0.0, 0.0), **more):
    good = {"size_px": 200.0, "sharpness": 500.0, "turn": 0.0, "evenness": 1.0}
    return Encoding(vector=np.asarray(vector, np.float32), **{**good, **more})


def photo(vector=(1.0, 0.0, 0.0), smeared=None):
    moved = None if smeared is None else np.asarray(smeared, np.float32)
    return Likeness(vector=np.asarray(vector, np.float32), smeared=moved)


def test_it_is_read_as_it_was_written_and_holds_no_picture(folder):
    known = gallery.read(folder)
    assert [(p.name, p.role) for p in known.people] == [("X", "accused"), ("A. Verma", "officer")]
    assert len(known.sha256) == 64
    assert sorted(p.name for p in folder.iterdir()) == ["gallery.json"]
    assert (folder / "gallery.json").stat().st_size < 2000


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_only_its_owner_may_read_it(folder):
    assert (folder / "gallery.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "gallery.json").chmod(0o644)
    assert not gallery.is_private(folder)
    gallery.write(folder, gallery.read(folder))
    assert gallery.is_private(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:0],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw.replace(b"officer", b"accused"),
        lambda raw: raw[:0] + b"[]",
        lambda raw: b"\xff" + raw,
        lambda raw: raw.replace(b'"media_screen_gallery": 1', b'"media_screen_gallery": 2'),
    ],
)
def test_a_damaged_gallery_is_an_error_never_an_empty_one(folder, spoil):
    file = folder / "gallery.json"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(SettingsError):
        gallery.read(folder)
    with pytest.raises(SettingsError):
        build_screener(Settings(gallery=str(folder)))


def test_a_gallery_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        build_screener(Settings(gallery=str(tmp_path / "none")))


def test_with_a_passphrase_nothing_can_be_read_without_it(tmp_path):
    pytest.importorskip("cryptography")
    gallery.write(tmp_path, EMPTY.with_person(person("A. Verma", "green")), "correct horse")
    raw = (tmp_path / "gallery.json").read_bytes()
    assert b"Verma" not in raw
    assert b"officer" not in raw
    assert gallery.read(tmp_path, "correct horse").people[0].name == "A. Verma"
    for wrong in (None, "", "incorrect horse"):
        with pytest.raises(SettingsError, match="passphrase"):
            gallery.read(tmp_path, wrong)


def test_a_sealed_gallery_that_was_altered_is_an_error(tmp_path):
    pytest.importorskip("cryptography")
    gallery.write(tmp_path, EMPTY.with_person(person("A", "green")), "secret")
    document = json.loads((tmp_path / "gallery.json").read_text())
    sealed = document["sealed"]
    document["sealed"] = sealed[:60] + ("A" if sealed[60] != "A" else "B") + sealed[61:]
    (tmp_path / "gallery.json").write_text(json.dumps(document))
    with pytest.raises(SettingsError, match="wrong, or the file is damaged"):
        gallery.read(tmp_path, "secret")
    document["scrypt"]["n"] = 1 << 30
    (tmp_path / "gallery.json").write_text(json.dumps(document))
    with pytest.raises(SettingsError, match="damaged"):
        gallery.read(tmp_path, "secret")


def test_a_write_that_fails_leaves_the_old_one(folder, monkeypatch):
    before = (folder / "gallery.json").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left")))
    with pytest.raises(SettingsError, match="no space left"):
        gallery.write(folder, EMPTY)
    assert (folder / "gallery.json").read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["gallery.json"]


def test_an_enrolment_holds_up_to_its_last_day():
    enrolment = person("A", "green", expires=TODAY)
    assert enrolment.holds(TODAY)
    assert not enrolment.holds(TODAY + timedelta(days=1))


# --- enrolment ---


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({"size_px": 50.0}, "nearer"),
        ({"sharpness": 10.0}, "not sharp"),
        ({"turn": 0.7}, "look into the camera"),
        ({"evenness": 0.1}, "smeared"),
    ],
)
def test_a_poor_photo_is_refused_with_its_reason(worse, words):
    (said,) = faults(encoding(**worse))
    assert words in said
    assert not faults(encoding())


def test_what_is_too_poor_to_compare():
    assert is_good(encoding())
    assert not any(is_good(encoding(**w)) for w in ({"size_px": 30.0}, {"sharpness": 5.0}, {"turn": 0.9}))


def portrait(tint):
    return Portrait(pixels=head(tint), box=Box(x1=70, y1=50, x2=150, y2=130), size_px=90.0)


def test_each_photo_shows_one_face_of_one_person():
    photos = [
        Photo(name="none.jpg", portraits=()),
        Photo(name="two.jpg", portraits=(portrait("green"), portrait("blue"))),
        Photo(name="good.jpg", portraits=(portrait("green"),)),
        Photo(name="other.jpg", portraits=(portrait("blue"),)),
    ]
    good, said = judged(photos, Hue())
    assert len(good) == 1
    assert [line.partition(":")[0] for line in said] == ["none.jpg", "two.jpg", "other.jpg"]


def test_what_else_a_detector_sees_in_a_photo_is_no_face():
    (faces, *_) = load_detectors({"face"}, threads=1)

    class AndPeople:
        spec = faces.spec

        def detect(self, frames, min_score):
            return [[*found, replace(found[0], label="person")] for found in faces.detect(frames, min_score)]

    assert len(faces_in(PORTRAIT, AndPeople())) == 1


def test_an_enrolment_has_a_name_a_reason_and_a_day_to_come():
    given = {"name": "A", "role": "officer", "reason": "consent", "today": TODAY, "expires": date(2027, 1, 1)}
    assert enrolled(EMPTY, [photo()], **given).people[0].name == "A"
    for wrong in ({"name": " "}, {"name": "a\nb"}, {"reason": ""}, {"expires": date(2026, 1, 1)}, {"name": "x" * 101}):
        with pytest.raises(SettingsError):
            enrolled(EMPTY, [photo()], **{**given, **wrong})
    with pytest.raises(SettingsError, match="none of the photos"):
        enrolled(EMPTY, [], **given)


def test_more_photos_join_the_earlier_ones_but_no_role_changes_by_the_way():
    given = {"name": "A", "reason": "consent", "today": TODAY, "expires": date(2027, 1, 1)}
    once = enrolled(EMPTY, [photo()], role="officer", **given)
    assert len(enrolled(once, [photo((0.9, 0.1, 0.0))], role="officer", **given).people[0].vectors) == 2
    with pytest.raises(SettingsError, match="remove that first"):
        enrolled(once, [photo()], role="accused", **given)


def test_a_photo_that_is_there_already_counts_once_and_renews_the_day():
    given = {"name": "A", "role": "officer", "today": TODAY}
    once = enrolled(EMPTY, [photo()] * 3, reason="consent", expires=date(2027, 1, 1), **given)
    again = enrolled(once, [photo()], reason="consent, renewed", expires=date(2028, 1, 1), **given)
    for known in (once, again):
        assert len(known.people[0].vectors) == 1
    assert (again.people[0].reason, again.people[0].expires) == ("consent, renewed", date(2028, 1, 1))


MOVED = (0.0, 0.0, 1.0)


def rewrite(folder, change):
    """The gallery's file, every person's row changed."""
    document = json.loads((folder / "gallery.json").read_text())
    document["people"] = json.dumps([change(row) for row in json.loads(document["people"])])
    document["sha256"] = hashlib.sha256(document["people"].encode()).hexdigest()
    (folder / "gallery.json").write_text(json.dumps(document))


def test_each_photo_is_encoded_once_more_as_if_it_had_moved_where_a_distance_holds_for_that(tmp_path):
    eyes, given = Hue(), {"name": "A", "role": "officer", "reason": "consent", "today": TODAY, "expires": TODAY}
    photos = [Photo(name="good.jpg", portraits=(portrait("green"),))]
    assert judged(photos, eyes)[0][0].smeared is None
    eyes.spec, eyes.asked = replace(SPEC, smeared=0.2), 0
    good, _ = judged(photos, eyes)
    assert eyes.asked == 2
    gallery.write(tmp_path, enrolled(EMPTY, good, **given))
    (read,) = gallery.read(tmp_path).people
    assert np.allclose(read.known().smeared, good[0].smeared, atol=1e-5)
    rewrite(tmp_path, lambda row: {**row, "smeared": row["smeared"] * 2})
    with pytest.raises(SettingsError, match="damaged"):
        gallery.read(tmp_path)


def test_who_was_enrolled_before_is_compared_with_smeared_photos_once_all_are_given_again():
    given = {"name": "A", "role": "officer", "reason": "consent", "today": TODAY, "expires": date(2027, 1, 1)}
    before = enrolled(EMPTY, [photo()], **given)
    assert before.people[0].known().smeared is None
    half = enrolled(before, [photo((0.0, 1.0, 0.0), MOVED)], **given)
    assert (len(half.people[0].vectors), half.people[0].known().smeared) == (2, None)
    whole = enrolled(before, [photo((1.0, 0.0, 0.0), MOVED), photo((0.0, 1.0, 0.0), MOVED)], **given)
    assert (len(whole.people[0].vectors), len(whole.people[0].smeared)) == (2, 2)
    assert np.allclose(whole.people[0].known().smeared, MOVED)


def test_a_gallery_made_before_is_read_and_check_says_what_it_lacks(folder, run, monkeypatch):
    rewrite(folder, lambda row: {key: value for key, value in row.items() if key != "smeared"})
    assert [p.known().smeared for p in gallery.read(folder).people] == [None, None]
    assert "motion" not in run("check", "--gallery", folder, code=1)
    monkeypatch.setattr(config, "embedding_spec", lambda _name: replace(SPEC, smeared=0.2))
    assert "A. Verma: not known where motion smears the face" in run("check", "--gallery", folder, code=1)


def test_a_photo_of_somebody_else_does_not_join_who_is_enrolled():
    photos = [Photo(name="other.jpg", portraits=(portrait("blue"),))]
    good, said = judged(photos, Hue(), person("A", "green"))
    assert not good
    assert "does not look like" in said[0]


def test_look_alikes_are_told():
    near = tuple(float(v) for v in np.asarray(person("A", "green").vectors[0]) + 0.05)
    alike = EMPTY.with_person(person("A", "green")).with_person(replace(person("B", "green"), vectors=(near,)))
    assert [(a, b) for a, b, _ in look_alikes(alike, SPEC)] == [("A", "B")]
    assert not look_alikes(EMPTY.with_person(person("A", "green")).with_person(person("B", "blue")), SPEC)


# --- the command ---


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", lambda *_a, **_k: Hue())
    monkeypatch.setattr(config, "embedding_spec", lambda _name: SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.PASSPHRASE, raising=False)

    def runs(*arguments, code=0):
        done = CliRunner().invoke(cli, ["gallery", *map(str, arguments)])
        raised = isinstance(done.exception, SettingsError)
        assert (2 if raised else done.exit_code) == code, done.output
        return done.output + (str(done.exception) if raised else "")

    return runs


def test_add_list_check_remove(run, tmp_path):
    run("add", "--role", "officer", "--reason", "consent 7", "A. Verma", PORTRAIT)
    assert "A. Verma  (consent 7)" in run("list")
    assert "1 photo only" in run("check", code=1)  # too few
    run("remove", "B", code=2)
    run("remove", "A. Verma")
    assert "0 people" in run("list")
    assert PORTRAIT.exists()
    files = {p.name: p.stat().st_size for p in (tmp_path / "gallery").iterdir()}
    assert sorted(files) == [".gallery.lock", "gallery.json"]
    assert files[".gallery.lock"] == 0


def test_a_photo_that_cannot_be_read_does_not_keep_the_others_from_being_used(run, tmp_path):
    (tmp_path / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:3000])
    (tmp_path / "text.jpg").write_text("no picture")
    said = run("add", "--role", "officer", "--reason", "consent", "A", "cut.jpg", "text.jpg", PORTRAIT)
    assert "not used: cut.jpg: " in said
    assert "not used: text.jpg: " in said
    assert "no face found" not in said  # it says why, not what a picture without a face would say
    assert "A: officer, 1 photo," in said
    run("add", "--role", "officer", "--reason", "consent", "B", "cut.jpg", code=2)


def test_add_refuses_a_picture_of_two_and_enrols_nobody(run, tmp_path):
    Image.fromarray(side_by_side("green", "blue")).save(tmp_path / "two.png")
    said = run("add", "--role", "officer", "--reason", "consent", "A", "two.png", code=2)
    assert "2 faces" in said
    assert not (tmp_path / "gallery").exists()


def test_an_open_gallery_is_not_locked_by_chance(run, monkeypatch):
    run("add", "--role", "officer", "--reason", "consent", "A", PORTRAIT)
    monkeypatch.setenv(config.PASSPHRASE, "secret")
    assert "not encrypted" in run("add", "--role", "officer", "--reason", "consent", "B", PORTRAIT, code=2)


def test_a_locked_gallery_stays_locked(run, monkeypatch, tmp_path):
    pytest.importorskip("cryptography")
    monkeypatch.setenv(config.PASSPHRASE, "secret")
    run("add", "--role", "officer", "--reason", "consent", "A", PORTRAIT)
    run("add", "--role", "officer", "--reason", "consent", "B", PORTRAIT)
    assert b"consent" not in (tmp_path / "gallery" / "gallery.json").read_bytes()
    run("remove", "A")
    assert "encrypted" in run("list")
    monkeypatch.delenv(config.PASSPHRASE)
    assert "locked" in run("list", code=2)


# --- several at once ---

ADD = """
import os, sys, time
sys.path.insert(0, {tests!r})
from faces import PORTRAIT, SPEC, Hue
from media_screen import config
from media_screen.cli import cli
config.load_embedder = lambda *_a, **_k: Hue()
honest = os.fsync
os.fsync = lambda file: (honest(file), time.sleep({slow}))  # a slow disk: what was read is old for that long
cli(["gallery", "add", "--role", "officer", "--reason", "consent", sys.argv[1], str(PORTRAIT)])
"""


def adding(folder, name, slow=0.3):
    code = ADD.format(tests=str(Path(__file__).parent), slow=slow)
    environment = {k: v for k, v in os.environ.items() if k != config.PASSPHRASE}
    return subprocess.Popen([sys.executable, "-c", code, name], cwd=folder, env=environment, stderr=subprocess.DEVNULL)


def test_who_is_added_at_the_same_moment_is_not_lost(tmp_path):
    names = [f"officer {n}" for n in range(4)]
    for process in [adding(tmp_path, name) for name in names]:
        assert process.wait() == 0
    assert [p.name for p in gallery.read(tmp_path / "gallery").people] == names


def test_a_command_that_is_killed_locks_nobody_out_and_leaves_nothing(tmp_path):
    dies, folder = adding(tmp_path, "A", slow=600), tmp_path / "gallery"
    until = time.monotonic() + 60
    while not list(folder.glob(".gallery.json.*")) and time.monotonic() < until:
        time.sleep(0.05)
    dies.kill()
    dies.wait()
    assert list(folder.glob(".gallery.json.*"))
    assert adding(tmp_path, "B").wait() == 0
    assert [p.name for p in gallery.read(folder).people] == ["B"]
    assert sorted(p.name for p in folder.iterdir()) == [".gallery.lock", "gallery.json"]


# --- settings ---


def absent(*_a, **_k):
    raise ImportError("No module named 'dlib'")


def test_officers_alone_without_the_extra_blur_everyone(folder, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", absent)
    gallery.write(folder, gallery.read(folder).without("X"))
    known = build_screener(Settings(gallery=str(folder))).identifier
    assert known.embedder is None
    assert "No module named 'dlib'" in known.absent


def test_whoever_must_be_recognised_cannot_be_without_the_extra(folder, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", absent)
    with pytest.raises(SettingsError, match=r"media-screen\[identify\]"):
        build_screener(Settings(gallery=str(folder)))


def test_a_gallery_of_another_embedding_is_refused(folder, monkeypatch):
    other = Hue()
    other.spec = replace(SPEC, name="other")
    monkeypatch.setattr(config, "load_embedder", lambda *_a, **_k: other)
    with pytest.raises(SettingsError, match="not this one"):
        build_screener(Settings(gallery=str(folder)))


def test_a_verdict_rests_on_who_is_enrolled(folder, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", lambda *_a, **_k: Hue())
    settings = Settings(gallery=str(folder))
    before = identity(settings)
    assert identity(settings) == before
    assert identity(Settings()) != before
    spec = config.embedding_spec(settings.embedding)
    with monkeypatch.context() as other:
        other.setattr(config, "embedding_spec", lambda _name: replace(spec, take=0.1))
        assert identity(settings) != before
    gallery.write(folder, gallery.read(folder).without("X"))
    assert identity(settings) != before


def test_reason_needs_a_name_and_something_to_sign():
    for arguments in (["--reason", "x"], ["--blur", "nobody", "--reason", "x"], ["--blur", "nobody"]):
        done = CliRunner().invoke(cli, ["check", str(PORTRAIT), *arguments])
        assert isinstance(done.exception, SettingsError)


def test_batch_says_that_nobody_could_be_compared_or_knows_nobody(tmp_path):
    """As installed here: without the extra everyone is blurred; with it, this is nobody."""
    spec = config.embedding_spec("face_recognition")
    empty = gallery.Gallery(embedding=spec.name, embedding_sha256=spec.sha256)
    gallery.write(tmp_path / "g", empty.with_person(replace(person("A. Verma", "green"), vectors=((0.1,) * 128,))))
    command = [sys.executable, "-m", "media_screen", "batch", str(PORTRAIT), "--jobs", "1"]
    command += ["--gallery", str(tmp_path / "g"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (report,) = (tmp_path / "out" / "reports").glob("*.json")
    document = json.loads(report.read_text(encoding="utf-8"))
    is_installed = importlib.util.find_spec("dlib") is not None
    assert ("not installed" in document["identification"]["absent"]) != is_installed
    assert [reason["rule"] for reason in document["reasons"] if reason["action"] == "redact"] == ["faces"]
    (tmp_path / "g" / "gallery.json").write_text("{}")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2  # what was done before is not said again as if it still held
    assert "damaged" in again.stderr


@pytest.mark.parametrize("command", [["check"], ["batch", "--jobs", "1", "--out", "out"]])
def test_without_the_extra_the_terminal_says_that_nobody_is_recognised(tmp_path, command):
    """A package of that name that cannot be imported stands before the installed one, if there is one."""
    (tmp_path / "dlib.py").write_text('raise ImportError("none here")')
    spec = config.embedding_spec("face_recognition")
    empty = gallery.Gallery(embedding=spec.name, embedding_sha256=spec.sha256)
    gallery.write(tmp_path / "g", empty.with_person(replace(person("A. Verma", "green"), vectors=((0.1,) * 128,))))
    paths = [str(tmp_path), str(Path(config.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "media_screen", *command, str(PORTRAIT), "--gallery", "g"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.stderr.count("Nobody is recognised, and everyone is blurred: the embedding face_recognition") == 1
    assert "media-screen[identify]" in done.stderr
