"""The screening detector that ships, on pictures that its training did not see."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_screen import Verdict, check, screen
from media_screen.config import build_detector, load_manifest
from media_screen.types import Frame

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
SAMPLES = ROOT / "data" / "samples"
FIREARMS = {"handgun", "long_gun"}

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data beside the repository")


@cache
def detector():
    (spec,) = (row for row in load_manifest() if row.name == "screening")
    return build_detector(spec, threads=1)


def seen(path):
    """Labels that reach their operating points."""
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    frame = Frame(index=0, time_s=Fraction(0), pixels=pixels, width_px=pixels.shape[1], height_px=pixels.shape[0])
    spec = detector().spec
    (found,) = detector().detect([frame], spec.low_score)
    return {d.label for d in found if d.score >= spec.score_of(d.label)}


def some(folder, most=30):
    """Pictures of a set that is for testing alone, the same ones every time."""
    paths = (DATA / folder / "images").iterdir()
    return sorted(paths, key=lambda p: hashlib.sha256(p.name.encode()).hexdigest())[:most]


def share_with(folder, labels):
    pictures = some(folder)
    return sum(bool(seen(path) & labels) for path in pictures) / len(pictures)


def test_it_takes_an_astronaut_for_no_police_car_and_no_goods():
    found = {label for name in ("portrait, held upright.jpg", "गश्त patrol.jpg") for label in seen(SAMPLES / name)}
    assert not found & {"police_vehicle", "vehicle", "knife", "cash", "liquor_bottle", "drug_packet"}
    assert detector().spec.labels[0] == "person"


@needs_data
def test_it_finds_firearms_in_film_stills_and_none_at_police_events():
    assert share_with("arms/guns_sasank", FIREARMS) >= 0.7
    assert share_with("arms/neg_indian_police_events", FIREARMS) <= 0.2


@needs_data
def test_it_finds_officers_of_several_forces():
    assert share_with("police/in_forces_himanshu", {"police_officer", "military_person"}) >= 0.8


@needs_data
def test_a_report_names_the_clause_and_what_was_seen(tmp_path):
    path = next(p for p in some("arms/guns_sasank") if "handgun" in seen(p))
    report = screen(path, tmp_path, policy="up-police-2023")
    reasons = {reason.rule: reason for reason in report.decision.reasons}
    assert reasons["recovered"].clause == "28"
    assert "handgun" in reasons["recovered"].text
    assert report.verdict is Verdict.BLOCK  # nobody said from which account: clause 31
    assert {look.detector for look in report.evidence.coverage.looks} == {"faces", "screening"}


@needs_data
def test_notes_laid_out_are_a_scene_whatever_was_declared(tmp_path):
    notes = [p for p in some("arms/bdt_taka", 60) if seen(p) == {"cash"}][:4]
    table = Image.new("RGB", (1000, 700), (96, 74, 58))
    for number, path in enumerate(notes):
        with Image.open(path) as note:
            note.thumbnail((420, 300))
            table.paste(note, (40 + number % 2 * 470, 30 + number // 2 * 340))
    table.save(tmp_path / "table.png")
    report = check(tmp_path / "table.png", policy="up-police-2023", facts={"sealed": "none"})
    (scene,) = (reason for reason in report.decision.reasons if reason.rule == "laid-out")
    assert "piles of cash laid out together" in scene.text
    assert len(scene.findings) >= 3
    assert report.verdict >= Verdict.REVIEW
