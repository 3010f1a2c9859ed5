"""One file, path to Report: nothing unexamined passes, nothing unverified is published, no original changes."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import Clip, make_clip
from PIL import Image

import media_screen
from media_screen import Verdict, config, examine, metadata, pipeline, second_look, thumbnails, write
from media_screen.config import Settings, build_detector, build_screener, load_manifest, load_policy
from media_screen.errors import DetectorFailed, SettingsError
from media_screen.pipeline import Limits
from media_screen.redact import Redactor
from media_screen.types import Box, Detection, Frame, Sighting, Track

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
PLACE = SAMPLES / "गश्त patrol.jpg"
CLEAN = SAMPLES / "nothing to hide.png"
FILM = SAMPLES / "walk past 🚔.mp4"
TURNED = SAMPLES / "turned.mov"

REVIEW = """
name: ask
version: 1
title: {en: Ask, hi: पूछें}
source: a test
rules:
  - id: faces
    clause: 27
    when: {label: face}
    action: redact
    text: {en: faces are blurred, hi: चेहरे धुंधले}
  - id: who
    clause: 13
    when: {label: face}
    action: %s
    text: {en: who is this, hi: यह कौन है}
"""
NOTHING = """
name: nothing
version: 1
title: {en: Nothing, hi: कुछ नहीं}
source: a test
rules:
  - id: note
    clause: 1
    when: {label: face}
    action: note
    text: {en: faces are seen, hi: चेहरे दिखे}
"""


@pytest.fixture(scope="module")
def screener():
    return build_screener(Settings())


@pytest.fixture
def policy_of(tmp_path_factory):
    def made(text: str):
        path = tmp_path_factory.mktemp("policy") / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        return load_policy(str(path))

    return made


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def state(path: Path) -> tuple[str, int, int]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_mode


# --- what goes where ---


def test_check_writes_nothing_and_changes_nothing(screener, tmp_path):
    for sample in (PORTRAIT, FILM, CLEAN):
        mine = tmp_path / sample.name
        shutil.copy(sample, mine)
        before = state(mine)
        report = screener.check(mine)
        assert report.disposition == "checked"
        assert state(mine) == before
    assert len(files_in(tmp_path)) == 3


def moving(tmp_path, *, face: bool) -> Path:
    """A film with B-frames to which none refers, and no metadata."""

    def room(index, size):
        rgb = np.full((size[1], size[0], 3), (90, 110, 120), np.uint8)
        rgb[20:40, 2 * index : 2 * index + 30] = (160, 150, 140)
        if face:
            rgb[60:220, 120:280] = np.asarray(Image.open(SAMPLES / "wrong name.jpg").crop((60, 0, 220, 160)))
        return rgb

    options = {"bf": "2", "b-pyramid": "none", "x264-params": "log-level=none:sps-id=0"}
    path = make_clip(tmp_path, Clip(size=(480, 272), options=options, scene=room, times=tuple(range(0, 180, 3))))
    clean = tmp_path / "clean"
    clean.mkdir()
    metadata.handler_for("mp4").strip(path, clean / path.name, metadata.NOTHING)
    return clean / path.name


def test_a_ruling_alone_leaves_out_frames_to_which_no_other_refers(screener, tmp_path):
    path = moving(tmp_path, face=True)
    report, whole = screener.check(path), screener.screen(path, tmp_path / "out")
    assert (report.verdict, whole.verdict) == (Verdict.REDACT, Verdict.REDACT)
    coverage = report.evidence.coverage
    assert coverage.frames_skipped > 20
    assert coverage.frames_decoded + coverage.frames_skipped == whole.evidence.coverage.frames_decoded == 60
    assert whole.evidence.coverage.frames_skipped == 0
    assert [f.label for f in report.evidence.findings] == ["face"]


def test_nothing_passes_before_every_frame_was_decoded(screener, tmp_path):
    report = screener.check(moving(tmp_path, face=False))
    assert report.verdict == Verdict.PASS
    assert (report.evidence.coverage.frames_decoded, report.evidence.coverage.frames_skipped) == (60, 0)


def test_a_clean_file_is_copied_byte_for_byte(screener, tmp_path):
    report = screener.screen(CLEAN, tmp_path)
    assert (report.verdict, report.disposition, report.output.changed) == (Verdict.PASS, "cleared", "copied")
    assert (tmp_path / "cleared" / CLEAN.name).read_bytes() == CLEAN.read_bytes()


def test_a_file_that_a_person_must_see_is_redacted_and_held(screener, policy_of, tmp_path):
    report = replace(screener, policy=policy_of(REVIEW % "review")).screen(PORTRAIT, tmp_path)
    assert (report.verdict, report.disposition) == (Verdict.REVIEW, "held")
    assert report.output.changed == "redacted"
    assert files_in(tmp_path) == [f"held/{PORTRAIT.name}"]


def test_a_blocked_file_leaves_no_media(screener, policy_of, tmp_path):
    report = replace(screener, policy=policy_of(REVIEW % "block")).screen(PORTRAIT, tmp_path)
    assert (report.verdict, report.disposition, report.output) == (Verdict.BLOCK, "blocked", None)
    assert files_in(tmp_path) == []


def test_thumbnails_of_a_blocked_file_show_no_face(screener, policy_of, tmp_path):
    report = replace(screener, policy=policy_of(REVIEW % "block")).screen(PORTRAIT, tmp_path)
    jpeg = tmp_path / "thumbnail.jpg"
    jpeg.write_bytes(report.thumbnails[0].jpeg)
    assert screener.check(jpeg).evidence.media.width_px > 50
    with Image.open(jpeg) as image:
        luma = np.asarray(image.convert("L"), dtype=float)
    h, w = luma.shape
    middle = luma[h // 3 : h * 2 // 3, w // 3 : w * 2 // 3]
    assert np.abs(np.diff(middle, axis=1)).mean() < 4  # the same place in the portrait itself: above 8


def track(number, box):
    sighting = Sighting(
        frame_index=0, time_s=Fraction(0), detection=Detection(label="face", score=0.9, box=box, detector="faces")
    )
    return Track(track_id=number, label="face", sightings=(sighting,), start_s=Fraction(0), end_s=Fraction(0))


def test_a_face_at_the_rim_of_a_thumbnail_is_painted_as_coarsely_as_a_whole_one():
    pixels = np.random.default_rng(1).integers(0, 256, (600, 1200, 3), dtype=np.uint8)
    subject, neighbour = Box(x1=500, y1=200, x2=600, y2=300), Box(x1=680, y1=100, x2=1080, y2=500)
    frame = Frame(index=0, time_s=Fraction(0), pixels=pixels, width_px=1200, height_px=600)
    told = []

    class Told(Redactor):
        def paint(self, planes, regions):
            height, width = planes[0].samples.shape[:2]
            told.extend(region.box.clipped(width, height).width_px for region in regions)
            super().paint(planes, regions)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(thumbnails, "Redactor", Told)
        jpeg = thumbnails._thumbnail(frame, subject, [track(1, subject), track(2, neighbour)])
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.size == (240, 240)
        shown = np.asarray(image.convert("L"), dtype=float)
    share = 240 / 300
    assert told == pytest.approx(
        [170 * share, 660 * share], abs=2
    )  # of the neighbour too, though most is beyond the rim
    assert np.abs(np.diff(shown[60:180, 170:], axis=1)).mean() < 4  # of the neighbour: noise alone is above 60
    assert np.abs(np.diff(shown[:20, :60], axis=1)).mean() > 10  # nobody there


def test_metadata_goes_even_where_nothing_is_painted(screener, tmp_path):
    report = screener.screen(PLACE, tmp_path)
    assert report.output.changed == "stripped"
    assert {f.label for f in report.removed} == {"location", "device", "time"}
    assert screener.check(tmp_path / "cleared" / PLACE.name).verdict == Verdict.PASS


@pytest.mark.parametrize("sample", [PORTRAIT, FILM, TURNED, SAMPLES / "wrong name.jpg"], ids=lambda p: p.suffix)
def test_what_was_cleared_passes_a_check_but_for_the_blur_itself(screener, tmp_path, sample):
    screener.screen(sample, tmp_path)
    again = screener.check(tmp_path / "cleared" / sample.name)
    assert not [f for f in again.evidence.findings if f.kind == "tag"]


@pytest.mark.parametrize("style", ["mosaic", "fill"])
def test_other_styles_destroy_the_face_too(screener, tmp_path, style):
    report = replace(screener, style=style).screen(PORTRAIT, tmp_path)
    assert report.disposition == "cleared"
    with Image.open(tmp_path / "cleared" / PORTRAIT.name) as image:
        face = np.asarray(image.convert("RGB"))[60:130, 190:260].reshape(-1, 3)
    if style == "fill":
        assert face.max() < 12
    else:
        assert len(np.unique(face // 8, axis=0)) < 64


# --- what cannot be examined ---


def test_a_policy_that_needs_a_detector_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    faces = [row for row in load_manifest() if row.name == "faces"]
    monkeypatch.setattr(config, "load_manifest", lambda: faces)
    lacking = build_screener(Settings(policy="up-police-2023"))
    report = lacking.screen(CLEAN, tmp_path)
    assert (report.verdict, report.disposition) == (Verdict.ERROR, "error")
    assert "needs a detector" in report.error
    assert files_in(tmp_path) == []


def test_without_any_detector_nothing_passes(screener, tmp_path):
    report = replace(screener, detectors=()).screen(CLEAN, tmp_path)
    assert report.verdict == Verdict.ERROR
    assert files_in(tmp_path) == []


class Blind:
    """A detector whose runtime fails."""

    def __init__(self, real):
        self.spec, self.model = real.spec, real.model

    def detect(self, _frames, _min_score):
        raise DetectorFailed("detector faces did not run: no memory")


def test_a_detector_that_fails_is_an_error(screener, tmp_path):
    report = replace(screener, detectors=(Blind(screener.detectors[0]),)).screen(CLEAN, tmp_path)
    assert (report.verdict, report.error_type) == (Verdict.ERROR, "DetectorFailed")
    assert files_in(tmp_path) == []


def test_an_altered_model_is_refused(tmp_path, monkeypatch):

    (tmp_path / "models").mkdir()
    spec = load_manifest()[0]
    weights = bytearray((config.RESOURCES / "models" / spec.file).read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "models" / spec.file).write_bytes(weights)
    monkeypatch.setattr(config, "RESOURCES", tmp_path)
    with pytest.raises(SettingsError, match="sha256 differs"):
        build_detector(spec)
    (tmp_path / "models" / spec.file).unlink()
    with pytest.raises(SettingsError, match="missing"):
        build_detector(spec)


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(max_pixels=10_000), "max_pixels"), (Limits(max_duration_s=Fraction(1)), "max_duration_s")],
)
def test_beyond_the_limits_is_an_error_that_names_the_setting(screener, tmp_path, limits, words):
    report = replace(screener, limits=limits).screen(FILM, tmp_path)
    assert (report.verdict, report.error_type) == (Verdict.ERROR, "LimitExceeded")
    assert words in report.error


def test_an_animation_of_very_many_pixels_is_refused_before_it_is_decoded(screener, tmp_path):
    frames = [Image.new("RGB", (400, 300), (8 * n, 90, 30)) for n in range(30)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    limited = replace(screener, limits=Limits(max_animation_pixels=3_000_000))
    report = limited.screen(tmp_path / "a.gif", tmp_path / "out")
    assert report.error_type == "LimitExceeded"
    assert "max_animation_pixels" in report.error
    assert screener.check(tmp_path / "a.gif").error is None


def test_a_header_that_lies_about_the_length_does_not_pass_the_limit(screener, tmp_path, monkeypatch):
    real = pipeline.probe
    monkeypatch.setattr(pipeline, "probe", lambda path: replace(real(path), duration_s=None))
    limits = Limits(max_duration_s=Fraction(1))
    report = replace(screener, limits=limits).screen(FILM, tmp_path)
    assert report.error_type == "LimitExceeded"


# --- what the second look catches: each guard is broken on purpose ---


@pytest.mark.parametrize("sample", [PORTRAIT, FILM], ids=lambda p: p.suffix)
def test_a_redactor_that_paints_nothing_is_caught(screener, tmp_path, monkeypatch, sample):
    monkeypatch.setattr(Redactor, "paint", lambda *_: None)
    report = screener.screen(sample, tmp_path)
    assert (report.verdict, report.error_type) == (Verdict.ERROR, "VerificationFailed")
    assert "still there in frames" in report.error
    assert files_in(tmp_path) == []


def test_a_face_left_open_in_a_few_frames_is_caught_and_closed(screener, tmp_path, monkeypatch):
    real, rounds = pipeline.regions_at, []

    def leaky(tracks, time_s, width_px, height_px):
        rounds.append(len(tracks))
        first_round = len(tracks) == 2
        return [] if first_round and 1 < time_s < 1.5 else real(tracks, time_s, width_px, height_px)

    for room in (pipeline, second_look):  # it paints by them, and judges by them
        monkeypatch.setattr(room, "regions_at", leaky)
    report = screener.screen(FILM, tmp_path)
    assert report.disposition == "cleared"
    assert report.verification.renders == 2
    assert max(rounds) > 2


def test_tags_that_would_not_go_are_caught(screener, tmp_path, monkeypatch):
    handler = metadata.handler_for("jpeg")
    monkeypatch.setattr(handler, "strip", lambda source, target, _fields: shutil.copyfile(source, target))
    report = screener.screen(PLACE, tmp_path)
    assert (report.verdict, report.error_type) == (Verdict.ERROR, "StripFailed")
    assert "GPSLatitude" in report.error
    assert files_in(tmp_path) == []


def test_tags_that_our_reader_is_blind_to_are_caught_by_the_second(screener, tmp_path, monkeypatch):
    handler = metadata.handler_for("jpeg")
    monkeypatch.setattr(handler, "read", lambda _path: [])
    monkeypatch.setattr(handler, "strip", lambda source, target, _fields: shutil.copyfile(source, target))
    report = screener.screen(PLACE, tmp_path)
    assert (report.verdict, report.error_type) == (Verdict.ERROR, "StripFailed")
    assert "second reader: GPSLatitude" in report.error
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(("picture", "changed"), [(PLACE, "stripped"), (PORTRAIT, "redacted")])
def test_what_is_to_be_kept_is_kept_and_no_finding_in_the_copy(picture, changed, screener, tmp_path):
    keeping = replace(screener, keep=frozenset({"creator", "date"}))
    source = tmp_path / "named.jpg"
    with Image.open(picture) as image:
        block = image.getexif()
        block[0x013B] = "A. Sharma"
        block[0x0132] = "2026:01:26 10:00:00"
        image.save(source, exif=block)
    report = keeping.screen(source, tmp_path / "out")
    assert report.disposition == "cleared", report.error
    assert report.output.changed == changed
    assert "kept as asked: creator, date" in report.notes
    copy = tmp_path / "out" / report.output.name
    with Image.open(copy) as image:
        kept = {number: value for number, value in image.getexif().items() if number != 0x0112}
    assert kept == {0x013B: "A. Sharma", 0x0132: "2026:01:26 10:00:00"}
    assert keeping.check(copy).verdict == Verdict.PASS
    assert screener.check(copy).verdict == Verdict.REDACT


def test_a_lost_frame_is_caught(screener, tmp_path, monkeypatch):
    def lossy(info, _paint, part, **_):
        import av

        with av.open(str(info.path)) as source, av.open(str(part), "w", format="mp4") as target:
            video, sound = source.streams.video[0], source.streams.audio[0]
            out = {s.index: target.add_stream_from_template(s) for s in (video, sound)}
            packets = [p for p in source.demux(video, sound) if p.dts is not None]
            last = max(i for i, p in enumerate(packets) if p.stream.type == "video")
            for i, packet in enumerate(packets):
                if i != last:
                    packet.stream = out[packet.stream.index]
                    target.mux(packet)
        return write.Written()

    monkeypatch.setattr(write, "redact_video", lossy)
    report = screener.screen(FILM, tmp_path)
    assert report.error_type == "VerificationFailed"
    assert "84 frames became 83" in report.error
    assert files_in(tmp_path) == []


def test_a_lost_sound_track_is_caught(screener, tmp_path, monkeypatch):
    def silent(info, _paint, part, **_):
        import av

        with av.open(str(info.path)) as source, av.open(str(part), "w", format="mp4") as target:
            out = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = out
                    target.mux(packet)
        return write.Written()

    monkeypatch.setattr(write, "redact_video", silent)
    report = screener.screen(FILM, tmp_path)
    assert "1 audio tracks became 0" in report.error
    assert files_in(tmp_path) == []


def test_a_file_that_changes_while_it_is_screened_is_not_published(screener, tmp_path, monkeypatch):
    mine = tmp_path / "in.png"
    shutil.copy(CLEAN, mine)
    real = examine.examine

    def meddling(info, *rest, **more):
        done = real(info, *rest, **more)
        mine.write_bytes(SAMPLES.joinpath("wrong name.jpg").read_bytes())
        return done

    monkeypatch.setattr(pipeline, "examine", meddling)
    report = screener.screen(mine, tmp_path / "out")
    assert report.verdict == Verdict.ERROR
    assert "changed while it was screened" in report.error
    assert files_in(tmp_path / "out") == []


# --- the library ---


def test_the_front_door_prints_nothing(capsys, tmp_path):
    assert media_screen.check(CLEAN).verdict == Verdict.PASS
    report = media_screen.screen(PORTRAIT, tmp_path, style="mosaic")
    assert report.disposition == "cleared"
    assert capsys.readouterr() == ("", "")


def test_the_front_door_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(SettingsError, match="no policy"):
        media_screen.check(CLEAN, policy="up-police-2032")
    with pytest.raises(SettingsError, match="style"):
        media_screen.screen(CLEAN, tmp_path, style="gaussian")


def test_what_is_not_redacted_by_the_policy_stays(screener, policy_of, tmp_path):
    report = replace(screener, policy=policy_of(NOTHING)).screen(PORTRAIT, tmp_path)
    assert (report.verdict, report.output.changed) == (Verdict.PASS, "copied")


def test_a_doubtful_face_is_painted_beside_a_certain_one_but_is_no_finding_by_itself(screener):
    strict = ScoreAt(screener.detectors[0], 0.95)  # the portrait scores .93: now it is in doubt
    alone = replace(screener, detectors=(strict,)).check(PORTRAIT)
    assert not [f for f in alone.evidence.findings if f.kind == "track"]
    doubtful = alone.evidence.tracks
    assert len(doubtful) == 1
    sure = replace(doubtful[0], track_id=9)
    evidence = replace(alone.evidence, tracks=(*doubtful, sure), findings=(certain_finding(sure),))
    decision = pipeline.decide(screener.policy, evidence)
    assert {t.track_id for t in pipeline._to_paint(decision, evidence)} == {doubtful[0].track_id, 9}


class ScoreAt:
    """The real detector with another operating point."""

    def __init__(self, real, score):
        self.spec, self.model, self.detect = replace(real.spec, score=score), real.model, real.detect


def certain_finding(track):
    return examine.findings_of([track], [], {"face": 0.5})[0]
