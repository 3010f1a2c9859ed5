"""Who is known stays visible; everybody else, and whoever is not known for certain, is painted, in every frame."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import get_args

import cv2
import jsonschema
import numpy as np
import pytest
import yaml
from clips import Clip, make_clip
from faces import SPEC, TODAY, Hue, head, identifier, person, screener, side_by_side
from PIL import Image
from test_yolo import network

from media_screen import Verdict, config, pipeline
from media_screen.config import Settings, build_screener, declared, load_policy
from media_screen.decode import Faults, shots
from media_screen.detect import ModelSpec
from media_screen.errors import FileError, SettingsError
from media_screen.identify import gallery
from media_screen.policy import decide, waive
from media_screen.probe import probe
from media_screen.report import html_report, json_report, text_report
from media_screen.types import Blur, Box, Detection, ModelInfo, Role

SETTINGS = Settings(threads=1)
SCHEMA = Path(json_report.__file__).with_name("schema.json")
SIGNED = Blur(mode="nobody", by="Insp. Rao", reason="all have agreed in writing")


@pytest.fixture
def two(tmp_path):
    """A green person left of a blue one."""
    path = tmp_path / "two.png"
    Image.fromarray(side_by_side("green", "blue")).save(path)
    return path


def detail(picture):
    """Fine structure: what a face is recognised by and cells of an eighth do not have."""
    return float(cv2.Laplacian(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def shown(path, out, report):
    """Whether the left and the right face of the copy still have their detail."""
    before, after = np.asarray(Image.open(path)), np.asarray(Image.open(out / report.output.name))
    places = [(slice(80, 170), slice(140, 220)), (slice(80, 170), slice(420, 500))]
    return [detail(after[p]) > 0.5 * detail(before[p]) for p in places]


def roles(report):
    return sorted(f.role for f in report.evidence.findings if f.kind == "track")


def test_exactly_the_officer_stays_visible(tmp_path, two):
    report = screener(SETTINGS, person("A. Verma", "green")).screen(two, tmp_path / "out")
    assert (report.disposition, roles(report)) == ("cleared", ["officer", "unknown"])
    assert shown(two, tmp_path / "out", report) == [True, False]
    (why,) = [f.identity for f in report.evidence.findings if f.role == "officer"]
    assert (why.name, why.agreeing, why.looks) == ("A. Verma", 1, 1)
    assert why.distance <= 0.25


def test_without_a_gallery_everyone_is_blurred_and_nothing_is_compared(tmp_path, two):
    report = build_screener(SETTINGS).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [False, False]
    assert report.identification is None


@pytest.mark.parametrize(
    ("people", "today"),
    [
        ((), TODAY),  # removed
        ((person("A. Verma", "green", expires=date(2026, 11, 24)),), TODAY),  # expired
        ((person("A. Verma", "red"),), TODAY),  # somebody else
    ],
)
def test_who_is_removed_expired_or_another_is_blurred(tmp_path, two, people, today):
    report = screener(SETTINGS, *people, today=today).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [False, False]
    assert report.disposition == "cleared"


def test_an_expired_enrolment_is_said(tmp_path, two):
    known = person("A. Verma", "green", expires=date(2026, 11, 24))
    report = screener(SETTINGS, known).screen(two, tmp_path / "out")
    assert report.identification.expired == 1
    text = text_report.render(json_report.document(report))
    assert "expired" in text
    assert "Verma" not in text


def test_the_last_day_still_holds(tmp_path, two):
    report = screener(SETTINGS, person("A. Verma", "green", expires=TODAY)).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [True, False]


def test_two_alike_are_both_blurred(tmp_path, two):
    report = screener(SETTINGS, person("A", "green"), person("B", "green")).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [False, False]
    assert {f.identity.unsure for f in report.evidence.findings if f.kind == "track"} >= {"two-alike"}


def test_an_absent_embedding_blurs_everyone_and_is_said(tmp_path, two):
    known = replace(identifier(person("A", "green")), embedder=None, absent="dlib is not installed")
    report = replace(build_screener(SETTINGS), identifier=known).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [False, False]
    assert "dlib is not installed" in text_report.render(json_report.document(report))


def test_whoever_is_protected_is_painted_as_a_whole_and_held(tmp_path):
    tall = np.concatenate([side_by_side("green", "blue"), np.random.default_rng(0).integers(0, 255, (420, 640, 3))])
    path = tmp_path / "tall.png"
    Image.fromarray(tall.astype(np.uint8)).save(path)
    report = screener(SETTINGS, person("Z. Khan", "blue", "protected")).screen(path, tmp_path / "out")
    assert (report.verdict, report.disposition) == (Verdict.REVIEW, "held")
    after = np.asarray(Image.open(tmp_path / "out" / report.output.name))
    body, elsewhere = (slice(300, 600), slice(400, 520)), (slice(400, 690), slice(20, 60))
    assert detail(after[body]) < 0.1 * detail(tall[body].astype(np.uint8))
    assert detail(after[elsewhere]) > 0.5 * detail(tall[elsewhere].astype(np.uint8))
    told = json.dumps(json_report.document(report), allow_nan=False)  # as reports are written
    assert "Z. Khan" not in told  # whoever is hidden is not named either


ARM, BEYOND, BYSTANDER = (slice(320, 660), slice(700, 860)), (slice(320, 660), slice(900, 950)), (380, 660, 100, 240)


@pytest.fixture
def wide(tmp_path):
    """A green person, and a blue one who fills the right: farther than a head would be enlarged to a figure."""
    noise = np.random.default_rng(0).integers(0, 255, (704, 960, 3), np.uint8)
    noise[:280, :640] = side_by_side("green", "blue")
    path = tmp_path / "wide.png"
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture
def person_model(tmp_path, monkeypatch):
    """A manifest of one's own: a network that sees a person on the left, and one from the middle to the right."""
    file = network(tmp_path / "people.onnx", boxes=[(170.0, 370.0, 180.0, 640.0), (620.0, 370.0, 520.0, 640.0)])
    row = {
        "name": "people", "runtime": "yolo", "file": file.name, "licence": "none",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "labels": ["person", "vehicle", "cash"], "score": 0.3,
        "low_score": 0.2, "picture_px": 960, "frame_px": 960, "period_s": "1/2",
    }  # fmt: skip
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": [row]}), encoding="utf-8")
    monkeypatch.setenv(config.OWN_MODELS, str(tmp_path / "models.yaml"))


def hidden_by(path, out, known):
    """Which of arm, what lies beyond it, and the bystander's body have lost their detail; and the report."""
    report = known.screen(path, out)
    assert (report.verdict, report.disposition) == (Verdict.REVIEW, "held")
    before, after = np.asarray(Image.open(path)), np.asarray(Image.open(out / report.output.name))
    y1, y2, x1, x2 = BYSTANDER
    places = (ARM, BEYOND, (slice(y1, y2), slice(x1, x2)))
    return [detail(after[p]) < 0.1 * detail(before[p]) for p in places], report


def gallery_of(folder, *people):
    gallery.write(folder, gallery.Gallery(embedding="hue", embedding_sha256="0" * 64, people=people))
    return replace(SETTINGS, gallery=str(folder))


@pytest.mark.usefixtures("person_model")
def test_a_detector_for_people_gives_the_whole_figure_of_whoever_is_protected(tmp_path, wide, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", lambda *_a, **_k: Hue())
    known = build_screener(gallery_of(tmp_path / "g", person("Z. Khan", "blue", "protected")))
    hidden, report = hidden_by(wide, tmp_path / "out", known)
    assert hidden == [True, False, False]
    assert {look.detector for look in report.evidence.coverage.looks} == {"faces", "people", "screening"}


def test_without_one_a_head_is_enlarged_to_a_figure_and_an_arm_may_stay(tmp_path, wide):
    hidden, _ = hidden_by(wide, tmp_path / "out", screener(SETTINGS, person("Z. Khan", "blue", "protected")))
    assert hidden == [False, False, False]


@pytest.mark.usefixtures("person_model")
def test_nobody_elses_figure_goes(tmp_path, wide, monkeypatch):
    monkeypatch.setattr(config, "load_embedder", lambda *_a, **_k: Hue())
    report = build_screener(gallery_of(tmp_path / "g", person("A", "red"))).screen(wide, tmp_path / "out")
    before, after = np.asarray(Image.open(wide)), np.asarray(Image.open(tmp_path / "out" / report.output.name))
    assert detail(after[ARM]) > 0.5 * detail(before[ARM])
    assert report.disposition == "cleared"


@pytest.mark.parametrize(
    ("facts", "disposition"),
    [({"parade": "pending"}, "held"), ({}, "held"), ({"parade": "none"}, "held"), ({"parade": "done"}, "cleared")],
)
def test_an_accused_is_blurred_and_held_until_the_parade_is_over(tmp_path, two, facts, disposition):
    settings = replace(SETTINGS, facts=declared(facts, "test"))
    report = screener(settings, person("X", "green", "accused"), person("A", "blue")).screen(two, tmp_path / "out")
    assert (report.disposition, roles(report)) == (disposition, ["accused", "officer"])
    assert json.dumps(json_report.document(report), allow_nan=False)  # as reports are written
    assert shown(two, tmp_path / "out", report) == [False, True]


def test_everyone_means_everyone(tmp_path, two):
    settings = replace(SETTINGS, blur=Blur(mode="everyone"))
    report = screener(settings, person("A", "green")).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [False, False]


def test_nobody_needs_a_name_and_a_reason():
    for blur in (Blur(mode="nobody"), Blur(mode="nobody", by="Rao")):
        with pytest.raises(SettingsError, match="--reason"):
            build_screener(replace(SETTINGS, blur=blur))


def test_nobody_signed_leaves_faces_and_says_who_signed(tmp_path, two):
    settings = replace(SETTINGS, blur=SIGNED)
    report = build_screener(settings).screen(two, tmp_path / "out")
    assert shown(two, tmp_path / "out", report) == [True, True]
    assert "Insp. Rao signed for it" in text_report.render(json_report.document(report))


def test_no_signature_shows_the_protected(tmp_path, two):
    settings = replace(SETTINGS, blur=SIGNED)
    report = screener(settings, person("Z. Khan", "blue", "protected")).screen(two, tmp_path / "out")
    assert report.disposition == "held"
    assert not shown(two, tmp_path / "out", report)[1]


def test_a_waiver_of_everybody_leaves_out_the_protected(two):
    report = screener(SETTINGS, person("Z. Khan", "blue", "protected"), person("A", "green")).check(two)
    policy = load_policy("minimal")
    waived = waive(decide(policy, report.evidence), report.evidence, get_args(Role))
    hidden = {report.evidence.findings[i].role for i in waived.redact_tracks}
    assert hidden == {"protected"}
    assert waived.verdict == Verdict.REVIEW


def test_all_but_officers_unsigned_changes_no_stricter_policy(tmp_path, two):
    policy = tmp_path / "all.yaml"
    policy.write_text(
        "name: all\nversion: 1\ntitle: {en: All, hi: सब}\nsource: a test\nrules:\n  - {id: faces, clause: 1,"
        " when: {label: face}, action: redact, text: {en: faces, hi: चेहरे}, todo: {en: look, hi: देखें}}\n",
        encoding="utf-8",
    )
    for by, visible in (("", [False, False]), ("Insp. Rao", [True, False])):
        blur = Blur(mode="all-but-officers", by=by, reason="asked" if by else "")
        settings = replace(SETTINGS, policy=str(policy), blur=blur)
        report = screener(settings, person("A", "green")).screen(two, tmp_path / f"out{by}")
        assert shown(two, tmp_path / f"out{by}", report) == visible


def test_the_report_says_why_and_shows_nobody_else(tmp_path, two):
    report = screener(SETTINGS, person("<b>A. Verma", "green")).screen(two, tmp_path / "out")
    doc = json_report.document(report)
    jsonschema.validate(doc, json.loads(SCHEMA.read_text(encoding="utf-8")))
    page = html_report.render(doc)
    assert "&lt;b&gt;A. Verma stays visible: 1 of 1 look agree, distance" in page
    assert "<b>A. Verma" not in page


def test_a_gallery_that_changes_under_a_warm_screener_counts_at_once(tmp_path, two):
    current = [identifier(person("A", "green")).gallery]
    known = replace(identifier(person("A", "green")), read=lambda: current[0])
    warm = replace(build_screener(SETTINGS), identifier=known)
    assert shown(two, tmp_path / "1", warm.screen(two, tmp_path / "1")) == [True, False]
    current[0] = identifier().gallery
    assert shown(two, tmp_path / "2", warm.screen(two, tmp_path / "2")) == [False, False]


def test_a_gallery_that_cannot_be_read_any_more_is_an_error(tmp_path, two):
    def gone():
        raise SettingsError("gallery: damaged")

    known = replace(identifier(person("A", "green")), read=gone)
    report = replace(build_screener(SETTINGS), identifier=known).screen(two, tmp_path / "out")
    assert report.verdict == Verdict.ERROR
    assert not list((tmp_path / "out").rglob("*.png"))


def test_an_embedding_that_fails_is_an_error_of_that_file(tmp_path, two):
    class Broken(Hue):
        def encode(self, portraits):
            raise FileError(f"the embedding did not run on {len(portraits)}")

    report = screener(SETTINGS, person("A", "green"), embedder=Broken()).screen(two, tmp_path / "out")
    assert report.verdict == Verdict.ERROR


# --- films ---


FACE = (slice(22, 80), slice(38, 80))  # of a head of 120 px


def walking(index):
    """Where the heads of the two stand, who cross: the blue one behind."""
    return {"blue": 340 - index * 6 if index < 56 else 4, "green": 20 + index * 6 if index < 56 else 356}


def changing(index):
    """One place, and in it one head and then another: what a tracker that changes over would take for one."""
    return {"green" if index < 40 else "blue": 100}


def leaving(index):
    """Somebody leaves, and comes back in another light, beside somebody else."""
    if index < 30:
        return {"green": 100}
    return {"dusk": 100, "blue": 300} if index >= 65 else {}


def scene_of(places):
    def scene(index, size):
        frame = np.full((size[1], size[0], 3), (120, 118, 112), np.uint8)
        for tint, left in places(index).items():
            frame[60:180, left : left + 120] = head(tint, 120)
        return frame

    return scene


def film(folder, places, frames=80):
    times = tuple(range(0, 3 * frames, 3))
    return make_clip(folder, Clip(size=(480, 272), scene=scene_of(places), times=times))


def pictures(path):
    return [shot.frame(4096).pixels for shot in shots(probe(path), Faults())]


def visible(source, copy, places, tint):
    """Frames in which the face of that colour, where nobody stands before it, still has its detail."""
    seen, free = [], 0
    for n, (before, after) in enumerate(zip(pictures(source), pictures(copy), strict=True)):
        standing = places(n)
        if tint not in standing or any(abs(standing[tint] - x) < 100 for t, x in standing.items() if t != tint):
            continue
        free += 1
        left = standing[tint]
        place = tuple(slice(s.start + o, s.stop + o) for s, o in zip(FACE, (60, left), strict=True))
        if detail(after[place]) > 0.5 * detail(before[place]):
            seen.append(n)
    return seen, free


def test_two_who_cross_are_not_mistaken_for_each_other(tmp_path):
    source = film(tmp_path, walking)
    report = screener(SETTINGS, person("A", "green")).screen(source, tmp_path / "out")
    copy = tmp_path / "out" / report.output.name
    assert visible(source, copy, walking, "blue")[0] == []
    seen, free = visible(source, copy, walking, "green")
    assert len(seen) >= 0.7 * free


def test_a_track_that_changes_over_is_cut_and_the_other_is_painted(tmp_path):
    source = film(tmp_path, changing)
    report = screener(SETTINGS, person("A", "green")).screen(source, tmp_path / "out")
    copy = tmp_path / "out" / report.output.name
    assert visible(source, copy, changing, "blue")[0] == []
    seen, free = visible(source, copy, changing, "green")
    assert len(seen) >= 0.7 * free
    assert set(roles(report)) == {"officer", "unknown"}


@pytest.mark.parametrize(("take", "is_seen"), [(0.15, True), (0.0, False)])
def test_who_comes_back_in_another_light_is_known_by_the_film_itself(tmp_path, take, is_seen):
    source = film(tmp_path, leaving, frames=110)
    eyes = Hue()
    eyes.spec = replace(SPEC, distance=0.1, other=0.3, take=take)
    report = screener(SETTINGS, person("A", "green"), embedder=eyes).screen(source, tmp_path / "out")
    copy = tmp_path / "out" / report.output.name
    assert len(visible(source, copy, leaving, "green")[0]) > 20
    assert visible(source, copy, leaving, "blue")[0] == []
    assert (len(visible(source, copy, leaving, "dusk")[0]) > 30) == is_seen
    said = " ".join(text_report.render(json_report.document(report)).split())
    assert ("from where the file shows the same person for certain" in said) == is_seen


def test_the_second_look_finds_whom_the_first_took_for_an_officer(tmp_path, monkeypatch):
    """The first look names the whole track; the copy is looked at anew, and the other face is painted."""
    source = film(tmp_path, changing)
    known = screener(SETTINGS, person("A", "green"))
    honest, calls = pipeline.recognise, []

    def careless(evidence, identifier, sure, **more):
        calls.append(evidence)
        named = honest(evidence, identifier, sure, **more)
        if len(calls) > 1:
            return named
        officer = next(t.identity for t in named.tracks if t.identity.role == "officer")
        return replace(named, tracks=tuple(replace(t, identity=officer) for t in evidence.tracks))

    monkeypatch.setattr(pipeline, "recognise", careless)
    report = known.screen(source, tmp_path / "out")
    copy = tmp_path / "out" / report.output.name
    assert visible(source, copy, changing, "blue")[0] == []
    assert len(visible(source, copy, changing, "green")[0]) > 20


def test_a_film_of_officers_alone_passes_untouched(tmp_path):
    source = film(tmp_path, lambda _: {"green": 100}, frames=40)
    report = screener(SETTINGS, person("A", "green")).screen(source, tmp_path / "out")
    assert report.output.changed in ("copied", "stripped")
    assert report.verification.frames_looked > 0  # even so, the copy was looked at again


class People:
    """A detector of people, by the colour of their heads: a figure is all below, and an arm far to the right."""

    spec = ModelSpec(
        name="people", runtime="test", file="", sha256="", licence="none", labels=("person",), score=0.5, low_score=0.3,
        picture_px=4096, frame_px=960, period_s=Fraction(1, 2),
    )  # fmt: skip
    model = ModelInfo(name="people", sha256="0" * 64)

    def detect(self, frames, min_score):
        return [[d for d in self._found(frame) if d.score >= min_score] for frame in frames]

    def _found(self, frame):
        red, green, blue = (frame.pixels[60:180, :, c].astype(float) for c in range(3))
        found = []
        for own, others in ((blue, red + green), (green, red + blue)):
            columns = np.flatnonzero((own > 0.75 * others + 12).mean(axis=0) > 0.3)
            if columns.size:
                left = float(columns.min() - 20)
                box = Box(x1=left, y1=50, x2=left + 380, y2=272).clipped(frame.width_px, frame.height_px)
                found.append(Detection(label="person", score=0.9, box=box, detector="people"))
        return found


def test_the_whole_figure_goes_in_every_frame_of_a_film(tmp_path):
    places, noise = (lambda n: {"blue": 4 + n}), np.random.default_rng(0).integers(0, 255, (30, 120, 3), np.uint8)
    arm = (slice(230, 260), slice(300, 370))  # of every frame; farther away than a head is enlarged

    def scene(index, size):
        frame = np.array(scene_of(places)(index, size))
        frame[230:260, 290:410] = noise
        return frame

    source = make_clip(tmp_path, Clip(size=(480, 272), scene=scene, times=tuple(range(0, 90, 3))))
    known = screener(SETTINGS, person("Z. Khan", "blue", "protected"))
    shares = []
    for detectors in (known.detectors, (*known.detectors, People())):
        out = tmp_path / f"out{len(detectors)}"
        report = replace(known, detectors=detectors).screen(source, out)
        assert report.disposition == "held"
        both = zip(pictures(source), pictures(out / report.output.name), strict=True)
        shares.append([detail(after[arm]) / detail(before[arm]) for before, after in both])
    assert min(shares[0]) > 0.5
    assert max(shares[1]) < 0.1


def test_check_tells_it_as_well(tmp_path):
    source = film(tmp_path, lambda _: {"green": 100}, frames=40)
    report = screener(SETTINGS, person("A", "green")).check(source)
    assert roles(report) == ["officer"]
    assert build_screener(SETTINGS).check(source).verdict == Verdict.REDACT


def test_a_stranger_is_looked_at_a_few_times_only(tmp_path):
    source = film(tmp_path, lambda _: {"blue": 100})
    eyes = Hue()
    screener(SETTINGS, person("A", "green"), embedder=eyes).check(source)
    assert 1 <= eyes.asked <= 5
