"""Films of which only a part is painted: that part is encoded anew, the rest is the source's own, and all fits."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import VARIABLE, Clip, Sound, edit_list, make_clip, psnr, see

from media_screen.config import Settings, build_screener
from media_screen.decode import stored_box
from media_screen.probe import probe
from media_screen.redact import Redactor, Region
from media_screen.types import Box
from media_screen.write import redact_video
from media_screen.write.splices import Splice, splice_for

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
BOX = Box(x1=24, y1=16, x2=56, y2=48)
GROUPS_OF_8 = {"g": "8", "keyint_min": "8", "sc_threshold": "0"}
LONG = tuple(range(0, 144, 3))  # 48 frames in six groups
UNEVEN = tuple(sorted({a + b for a in (0, 80, 160) for b in VARIABLE}))  # 48 frames
ENGLISH, HINDI = Sound(language="eng", length_s=Fraction(2)), Sound(codec="flac", language="hin", hz=900)

FILMS = {
    "B-frames that others refer to": Clip(options=GROUPS_OF_8 | {"bf": "3"}, times=LONG, sounds=(ENGLISH,)),
    "B-frames, uneven times": Clip(options=GROUPS_OF_8 | {"bf": "3"}, times=UNEVEN, sounds=(ENGLISH, HINDI)),
    "flat B-frames": Clip(options=GROUPS_OF_8 | {"bf": "2", "b-pyramid": "none"}, times=LONG),
    "no B-frames": Clip(options=GROUPS_OF_8 | {"bf": "0"}, times=UNEVEN, sounds=(ENGLISH,)),
    "Baseline": Clip(name="a.mov", options=GROUPS_OF_8 | {"profile": "baseline"}, times=LONG),
    "Main": Clip(options=GROUPS_OF_8 | {"profile": "main"}, times=LONG),
    "full range": Clip(pixel_format="yuvj420p", options=GROUPS_OF_8, times=LONG),
    "turned": Clip(name="a.mov", orientation=6, options=GROUPS_OF_8, times=LONG),
    "odd shape": Clip(aspect=Fraction(4, 3), options=GROUPS_OF_8, times=LONG, colour={"colorspace": 1, "color_trc": 1}),
    "late": Clip(options=GROUPS_OF_8, times=range(30, 174, 3), sounds=(ENGLISH,)),
    "Matroska": Clip(name="a.mkv", options=GROUPS_OF_8 | {"bf": "0"}, times=LONG, sounds=(HINDI,)),
}


def painting(info, frames, times):
    """Paints BOX in these frames, and says when."""
    start, end = (Fraction(times[n] - times[0]) * Fraction(1, 75) for n in (frames[0], frames[-1]))
    redactor = Redactor(style="fill")

    def is_painted(time_s):
        return start <= time_s <= end

    def paint(planes, time_s, orientation):
        if is_painted(time_s):
            redactor.paint(
                planes, [Region(track_id=1, box=stored_box(BOX, orientation, info.width_px, info.height_px))]
            )

    return paint, is_painted


def spliced(tmp_path, clip, frames):
    path = make_clip(tmp_path, clip)
    paint, is_painted = painting(probe(path), frames, clip.times)
    part = path.with_name(f"new {path.name}")
    written = redact_video(probe(path), paint, part, is_painted=is_painted, threads=1)
    return see(path), see(part), written, part


def packets_of(path):
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(container.streams.video[0]) if p.size]


@pytest.mark.parametrize("name", FILMS)
def test_only_the_groups_with_paint_are_encoded(tmp_path, name):
    clip = FILMS[name]
    before, after, written, part = spliced(tmp_path, clip, range(19, 30))
    assert written.copied == (range(16), range(32, 48))
    assert written.notes == ("16 of 48 frames were encoded anew, the others copied as they were",)
    assert after.times_s == before.times_s
    assert (after.colour, after.matrix, after.languages) == (before.colour, before.matrix, before.languages)
    assert after.info.pixel_aspect == before.info.pixel_aspect
    for ours, theirs in zip(after.sounds, before.sounds, strict=True):
        assert [(h.pts_s, h.payload) for h in ours] == [(h.pts_s, h.payload) for h in theirs]
    for number, (old, new) in enumerate(zip(before.planes, after.planes, strict=True)):
        same = [np.array_equal(a, b) for a, b in zip(old, new, strict=True)]
        assert all(same) == (number not in range(16, 32))
        assert min(psnr(a, b) for a, b in zip(old, new, strict=True)) > (30 if number not in range(19, 30) else 5)
    turned = stored_box(BOX, before.info.orientation, before.info.width_px, before.info.height_px)
    x1, y1, x2, y2 = turned.grown(-0.2, -0.2, -0.2, -0.2).pixels()
    dark = [planes[0][y1:y2, x1:x2].max() < 40 for planes in after.planes]
    assert dark == [n in range(19, 30) for n in range(48)]
    dts = [d for _, d, _ in packets_of(part)]
    assert all(a < b for a, b in pairwise(dts))


def test_the_copied_packets_are_the_source_s_own(tmp_path):
    _, _, _, part = spliced(tmp_path, FILMS["B-frames that others refer to"], range(19, 30))
    before, after = packets_of(tmp_path / "clip.mp4"), packets_of(part)
    same = [a[2] == b[2] for a, b in zip(before, after, strict=True)]
    assert same == [n not in range(16, 32) for n in range(48)]


def test_several_stretches_also_at_both_ends(tmp_path):
    clip = FILMS["B-frames that others refer to"]
    path = make_clip(tmp_path, clip)
    when = [Fraction(n, 25) for n in (0, 24, 47)]
    part = tmp_path / "b.mp4"
    written = redact_video(probe(path), lambda *_: None, part, is_painted=lambda t: t in when)
    assert written.copied == (range(8, 24), range(32, 40))
    assert see(part).times_s == see(path).times_s


def test_a_group_that_leans_on_the_one_before_is_encoded_with_it(tmp_path):
    clip = Clip(options=GROUPS_OF_8 | {"bf": "2", "x264-params": "open-gop=1:log-level=none"}, times=LONG)
    path = make_clip(tmp_path, clip)
    splice = splice_for(probe(path), lambda t: t == Fraction(20, 25))
    starts = {s.start for s in splice.stretches} if splice else set()
    assert starts <= {0}
    before, after, _, _ = spliced(tmp_path, clip, range(19, 22))
    assert after.times_s == before.times_s


NEVER = {
    "HEVC": Clip(codec="libx265", times=LONG),
    "ten bits": Clip(pixel_format="yuv420p10le", options=GROUPS_OF_8, times=LONG),
    "4:4:4": Clip(pixel_format="yuv444p", options=GROUPS_OF_8, times=LONG),
    "interlaced": Clip(options=GROUPS_OF_8 | {"flags": "+ildct+ilme"}, times=LONG),
    "transport stream": Clip(name="a.ts", options=GROUPS_OF_8, times=LONG),
    "one group": Clip(options={"g": "250"}, times=LONG),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_be_spliced_is_encoded_whole(tmp_path, name):
    before, after, written, _ = spliced(tmp_path, NEVER[name], range(19, 30))
    assert written.copied == ()
    assert after.since_first_s == before.since_first_s


def test_frames_that_an_edit_list_hides_are_no_seam(tmp_path):
    clip = Clip(options=GROUPS_OF_8 | {"bf": "2"}, times=LONG)
    path = edit_list(make_clip(tmp_path, clip), skip=30, show=1000)
    shown = see(path)
    part = tmp_path / "b.mp4"
    redact_video(probe(path), lambda *_: None, part, is_painted=lambda t: t < Fraction(1, 10))
    assert see(part).since_first_s == shown.since_first_s


def test_an_encoder_that_fails_between_the_seams_is_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(Splice, "options", lambda _: {"x264-params": "annexb=0:sps-id=77"})
    before, after, written, _ = spliced(tmp_path, FILMS["no B-frames"], range(19, 30))
    assert written.copied == ()
    assert after.times_s == before.times_s


# --- the whole way ---


def visitor(index, size):
    """A portrait stands in a calm room, in the middle third."""
    from PIL import Image

    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    rgb = np.stack([90 + x / 12, 100 + y / 12, 120 - x / 20], axis=-1).astype(np.uint8)
    if 22 <= index < 44:
        head = Image.open(SAMPLES / "wrong name.jpg").convert("RGB").crop((60, 0, 220, 160))
        rgb[40:200, 100 + index : 260 + index] = np.asarray(head)
    return rgb


@pytest.fixture
def visit(tmp_path):
    clip = Clip(options=GROUPS_OF_8 | {"bf": "2"}, size=(480, 272), times=tuple(range(0, 198, 3)), scene=visitor)
    return make_clip(tmp_path, clip)


def test_a_visitor_is_blurred_and_the_rest_of_the_film_copied(visit, tmp_path):
    report = build_screener(Settings()).screen(visit, tmp_path)
    assert (report.disposition, report.verification.renders) == ("cleared", 1)
    assert "frames were encoded anew, the others copied" in report.notes[0]
    before, after = see(visit), see(tmp_path / "cleared" / visit.name)
    assert after.times_s == before.times_s
    same = [np.array_equal(a[0], b[0]) for a, b in zip(before.planes, after.planes, strict=True)]
    assert not any(same[22:44])
    assert all(same[:8])
    assert all(same[-8:])


def test_a_seam_that_does_not_decode_is_not_published(visit, tmp_path, monkeypatch):
    """Without its parameter sets a stretch is undecodable, or shows something else: then all is encoded."""
    monkeypatch.setattr(Splice, "joined", lambda self, _: self.config)
    report = build_screener(Settings()).screen(visit, tmp_path)
    assert (report.disposition, report.verification.renders) == ("cleared", 2)
    assert report.notes == ()
    assert see(tmp_path / "cleared" / visit.name).times_s == see(visit).times_s


def test_a_copied_group_that_is_not_the_source_s_is_seen(visit, tmp_path, monkeypatch):
    """Groups mixed up: each decodes, and none is where it was."""
    real = Splice.copied.fget
    monkeypatch.setattr(Splice, "copied", property(lambda self: (range(16, 32), *real(self))))
    report = build_screener(Settings()).screen(visit, tmp_path)
    assert (report.disposition, report.verification.renders) == ("cleared", 2)
    assert report.notes == ()
