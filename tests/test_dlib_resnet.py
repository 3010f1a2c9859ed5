"""The embedding of face-recognition: the same numbers as that package gives, alone and among others. With the extra."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faces import PORTRAIT, TODAY, head
from PIL import Image, ImageOps

from media_screen.config import Settings, build_screener, load_detectors, load_embedder
from media_screen.identify.dlib_resnet import LOWER, models_folder, turn
from media_screen.identify.enrolment import Photo, enrolled, judged
from media_screen.identify.gallery import Gallery
from media_screen.identify.smear import smeared
from media_screen.recognise import Identifier, faces_in
from media_screen.types import Box, Portrait

pytest.importorskip("dlib", reason="the extra [identify] is not installed")
SHARED = Path(__file__).parents[2] / "shared" / "data" / "faces" / "identities"


@pytest.fixture(scope="module")
def embedder():
    return load_embedder("face_recognition")


@pytest.fixture(scope="module")
def portrait():
    (found,) = faces_in(PORTRAIT, load_detectors({"face"}, threads=1)[0])
    return found


def test_the_same_alone_and_among_others(embedder, portrait):
    other = Portrait(pixels=head("blue"), box=Box(x1=70, y1=50, x2=150, y2=130), size_px=90.0)
    alone = embedder.encode([portrait])[0].vector
    assert np.array_equal(alone, embedder.encode([other, portrait])[1].vector)
    assert alone.shape == (128,)


def test_the_same_person_smaller_and_recoded_is_near(embedder, portrait, tmp_path):
    with Image.open(PORTRAIT) as image:
        upright = ImageOps.exif_transpose(image)
        upright.resize((image.height // 2, image.width // 2)).save(tmp_path / "small.jpg", quality=60)
    (face,) = faces_in(tmp_path / "small.jpg", load_detectors({"face"}, threads=1)[0])
    a, b = (e.vector for e in embedder.encode([portrait, face]))
    assert np.linalg.norm(a - b) < embedder.spec.distance


def test_who_moves_is_known_by_smeared_photos_alone(embedder, portrait, tmp_path):
    """The same picture, smeared: visible where its photo was enrolled smeared as well, blurred where it was not."""
    path = tmp_path / "moved.png"
    pixels = smeared(portrait).pixels
    Image.fromarray(np.pad(pixels, ((40, 40), (40, 40), (0, 0)), mode="edge")).save(path)
    good, _ = judged([Photo(name="a.jpg", portraits=(portrait,))], embedder)
    empty = Gallery(embedding=embedder.spec.name, embedding_sha256=embedder.spec.sha256)
    given = {"name": "A", "role": "officer", "reason": "test", "today": TODAY, "expires": TODAY}
    known, before = (enrolled(empty, photos, **given) for photos in (good, [replace(good[0], smeared=None)]))
    for gallery, role in ((known, "officer"), (before, "unknown")):
        known_as = Identifier(gallery=gallery, embedder=embedder, today=lambda: TODAY)
        screener = replace(build_screener(Settings(threads=1)), identifier=known_as)
        (finding,) = [f for f in screener.check(path).evidence.findings if f.label == "face"]
        assert finding.role == role
        assert finding.identity.smeared == (role == "officer")


def test_it_is_what_face_recognition_says(embedder, portrait):
    """By its own definition: its landmarks and its network, on our square."""
    import dlib

    folder = models_folder()
    points = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))
    box = portrait.box
    half = (box.width_px + box.height_px) / 4
    (x, y), side = box.centre, 2 * half
    square = dlib.rectangle(int(x - half), int(y + LOWER * side - half), int(x + half), int(y + LOWER * side + half))
    pixels = np.ascontiguousarray(portrait.pixels)
    theirs = np.asarray(network.compute_face_descriptor(pixels, points(pixels, square)))
    assert np.linalg.norm(embedder.encode([portrait])[0].vector - theirs) < 0.15  # but for the scaling


def test_a_face_that_looks_aside_is_told_from_one_that_does_not():
    frontal = [(100, 50), (80, 50), (20, 50), (40, 50), (60, 90)]
    aside = [(100, 50), (80, 50), (20, 50), (40, 50), (90, 90)]
    assert turn(frontal) == pytest.approx(0)
    assert turn(aside) == pytest.approx(1)


def test_batch_keeps_the_officer_until_he_is_removed(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "media_screen", *map(str, arguments), "--gallery", str(tmp_path / "g")]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    def reasons():
        run("batch", PORTRAIT, "--out", tmp_path / "out", "--jobs", "1")
        (report,) = (tmp_path / "out" / "reports").glob("*.json")
        return [r["rule"] for r in json.loads(report.read_text(encoding="utf-8"))["reasons"] if r["action"] == "redact"]

    run("gallery", "add", "--role", "officer", "--reason", "public portrait", "E. Collins", PORTRAIT)
    assert reasons() == []
    run("gallery", "remove", "E. Collins")
    assert reasons() == ["faces"]  # the same batch again: what was done rested on who was enrolled


def test_people_are_told_apart(embedder):
    if not SHARED.is_dir():
        pytest.skip("no shared pictures of people here")
    detector = load_detectors({"face"}, threads=1)[0]
    faces = [faces_in(SHARED / name, detector)[0] for name in ("kohli/11.jpg", "kohli/13.jpg", "dhoni/00.jpg")]
    a, b, c = (e.vector for e in embedder.encode(faces))
    assert np.linalg.norm(a - b) < embedder.spec.distance < embedder.spec.other < np.linalg.norm(a - c)
