"""Films written anew: everything that was not to be painted is shown and heard as before, at the same exact time."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import (
    ORIENTATIONS,
    SHARED,
    VARIABLE,
    Clip,
    Sound,
    edit_list,
    make_clip,
    psnr,
    remuxed,
    scene,
    see,
    shown,
    speech,
)
from films import as_m2ts

from media_screen.decode import Faults, open_video, shots, stored_box
from media_screen.errors import CorruptMedia, UnsupportedMedia, WriteFailed
from media_screen.probe import probe
from media_screen.redact import Redactor, Region
from media_screen.types import Box
from media_screen.write import redact_video
from media_screen.write.encoders import ENCODERS

B_FRAMES = {"bf": "2", "g": "8"}
STEADY = {"tick_s": Fraction(1, 25), "times": range(16)}
ENGLISH, HINDI = Sound(language="eng"), Sound(language="hin", hz=900)


def nothing(planes, time_s, orientation):
    """Paints nothing."""


def painter(box, info, *, style="fill"):
    """Paints one box of the upright frame in every frame."""
    redactor = Redactor(style=style)

    def paint(planes, _, orientation):
        stored = stored_box(box, orientation, info.width_px, info.height_px)
        redactor.paint(planes, [Region(track_id=1, box=stored)])

    return paint


def rewritten(path, paint=nothing):
    """(what was in the film, what is in the copy, notes)."""
    before = see(path)
    part = path.with_name(f"new {path.name}")
    notes = redact_video(before.info, paint, part, threads=1).notes
    return before, see(part), notes


def assert_same_sound(before, after):
    assert after.languages == before.languages
    assert len(after.sounds) == len(before.sounds)
    for ours, theirs in zip(after.sounds, before.sounds, strict=True):
        assert b"".join(h.payload for h in ours) == b"".join(h.payload for h in theirs)
        assert [(h.pts_s, h.dts_s) for h in ours] == [(h.pts_s, h.dts_s) for h in theirs]
        assert all(h.duration_s == t.duration_s for h, t in zip(ours, theirs, strict=True) if t.duration_s)


def assert_same_pictures(before, after, least_db):
    top = (1 << before.info.bit_depth) - 1
    assert after.pixel_format == before.pixel_format
    assert len(after.planes) == len(before.planes)
    for n, planes in enumerate(after.planes):
        quality = [min(psnr(a, b, top) for a, b in zip(planes, old, strict=True)) for old in before.planes]
        assert int(np.argmax(quality)) == n  # each frame is itself, not its neighbour
        assert quality[n] > least_db


# --- everything stays ---


FILMS = {
    "MP4, H.264, B-frames, uneven": Clip(name="a.mp4", options=B_FRAMES, times=VARIABLE, sounds=(ENGLISH, HINDI)),
    "MP4, late picture": Clip(name="a.mp4", options=B_FRAMES, times=range(30, 90, 3), sounds=(ENGLISH,)),
    "MP4, late sound": Clip(name="a.mp4", options=B_FRAMES, sounds=(Sound(start=9600),)),
    "MP4, NTSC": Clip(name="a.mp4", tick_s=Fraction(1, 30000), times=range(0, 16 * 1001, 1001), options=B_FRAMES),
    "MP4, HEVC": Clip(name="a.mp4", codec="libx265", times=VARIABLE, sounds=(ENGLISH,)),
    "MP4, AV1": Clip(name="a.mp4", codec="libsvtav1", times=VARIABLE, sounds=(ENGLISH,)),
    "MP4, MPEG-4, clock of 1/60000": Clip(
        name="a.mp4", codec="mpeg4", tick_s=Fraction(1, 60000), times=[n * 2002 + n % 3 for n in range(12)]
    ),
    "MP4, one frame": Clip(name="a.mp4", times=(0,)),
    "MP4, long GOP": Clip(name="a.mp4", options={"g": "250", "bf": "3"}, times=range(0, 180, 3)),
    "MOV, PCM": Clip(name="a.mov", options=B_FRAMES, times=VARIABLE, sounds=(Sound(codec="pcm_s16le"), HINDI)),
    "MOV, MJPEG": Clip(name="a.mov", codec="mjpeg", pixel_format="yuvj422p", sounds=(Sound(codec="pcm_s16be"),)),
    "M4V": Clip(name="a.m4v", sounds=(ENGLISH,)),
    "3GP": Clip(name="a.3gp", codec="mpeg4", times=VARIABLE, sounds=(ENGLISH,)),
    "MKV": Clip(name="a.mkv", options=B_FRAMES, times=VARIABLE, sounds=(ENGLISH, Sound(codec="flac"))),
    "MKV, late picture": Clip(name="a.mkv", options=B_FRAMES, times=range(30, 90, 3), sounds=(ENGLISH,)),
    "WebM, VP9": Clip(
        name="a.webm", codec="libvpx-vp9", times=VARIABLE, sounds=(Sound(codec="libopus", language="hin"),)
    ),
    "WebM, VP8": Clip(name="a.webm", codec="libvpx", options={"crf": "8"}, sounds=(Sound(codec="libopus"),)),
    "WebM, AV1, late sound": Clip(name="a.webm", codec="libsvtav1", sounds=(Sound(codec="libopus", start=4800),)),
    "TS, uneven": Clip(name="a.ts", options=B_FRAMES, times=VARIABLE, sounds=(HINDI,)),
    "TS, MPEG-2": Clip(name="a.ts", codec="mpeg2video", options={"bf": "2"}, sounds=(Sound(codec="mp2"),), **STEADY),
    "TS, MPEG-4": Clip(name="a.ts", codec="mpeg4", **STEADY),
    "TS, HEVC, late sound": Clip(name="a.ts", codec="libx265", sounds=(Sound(start=9600),)),
    "AVI": Clip(name="a.avi", codec="mpeg4", sounds=(Sound(codec="libmp3lame"),), **STEADY),
    "AVI, B-frames": Clip(
        name="a.avi", codec="mpeg4", options={"bf": "2"}, sounds=(Sound(codec="pcm_s16le"),), **STEADY
    ),
    "AVI, H.264, B-frames": Clip(name="a.avi", options=B_FRAMES, sounds=(Sound(codec="libmp3lame"),), **STEADY),
    "AVI, MJPEG, ADPCM": Clip(
        name="a.avi", codec="mjpeg", pixel_format="yuvj422p", sounds=(Sound(codec="adpcm_ima_wav"),), **STEADY
    ),
    "AVI, AC-3": Clip(name="a.avi", codec="mpeg4", sounds=(Sound(codec="ac3"),), **STEADY),
    "AVI, AAC": Clip(name="a.avi", codec="mpeg4", sounds=(Sound(codec="aac"),), **STEADY),
}


@pytest.mark.parametrize("name", FILMS)
def test_times_sound_and_pictures_stay(tmp_path, name):
    before, after, notes = rewritten(make_clip(tmp_path, FILMS[name]))
    assert after.times_s == before.times_s  # on the file's own clock, so with the sound
    assert len(after.times_s) == len(FILMS[name].times)
    assert (after.info.codec, after.info.format) == (before.info.codec, before.info.format)
    assert_same_sound(before, after)
    assert_same_pictures(before, after, 33)
    assert notes == ()


def test_an_encoder_leaves_the_process_an_ordinary_one(tmp_path):
    """SVT-AV1 makes itself and its caller real-time threads where it may, and no other process gets a processor."""
    if not hasattr(os, "sched_getscheduler"):
        pytest.skip("only Linux tells how a process is scheduled")
    before = os.sched_getscheduler(0)
    rewritten(make_clip(tmp_path, FILMS["MP4, AV1"]))
    threads = [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
    assert {os.sched_getscheduler(thread) for thread in threads} == {before}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_a_film_of_a_few_frames_keeps_them(tmp_path, codec, count):
    plain = {"x265-params": "log-level=none:bframes=0"} if codec == "libx265" else {}
    sounds = (Sound(codec="libopus", length_s=Fraction(1, 5)),)
    clip = Clip(name="a.mp4", codec=codec, options=plain, times=VARIABLE[:count], sounds=sounds)
    before, after, _ = rewritten(make_clip(tmp_path, clip))
    assert len(after.times_s) == count
    assert after.times_s == before.times_s
    assert_same_sound(before, after)
    assert_same_pictures(before, after, 33)


SAMPLES = {
    "libx264": ["yuvj420p", "yuv422p", "yuv444p", "yuvj444p", "nv12", "gray", "yuv420p10le", "yuv422p10le", "gray10le"],
    "libx265": ["yuv420p", "yuv444p", "gray", "gbrp", "yuv420p10le", "gbrp10le", "yuv420p12le", "yuv422p12le"],
    "libvpx-vp9": ["yuv422p", "yuv440p", "yuv444p", "gbrp"],
    "libsvtav1": ["yuv420p10le"],
    "mjpeg": ["yuvj420p", "yuvj444p"],
    "mpeg2video": ["yuv422p"],
}


@pytest.mark.parametrize(("codec", "pixel_format"), [(c, f) for c, formats in SAMPLES.items() for f in formats])
def test_samples_are_painted_as_they_are_and_stay_so(tmp_path, codec, pixel_format):
    path = make_clip(tmp_path, Clip(name="a.mkv", codec=codec, pixel_format=pixel_format, **STEADY))
    before, after, notes = rewritten(path, painter(Box(x1=40, y1=16, x2=72, y2=48), probe(path)))
    assert notes == ()
    assert (after.pixel_format, after.info.bit_depth) == (before.pixel_format, before.info.bit_depth)
    top = (1 << before.info.bit_depth) - 1
    rgb, full = pixel_format.startswith("gbr"), pixel_format.startswith("yuvj")
    black = [0 if rgb or full else 16, *([0, 0] if rgb else [128, 128])]
    assert min(planes[0][20:44, 44:68].mean() for planes in before.planes) > top * 0.3
    for old, new in zip(before.planes, after.planes, strict=True):
        for a, b, level in zip(old, new, black[: len(new)], strict=True):
            across, down = 96 // a.shape[1], 64 // a.shape[0]
            calm = np.s_[20 // down : 44 // down, 44 // across : 68 // across]
            assert np.abs(b[calm] / top - level / 255).max() < 0.08
            assert psnr(a[:, : 32 // across], b[:, : 32 // across], top) > 32


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_turned_film_stays_turned_and_is_painted_where_it_is_seen(tmp_path, name, orientation):
    clip = Clip(name=name, orientation=orientation, times=VARIABLE[:5])
    path = make_clip(tmp_path, clip)
    info = probe(path)
    box = Box(x1=4, y1=30, x2=20, y2=46)  # lies within 96 x 64 and 64 x 96, and off centre in both
    before, after, _ = rewritten(path, painter(box, info))
    assert after.matrix == before.matrix
    assert (after.info.orientation, after.info.width_px) == (orientation, info.width_px)
    for n, shot in enumerate(shots(after.info, Faults(), threads=1)):
        pixels = shot.frame(96).pixels
        assert pixels[33:43, 7:17].max() < 40
        pixels = pixels.copy()
        truth = shown(scene(n, clip.size), orientation).copy()
        pixels[26:50, :24] = truth[26:50, :24] = 0
        assert psnr(pixels, truth) > 25


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_the_shape_of_pixels_stays(tmp_path, name):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    before, after, _ = rewritten(make_clip(tmp_path, Clip(name=name, codec=codec, aspect=Fraction(4, 3), **STEADY)))
    assert after.info.pixel_aspect == before.info.pixel_aspect == Fraction(4, 3)
    assert (after.info.width_px, after.info.height_px) == (96, 64)


HDR = {"color_range": 1, "color_primaries": 9, "color_trc": 16, "colorspace": 9}
SMPTE = {"color_range": 2, "color_primaries": 6, "color_trc": 6, "colorspace": 6}


@pytest.mark.parametrize("colour", [HDR, SMPTE], ids=["BT.2020 PQ", "SMPTE 170M, full range"])
@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "a.mp4"), ("libx265", "a.mov"), ("libsvtav1", "a.mp4"), ("libvpx-vp9", "a.webm"), ("libx265", "a.ts")],
)
def test_colour_is_told_as_it_was(tmp_path, codec, name, colour):
    ten = "yuv420p" if codec == "libvpx-vp9" else "yuv420p10le"
    clip = Clip(name=name, codec=codec, colour=colour, pixel_format=ten, times=range(0, 15, 3))
    before, after, _ = rewritten(make_clip(tmp_path, clip))
    assert after.colour == before.colour == tuple(colour.values())
    assert_same_pictures(before, after, 34)


LIGHT = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx265", {"x265-params": f"log-level=none:pools=none:master-display={LIGHT}:max-cll=1000,400"}),
        ("libx264", {"x264-params": f"log-level=none:mastering-display={LIGHT}:cll=1000,400"}),
        (
            "libsvtav1",
            {
                "svtav1-params": "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.005)"
                ":content-light=1000,400"
            },
        ),
    ],
)
def test_light_levels_of_hdr_stay(tmp_path, codec, options):
    clip = Clip(
        name="a.mp4", codec=codec, pixel_format="yuv420p10le", colour=HDR, options=options, times=range(0, 15, 3)
    )
    path = make_clip(tmp_path, clip)
    _, _, notes = rewritten(path)
    assert notes == ()
    kinds = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
    old, new = ([light_of(p)[kind] for kind in kinds] for p in (path, path.with_name("new a.mp4")))
    assert old[1] == new[1] == (1000, 400)
    assert new[0] == pytest.approx(old[0], rel=0.01)
    assert new[0][0] == pytest.approx(0.68, rel=0.01)  # red's x
    assert new[0][-1] == pytest.approx(1000, rel=0.01)  # the display's most, in nits


def light_of(path):
    with open_video(path, "mp4") as container:
        sides = {s.type.name: bytes(s) for s in next(container.decode(video=0)).side_data}
    numbers = struct.unpack_from("=20i", sides["MASTERING_DISPLAY_METADATA"])
    return {
        "MASTERING_DISPLAY_METADATA": [a / b for a, b in zip(numbers[::2], numbers[1::2], strict=True)],
        "CONTENT_LIGHT_LEVEL": struct.unpack_from("=2I", sides["CONTENT_LIGHT_LEVEL"]),
    }


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mpeg2video", "a.ts"), ("mpeg4", "a.avi")])
def test_interlaced_stays_interlaced(tmp_path, codec, name):
    options = {"flags": "+ildct+ilme"}
    path = make_clip(tmp_path, Clip(name=name, codec=codec, options=options, **STEADY))
    before, after, _ = rewritten(path)
    assert_same_pictures(before, after, 32)
    for film in (path, path.with_name(f"new {name}")):
        with open_video(film, before.info.format) as container:
            assert next(container.decode(video=0)).interlaced_frame


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_has_no_frames_to_be_shown_in_another_order(tmp_path, codec):
    _, after, _ = rewritten(make_clip(tmp_path, Clip(name="a.avi", codec=codec, options=B_FRAMES, **STEADY)))
    with open_video(after.info.path, "avi") as container:
        types = {av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(video=0)}
    assert types == {"I", "P"}


# --- odd sizes ---


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [
        ("libx264", "yuv444p", "a.mp4"),
        ("libx265", "yuv444p", "a.mp4"),
        ("libx265", "gbrp", "a.mkv"),
        ("libvpx-vp9", "yuv420p", "a.webm"),
        ("libvpx", "yuv420p", "a.webm"),
        ("libsvtav1", "yuv420p", "a.mp4"),
        ("mjpeg", "yuvj420p", "a.avi"),
        ("mpeg4", "yuv420p", "a.mp4"),
        ("mpeg2video", "yuv420p", "a.ts"),
    ],
)
def test_odd_sizes_stay_and_are_painted_to_the_edge(tmp_path, codec, pixel_format, name):
    size = (101, 57)
    path = make_clip(tmp_path, Clip(name=name, codec=codec, pixel_format=pixel_format, size=size, **STEADY))
    info = probe(path)
    assert (info.width_px, info.height_px) == size
    before, after, _ = rewritten(path, painter(Box(x1=60.5, y1=21, x2=101, y2=57), info))
    assert (after.info.width_px, after.info.height_px) == size
    for shot in shots(after.info, Faults(), threads=1):
        assert shot.frame(101).pixels[26:, 66:].max() < 60
    assert psnr(after.planes[3][0][:, :50], before.planes[3][0][:, :50]) > 34


@pytest.mark.parametrize(
    ("codec", "name", "becomes"), [("ffv1", "a.mkv", ("av1", "yuv420p")), ("rawvideo", "a.avi", ("h264", "yuv444p"))]
)
def test_an_odd_film_whose_own_encoder_is_missing_keeps_its_size(tmp_path, codec, name, becomes):
    path = make_clip(tmp_path, Clip(name=name, codec=codec, size=(101, 57), **STEADY))
    before, after, notes = rewritten(path)
    assert (after.info.width_px, after.info.height_px) == (101, 57)
    assert (after.info.codec, after.pixel_format) == becomes
    assert ("yuv420p samples became yuv444p" in notes) == (codec == "rawvideo")
    assert psnr(after.planes[5][0], before.planes[5][0]) > 36


# --- other codecs and containers ---


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name", "becomes"),
    [
        ("ffv1", "yuv422p", "a.mkv", ("h264", "yuv422p")),
        ("ffv1", "yuv420p12le", "a.mkv", ("hevc", "yuv420p12le")),
        ("prores_ks", "yuv422p10le", "a.mov", ("h264", "yuv422p10le")),
        ("huffyuv", "yuv422p", "a.avi", ("h264", "yuv422p")),
        ("msmpeg4v2", "yuv420p", "a.avi", ("h264", "yuv420p")),
    ],
)
def test_a_codec_without_encoder_becomes_another_of_the_same_samples(tmp_path, codec, pixel_format, name, becomes):
    before, after, notes = rewritten(
        make_clip(tmp_path, Clip(name=name, codec=codec, pixel_format=pixel_format, **STEADY))
    )
    assert (after.info.codec, after.pixel_format) == becomes
    assert notes == (f"video encoded as {becomes[0]}: {before.info.codec} cannot be written",)
    assert after.times_s == before.times_s
    assert_same_pictures(before, after, 33)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [("png", "rgb24", "a.mov"), ("rawvideo", "bgr24", "a.avi"), ("ffv1", "bgr0", "a.mkv"), ("png", "rgba", "a.mov")],
)
@pytest.mark.parametrize("size", [(96, 64), (128, 720)])
def test_rgb_keeps_its_colours(tmp_path, codec, pixel_format, name, size):
    clip = Clip(name=name, codec=codec, pixel_format=pixel_format, size=size, tick_s=Fraction(1, 25), times=range(4))
    path = make_clip(tmp_path, clip)
    before, after, notes = rewritten(path)
    assert (after.info.codec, after.pixel_format) == ("h264", "yuv420p")
    assert f"{before.pixel_format} samples became yuv420p" in notes
    assert ("the video's transparency is left out" in notes) == (pixel_format == "rgba")
    assert after.colour[3] == (1 if size[1] >= 720 else 6)  # ITU-T H.273: BT.709, SMPTE 170M
    assert after.times_s == before.times_s
    for n, shot in enumerate(shots(after.info, Faults(), threads=1)):
        error = shot.frame(720).pixels.astype(int) - scene(n, size)
        assert np.abs(error.mean(axis=(0, 1))).max() < 4
        assert np.abs(error).mean() < 9


@pytest.mark.parametrize(
    ("codec", "pixel_format", "said"),
    [
        ("ffv1", "yuv420p16le", "16-bit"),
        ("ffv1", "gray12le", "12-bit"),
        ("ffv1", "gbrp14le", "14-bit"),
        ("png", "rgb48be", "16-bit"),
    ],
)
def test_depth_is_never_reduced_unasked(tmp_path, codec, pixel_format, said):
    name = "a.mov" if codec == "png" else "a.mkv"
    info = probe(make_clip(tmp_path, Clip(name=name, codec=codec, pixel_format=pixel_format, times=(0, 3))))
    with pytest.raises(UnsupportedMedia, match=said):
        redact_video(info, nothing, tmp_path / "out.mkv", threads=1)


def test_transparency_of_a_webm_is_left_out_and_said(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.webm", codec="libvpx-vp9", pixel_format="yuva420p"))
    before, after, notes = rewritten(path)
    assert notes == ("the video's transparency is left out",)
    assert_same_pictures(before, after, 34)


def test_speech_of_a_phone_stays_in_its_3gp(tmp_path):
    speech(tmp_path / "speech.amr")
    film = make_clip(tmp_path, Clip(name="film.3gp", codec="mpeg4", **STEADY))
    before, after, notes = rewritten(remuxed(film, tmp_path / "a.3gp", "3gp", more=[tmp_path / "speech.amr"]))
    assert notes == ()
    assert_same_sound(before, after)
    assert len(after.sounds[0]) == 50
    assert (tmp_path / "new a.3gp").read_bytes()[8:11] == b"3gp"


def test_sound_that_mp4_cannot_hold_stays_in_a_quicktime_file(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.mov", sounds=(Sound(codec="pcm_mulaw"),)))
    data = bytearray(path.read_bytes())
    assert data[4:12] == b"ftypqt  "
    data[8:12] = b"isom"
    data[16:20] = b"isom"
    path.write_bytes(data)
    before, after, notes = rewritten(path)
    assert notes == ("written as mov: mp4 does not hold its sound",)
    assert_same_sound(before, after)


def test_sound_in_an_unknown_code_is_refused(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.mov", sounds=(Sound(codec="pcm_s16le"),)))
    path.write_bytes(path.read_bytes().replace(b"sowt", b"abcd"))
    with pytest.raises(UnsupportedMedia, match="unknown code"):
        redact_video(probe(path), nothing, tmp_path / "b.mov", threads=1)


def test_a_transport_stream_with_time_codes_keeps_them(tmp_path):
    path = tmp_path / "a.mts"
    path.write_bytes(as_m2ts(make_clip(tmp_path, Clip(name="plain.ts", times=VARIABLE, sounds=(HINDI,))).read_bytes()))
    before, after, _ = rewritten(path)
    assert after.times_s == before.times_s
    assert_same_sound(before, after)
    data = (tmp_path / "new a.mts").read_bytes()
    assert {data[n] for n in range(4, len(data), 192)} == {0x47}


# --- tracks ---


def test_only_the_main_picture_and_all_sounds_go_on(tmp_path):
    main = make_clip(tmp_path, Clip(name="main.mkv", sounds=(ENGLISH, HINDI)))
    other = make_clip(tmp_path, Clip(name="other.mkv", size=(48, 32), sounds=(Sound(hz=300),)))
    path = remuxed(main, tmp_path / "a.mkv", "matroska", more=[other])
    _, after, _ = rewritten(path)
    with open_video(tmp_path / "new a.mkv", "matroska") as container:
        assert [s.type for s in container.streams] == ["video", "audio", "audio", "audio"]
        assert container.streams.video[0].codec_context.width == 96
    assert len(after.sounds) == 3


def test_words_in_a_film_do_not_go_on(tmp_path):
    path = make_clip(tmp_path, Clip(name="plain.mkv", sounds=(ENGLISH,)))
    worded = tmp_path / "a.mkv"
    with av.open(str(path)) as source, av.open(str(worded), "w") as target:
        outs = {s.index: target.add_stream_from_template(s) for s in source.streams}
        words = target.add_mux_stream("subrip")
        for packet in source.demux():
            if packet.size:
                packet.stream = outs[packet.stream.index]
                target.mux(packet)
        packet = av.Packet(b"the witness is Ram")
        packet.stream, packet.pts, packet.dts, packet.duration = words, 100, 100, 500
        packet.time_base = Fraction(1, 1000)
        target.mux(packet)
    before, after, _ = rewritten(worded)
    assert b"witness" in worded.read_bytes()
    assert b"witness" not in (tmp_path / "new a.mkv").read_bytes()
    assert_same_sound(before, after)


def test_which_sound_is_the_default_stays(tmp_path):
    path = make_clip(tmp_path, Clip(name="plain.mkv", sounds=(ENGLISH, HINDI)))
    path = remuxed(path, tmp_path / "a.mkv", "matroska", default_sound=1)
    rewritten(path)
    for film in (path, tmp_path / "new a.mkv"):
        with open_video(film, "matroska") as container:
            flags = [bool(s.disposition & av.stream.Disposition.default) for s in container.streams.audio]
            assert flags == [False, True]


@pytest.mark.parametrize("language", ["Ram Singh, Gomti Nagar", "e", "12345"])
def test_a_language_that_is_none_does_not_go_on(tmp_path, language):
    _, after, _ = rewritten(make_clip(tmp_path, Clip(name="a.mkv", sounds=(Sound(language=language),))))
    assert after.languages in [(None,), ("und",)]


def test_sound_without_times_follows_what_was_before_it(tmp_path):
    from media_screen.write.videos import _Sound

    path = make_clip(tmp_path, Clip(name="a.mkv", sounds=(Sound(codec="flac"),)))
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        sound = _Sound(target, source.streams.audio[0])
        packets = [p for p in source.demux(audio=0) if p.size][:4]
        truth = [p.pts for p in packets]
        for packet in packets[1:3]:
            packet.pts = packet.dts = None
        assert [sound.copied(packet).pts for packet in packets] == pytest.approx(truth, abs=2)
        assert all(packet.dts == packet.pts for packet in packets)


def test_a_trimmed_film_goes_on_as_it_was_shown(tmp_path):
    clip = Clip(options=B_FRAMES, times=range(0, 150, 3), sounds=(Sound(length_s=Fraction(2)),))
    path = make_clip(tmp_path, clip)
    with open_video(path, "mp4") as container:
        ticks = round(Fraction(11, 25) / container.streams.video[0].time_base)
    before, after, _ = rewritten(edit_list(path, skip=ticks, show=1000))
    assert after.times_s == before.times_s
    assert psnr(before.planes[0][0], see(make_clip(tmp_path, clip)).planes[11][0]) > 60
    assert_same_sound(before, after)
    assert_same_pictures(before, after, 34)


# --- paint ---


def test_frames_after_a_painted_one_are_predicted_from_the_original(tmp_path):
    path = make_clip(tmp_path, Clip(options={"g": "40", "bf": "0"}, times=range(0, 60, 3)))
    info = probe(path)
    once = painter(Box(x1=8, y1=8, x2=56, y2=56), info)

    def paint(planes, time_s, orientation):
        if time_s == Fraction(3, 25):
            once(planes, time_s, orientation)

    before, after, _ = rewritten(path, paint)
    quality = [psnr(a[0][8:56, 8:56], b[0][8:56, 8:56]) for a, b in zip(before.planes, after.planes, strict=True)]
    assert quality[3] < 12
    assert min(quality[:3] + quality[4:]) > 34


def test_painting_is_told_the_exact_time_of_each_frame_once(tmp_path):
    told = []
    path = make_clip(tmp_path, Clip(options=B_FRAMES, times=[t + 40 for t in VARIABLE], sounds=(ENGLISH,)))
    redact_video(probe(path), lambda _, time_s, orientation: told.append((time_s, orientation)), tmp_path / "b.mp4")
    assert told == [(Fraction(t, 75), 1) for t in VARIABLE]


@pytest.mark.parametrize("style", ["blur", "mosaic"])
def test_a_painted_face_does_not_come_through_the_encoder(tmp_path, style):
    from media_screen.redact import survival

    path = make_clip(tmp_path, Clip(size=(192, 128), times=VARIABLE))
    box = Box(x1=40, y1=24, x2=136, y2=104)
    before, after, _ = rewritten(path, painter(box, probe(path), style=style))
    frames = [
        [s.frame(192).pixels[24:104, 40:136] for s in shots(x.info, Faults(), threads=1)] for x in (before, after)
    ]
    assert max(abs(survival(a, b)) for a, b in zip(*frames, strict=True)) < 0.15
    assert max(survival(a, a) for a in frames[0]) == pytest.approx(1)


# --- size and quality ---


def sizes(path):
    with av.open(str(path)) as container:
        return sum(p.size for p in container.demux(video=0))


def lively(index, size):
    """Grain and motion: what constant quality alone would spend any number of bits on."""
    grain = np.random.default_rng(index).integers(-40, 41, (size[1], size[0], 1))
    return np.clip(np.roll(scene(0, size), 3 * index, axis=1) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("libx264", "a.mkv"), ("libx264", "a.ts")])
def test_what_was_saved_small_does_not_blow_up(tmp_path, codec, name):
    options = {"crf": "30"}
    times = range(0, 450, 3)
    sounds = (Sound(length_s=Fraction(6)),)
    path = make_clip(
        tmp_path,
        Clip(name=name, codec=codec, size=(160, 96), options=options, times=times, scene=lively, sounds=sounds),
    )
    before, after, _ = rewritten(path)
    assert sizes(tmp_path / f"new {name}") < 1.8 * sizes(path)
    assert np.mean([psnr(a[0], b[0]) for a, b in zip(before.planes, after.planes, strict=True)]) > 30


@pytest.mark.skipif(not (SHARED / "data" / "faces" / "clips").is_dir(), reason="shared sample clips are not here")
@pytest.mark.parametrize("name", ["d_opera_240p.mp4", "signing_webcam.mkv"])
def test_real_films_keep_times_size_and_looks(tmp_path, name):
    source = SHARED / "data" / "faces" / "clips" / name
    path = tmp_path / name
    path.write_bytes(source.read_bytes())
    before, after, _ = rewritten(path)
    assert after.times_s == before.times_s
    assert_same_sound(before, after)
    assert after.info.size_bytes < 1.6 * before.info.size_bytes
    assert min(psnr(a[0], b[0]) for a, b in zip(before.planes, after.planes, strict=True)) > 35


# --- what goes wrong ---


def test_a_source_that_breaks_off_is_corrupt_and_not_half_a_copy(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.mkv", codec="mjpeg", pixel_format="yuvj420p", times=VARIABLE))
    data = bytearray(path.read_bytes())
    middle = data.index(b"\xff\xd8", len(data) // 2)
    data[middle : middle + 700] = bytes(700)
    path.write_bytes(data)
    with pytest.raises(CorruptMedia):
        redact_video(probe(path), nothing, tmp_path / "b.mkv", threads=1)


def test_a_picture_that_changes_its_size_is_refused(tmp_path):
    first, second = (make_clip(tmp_path, Clip(name=f"{w}.ts", size=(w, 64))).read_bytes() for w in (96, 128))
    (tmp_path / "both.ts").write_bytes(first + second)
    with pytest.raises(UnsupportedMedia, match="size changes"):
        redact_video(probe(tmp_path / "both.ts"), nothing, tmp_path / "b.ts", threads=1)


def test_a_folder_that_is_not_there_is_a_write_error(tmp_path):
    path = make_clip(tmp_path, Clip(times=(0, 3)))
    with pytest.raises(WriteFailed, match="No such file"):
        redact_video(probe(path), nothing, tmp_path / "absent" / "b.mp4", threads=1)


def test_encoders_keep_quiet(tmp_path):
    for codec, name in (("libx265", "a.mp4"), ("libsvtav1", "b.mp4"), ("libvpx-vp9", "c.webm"), ("libx264", "d.mkv")):
        make_clip(tmp_path, Clip(name=name, codec=codec, times=range(0, 30, 3)))
    code = (
        "import sys, pathlib\nfrom media_screen.probe import probe\nfrom media_screen.write import redact_video\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    redact_video(probe(path), lambda *_: None, path.with_name('new ' + path.name))"
    )
    environment = {"PATH": "/usr/bin"}  # without the quiet that tests are given
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_encoder_of_the_table_is_tried_here():
    tried = {clip.codec for clip in FILMS.values()} | set(SAMPLES)
    assert {encoder for encoder, _ in ENCODERS.values()} == tried


def test_uneven_times_are_uneven():
    steps = [b - a for a, b in pairwise(VARIABLE)]
    assert len(set(steps)) > 6
