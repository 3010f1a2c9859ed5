"""Hardware encoders: refused at once where there are none; where there is one, held to what software is held to.

No machine that these tests were written on has one. A family of software stands in for it, by the same table: so all
but the drivers themselves is run.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from click.testing import CliRunner
from clips import VARIABLE, Clip, Sound, make_clip, psnr, see
from test_splices import GROUPS_OF_8, visitor

import media_screen
from media_screen.batch import executors
from media_screen.cli import cli
from media_screen.config import Settings, build_screener
from media_screen.errors import SettingsError, WriteFailed
from media_screen.probe import probe
from media_screen.types import ENCODER_NAMES
from media_screen.write import ENCODERS, HARDWARE, fault_of, missing, redact_video
from media_screen.write.encoders import FULL, Encoding
from media_screen.write.hardware import IN_ORDER, SOFTWARE, Family, by_hardware

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
FILM = SAMPLES / "walk past 🚔.mp4"
STEADY = {"tick_s": Fraction(1, 25), "times": range(16)}
ENGLISH = Sound(language="eng")
X264 = {
    "preset": "superfast",
    "qp": "14",  # would have B-frames
    "x264-params": "log-level=none",
}
STAND_IN = Family(
    encoders={
        "h264": ("libx264", X264),
        "hevc": ("libx265", {"crf": "14", "preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}),
    },
    pixel_format="yuv420p",
)
SHIPPED = dict(HARDWARE)
ABSENT = next((name for name in HARDWARE if name != "nvenc" and missing(name)), "")
without_hardware = pytest.mark.skipif(not ABSENT, reason="every family works on this machine")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """`nvenc` is software; another family may be set in its place."""

    def put(family: Family) -> None:
        monkeypatch.setitem(HARDWARE, "nvenc", family)

    put(STAND_IN)
    return put


def rewritten(tmp_path, clip):
    path = make_clip(tmp_path, clip)
    part = path.with_name(f"new {path.name}")
    notes = redact_video(probe(path), lambda *_: None, part, threads=1, encoder="nvenc").notes
    return see(path), see(part), notes


def is_reordered(path) -> bool:
    with av.open(str(path)) as container:
        return any(p.pts != p.dts for p in container.demux(container.streams.video[0]) if p.size)


# --- asked for and not there ---


@without_hardware
@pytest.mark.parametrize(
    "arguments",
    [
        ["batch", FILM, "--out", "OUT"],
        ["batch", SAMPLES, "--watch", "--out", "OUT"],
        ["hook", FILM, "--out", "OUT", "--", "cp", "{}", "uploaded"],
        ["serve", "--port", "0", "--out", "OUT"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:1] + arguments[2:3])),
)
def test_what_is_not_there_is_refused_before_anything_is_done(tmp_path, arguments):
    if arguments[0] == "serve":
        pytest.importorskip("fastapi", reason="needs the extra [serve]")
    before = hashlib.sha256(FILM.read_bytes()).digest()
    words = [str(tmp_path / a) if a in ("OUT", "uploaded") else str(a) for a in arguments]
    line = [sys.executable, "-m", "media_screen", words[0], "--encoder", ABSENT, *words[1:]]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    for said in (ABSENT, "does not work on this machine (", "--encoder software"):
        assert said in done.stderr
    assert not list(tmp_path.iterdir())
    assert hashlib.sha256(FILM.read_bytes()).digest() == before


@without_hardware
def test_the_library_says_the_same(tmp_path):
    with pytest.raises(SettingsError, match=f"{ABSENT} does not work on this machine"):
        media_screen.screen(FILM, tmp_path, encoder=ABSENT)
    with pytest.raises(SettingsError, match="'voodoo': choose one of software, nvenc"):
        media_screen.screen(FILM, tmp_path, encoder="voodoo")
    assert not list(tmp_path.iterdir())


def test_software_is_always_there_and_a_family_that_works_in_part_is_there(stand_in):
    assert missing(SOFTWARE) == ""
    assert missing("nvenc") == ""
    broken = ("none_such", {})
    stand_in(replace(STAND_IN, encoders=STAND_IN.encoders | {"hevc": broken}))
    assert missing("nvenc") == ""
    stand_in(replace(STAND_IN, encoders={"h264": broken}))
    assert "built without it" in missing("nvenc")


def test_a_machine_of_a_cluster_without_it_is_refused():
    with pytest.raises(SettingsError, match="worker here: no encoder"):
        executors._alike({"there": ("same", True, ""), "here": ("same", True, "no encoder")}, "same")


def test_every_family_is_a_choice_and_its_options_are_the_encoders_own():
    """Values are read before the driver is asked for: what is misspelt is told by encoders that cannot open."""
    assert {SOFTWARE, *HARDWARE} == set(ENCODER_NAMES)
    for name, family in SHIPPED.items():
        assert family.encoders.keys() <= ENCODERS.keys()
        for encoder, options in family.encoders.values():
            fault = fault_of(encoder, family.pixel_format, IN_ORDER | options)
            assert not any(word in fault for word in ("Undefined", "range", "parse", "pixel format")), (name, fault)


def test_why_it_does_not_work_is_told():
    assert "Undefined constant" in fault_of("h264_nvenc", "yuv420p", {"rc": "constant quality"})
    assert "pixel format" in fault_of("libx265", "nv12", {})
    assert fault_of("libx264", "nv12", {}) == ""


def test_doctor_lists_them():
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    rows = {r["name"]: r for r in json.loads(done.stdout) if r["group"] == "hardware encoder"}
    assert rows.keys() == HARDWARE.keys()
    assert (rows["nvenc"]["works"], rows["nvenc"]["detail"]) == (True, "encodes h264; encodes hevc")
    assert [name for name, row in rows.items() if not row["works"]] == [n for n in HARDWARE if missing(n)]
    assert all(row["detail"] for row in rows.values())
    assert done.exit_code == 0  # nobody needs one


def test_where_the_setting_is_from_is_said(tmp_path):
    def shown(*before, env=None):
        done = CliRunner().invoke(cli, [*before, "config", "show", "--json"], env=env)
        return next((r["value"], r["source"]) for r in json.loads(done.stdout) if r["name"] == "encoder")

    (tmp_path / "c.toml").write_text('encoder = "qsv"\n')
    assert shown() == ("software", "default")
    assert shown("--config", str(tmp_path / "c.toml")) == ("qsv", "file")
    env = {"MEDIA_SCREEN_ENCODER": "amf"}
    assert shown("--config", str(tmp_path / "c.toml"), env=env) == ("amf", "environment MEDIA_SCREEN_ENCODER")


# --- there ---


CLIPS = {
    "MP4, B-frames, uneven": Clip(options={"bf": "2", "g": "8"}, times=VARIABLE, sounds=(ENGLISH,)),
    "MP4, late picture": Clip(times=range(30, 90, 3), sounds=(ENGLISH,)),
    "MP4, NTSC": Clip(tick_s=Fraction(1, 30000), times=range(0, 16 * 1001, 1001)),
    "MP4, a fine clock": Clip(tick_s=Fraction(1, 1_000_000), times=[n * 33_367 + n % 3 for n in range(12)]),
    "MP4, HEVC": Clip(codec="libx265", times=VARIABLE, sounds=(ENGLISH,)),
    "MP4, full range": Clip(pixel_format="yuvj420p", times=VARIABLE),
    "MP4, one frame": Clip(times=(0,)),
    "MOV, turned": Clip(name="a.mov", orientation=6),
    "MKV": Clip(name="a.mkv", times=VARIABLE, sounds=(Sound(codec="flac"),), colour={"colorspace": 1, "color_trc": 1}),
    "TS": Clip(name="a.ts", times=VARIABLE, sounds=(ENGLISH,), aspect=Fraction(4, 3)),
    "AVI": Clip(name="a.avi", sounds=(Sound(codec="libmp3lame"),), **STEADY),
}


@pytest.mark.parametrize(
    ("name", "pixel_format"),
    [(name, form) for name in CLIPS for form in ("yuv420p", "nv12") if (name, form) != ("MP4, HEVC", "nv12")],
)
def test_times_sound_colour_and_pictures_stay(tmp_path, stand_in, name, pixel_format):
    if pixel_format == "nv12":
        stand_in(Family(encoders={"h264": ("libx264", X264)}))
    before, after, notes = rewritten(tmp_path, CLIPS[name])
    assert notes == ("encoded by libx265" if name == "MP4, HEVC" else "encoded by libx264",)
    assert after.times_s == before.times_s
    assert len(after.times_s) == len(CLIPS[name].times)
    assert (after.sounds, after.languages) == (before.sounds, before.languages)
    assert (after.pixel_format, after.colour, after.matrix) == (before.pixel_format, before.colour, before.matrix)
    assert after.info.pixel_aspect == before.info.pixel_aspect
    for ours, theirs in zip(after.planes, before.planes, strict=True):
        assert min(psnr(a, b, 255) for a, b in zip(ours, theirs, strict=True)) > 33
    if not name.startswith("AVI"):  # states no times to be shown at
        assert not is_reordered(next(tmp_path.glob("new *")))


def test_a_film_goes_the_whole_way_and_is_looked_at_again(tmp_path):
    report = media_screen.screen(FILM, tmp_path, encoder="nvenc")
    assert (report.disposition, report.notes) == ("cleared", ("encoded by libx264",))
    assert report.verification.frames_verified == report.evidence.coverage.frames_decoded
    assert report.verification.frames_looked > 0
    assert see(tmp_path / "cleared" / FILM.name).times_s == see(FILM).times_s


def test_the_hook_hands_on_what_it_wrote(tmp_path):
    line = [sys.executable, "-c", "import shutil, sys; shutil.copy(*sys.argv[1:])", "{}", str(tmp_path / "up.mp4")]
    done = CliRunner().invoke(cli, ["hook", "--encoder", "nvenc", "--out", str(tmp_path / "o"), str(FILM), "--", *line])
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "o" / "reports" / f"{FILM.name}.json").read_text(encoding="utf-8"))
    assert said["notes"] == ["encoded by libx264"]
    assert (tmp_path / "up.mp4").is_file()


# --- what does not go to it ---


PLAIN_ONLY = {
    "VP9": (Clip(name="a.webm", codec="libvpx-vp9"), "nvenc is not used for vp9"),
    "10 bits": (Clip(codec="libx265", pixel_format="yuv420p10le"), "nvenc is not used for yuv420p10le samples"),
    "4:4:4": (Clip(pixel_format="yuv444p"), "nvenc is not used for yuv444p samples"),
    "interlaced": (Clip(options={"flags": "+ildct+ilme"}), "nvenc is not used for interlaced video"),
    "HDR": (
        Clip(codec="libx265", options={"x265-params": "log-level=none:hdr10=1:max-cll=600,200"}),
        "nvenc does not carry HDR metadata",
    ),
    "odd": (Clip(codec="ffv1", name="a.avi", size=(97, 65), **STEADY), "nvenc is not used for yuv444p samples"),
    "RGB": (Clip(codec="png", pixel_format="rgb24", name="a.mov"), "nvenc is not used for yuv420p samples"),
}


@pytest.mark.parametrize("name", PLAIN_ONLY)
def test_what_is_not_plain_is_encoded_in_software_and_said(tmp_path, name):
    clip, why = PLAIN_ONLY[name]
    before, after, notes = rewritten(tmp_path, clip)
    assert notes[-1] == f"encoded in software: {why}"
    assert after.times_s == before.times_s


def test_what_the_hardware_does_not_open_is_encoded_in_software_and_said(tmp_path, stand_in):
    """Such as a size that it does not take."""
    stand_in(Family(encoders={"h264": ("libx264", {"level": "no such level"})}))
    before, after, notes = rewritten(tmp_path, Clip(times=VARIABLE, sounds=(ENGLISH,)))
    assert notes[-1].startswith("encoded in software: libx264 does not encode this video")
    assert (after.times_s, after.sounds) == (before.times_s, before.sounds)
    stand_in(Family(encoders={"h264": ("none_such", {})}))
    part = tmp_path / "again.mp4"
    notes = redact_video(probe(tmp_path / "clip.mp4"), lambda *_: None, part, encoder="nvenc").notes
    assert notes == ("encoded in software: this FFmpeg was built without none_such",)


def test_stretches_between_copied_packets_are_encoded_in_software(tmp_path):
    clip = Clip(options=GROUPS_OF_8 | {"bf": "2"}, size=(480, 272), times=tuple(range(0, 198, 3)), scene=visitor)
    report = media_screen.screen(make_clip(tmp_path, clip), tmp_path, encoder="nvenc")
    assert report.disposition == "cleared"
    assert ["frames were encoded anew, the others copied" in note for note in report.notes] == [True]


PLAIN = Encoding(
    codec="h264",
    encoder="libx264",
    pixel_format="yuv420p",
    rate=Fraction(25),
    colour=(0, 2, 2, 2),
    options=(("crf", "20"), ("maxrate", "900"), ("bufsize", "1800")),
    notes=(),
)


def test_a_family_is_given_its_own_options_and_a_ceiling_if_it_keeps_one(stand_in):
    first = av.VideoFrame(96, 64, "yuv420p")
    made = by_hardware(PLAIN, first, "qsv")
    assert (made.encoder, made.pixel_format, made.counts) == ("h264_qsv", "nv12", True)
    assert dict(made.options) == IN_ORDER | HARDWARE["qsv"].encoders["h264"][1]
    stand_in(replace(STAND_IN, keeps_ceiling=True))
    assert dict(by_hardware(PLAIN, first, "nvenc").options) == IN_ORDER | X264 | {"maxrate": "900"}


def test_samples_of_a_range_that_nobody_states_are_not_converted():
    """Full range as yuvj420p becomes other samples in yuv420p, unless each frame says what it is."""
    first, plain = av.VideoFrame(96, 64, "yuvj420p"), replace(PLAIN, pixel_format="yuvj420p")
    assert not by_hardware(plain, first, "nvenc").is_hardware
    first.color_range = FULL
    assert by_hardware(plain, first, "nvenc").is_hardware


# --- what goes wrong in it ---


def test_frames_in_another_order_are_no_copy(tmp_path, stand_in):
    stand_in(Family(encoders={"h264": ("libx264", {"bf": "2", "b_strategy": "0"})}))
    with pytest.raises(WriteFailed, match="in the order it got them"):
        rewritten(tmp_path, Clip())


class Failing:
    """An encoder's stream that loses a frame, breaks off at one, or shows the first for ever."""

    def __init__(self, stream, *, loses=None, breaks=None, sticks=False):
        self.stream, self.loses, self.breaks, self.sticks = stream, loses, breaks, sticks
        self.first = None

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def encode(self, frame):
        if frame is None:
            return self.stream.encode(None)
        if frame.pts == self.breaks:
            raise av.error.PermissionError(1, "the driver is gone")
        if self.sticks:
            self.first = frame.to_ndarray() if self.first is None else self.first
            stuck = av.VideoFrame.from_ndarray(self.first, format=frame.format.name)
            stuck.pts, stuck.time_base = frame.pts, frame.time_base
            frame = stuck
        return [] if frame.pts == self.loses else self.stream.encode(frame)


@pytest.fixture
def failing(monkeypatch):
    def put(**fault) -> None:
        real = Encoding.open
        monkeypatch.setattr(Encoding, "open", lambda self, *rest: Failing(real(self, *rest), **fault))

    return put


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"loses": 5}, "in the order it got them"),
        ({"loses": 19}, "kept 1 frames to itself"),
        ({"breaks": 7}, "libx264 broke off (the driver is gone); --encoder software does without it"),
    ],
    ids=["a frame is lost", "the last frame is lost", "the driver goes"],
)
def test_hardware_that_fails_on_its_way_makes_no_copy(tmp_path, failing, fault, words):
    failing(**fault)
    with pytest.raises(WriteFailed) as caught:
        rewritten(tmp_path, Clip())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [({"breaks": 7}, "WriteFailed"), ({"sticks": True}, "VerificationFailed")],
    ids=["the driver goes", "the picture stands still"],
)
def test_and_nothing_of_it_is_published(tmp_path, failing, fault, kind):
    failing(**fault)
    report = build_screener(Settings(encoder="nvenc")).screen(FILM, tmp_path)
    assert (report.error_type, report.disposition) == (kind, "error")
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
