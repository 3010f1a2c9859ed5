"""Every frame once, in order, upright, at its exact time; what does not decode to its end is said."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction

import av
import numpy as np
import pillow_heif
import planted
import pytest
from clips import (
    ORIENTATIONS,
    SIZE,
    VARIABLE,
    Clip,
    Sound,
    edit_list,
    make_clip,
    oriented,
    picture,
    planes_of,
    psnr,
    scene,
    shown,
)
from PIL import Image

from media_screen import metadata
from media_screen.decode import Clock, Faults, main_video, open_video, plane_array, shots, shots_at, stored_box, upright
from media_screen.errors import CorruptMedia, FileError, UnsupportedMedia
from media_screen.probe import probe
from media_screen.types import Box

pillow_heif.register_heif_opener(thumbnails=False)

B_FRAMES = {"bf": "2", "g": "8"}
STEADY = {"tick_s": Fraction(1, 25), "times": range(16)}


def looked_at(path, long_side_px=10_000):
    """(time, index, Frame) of every shot; a fault fails the test."""
    faults = Faults()
    seen = [(s.time_s, s.index, s.frame(long_side_px)) for s in shots(probe(path), faults, threads=1)]
    assert not faults
    return seen


def which(frame, count, size, orientation=1):
    """The index of the scene that the frame shows, and how well."""
    quality = [psnr(frame.pixels, shown(scene(n, size), orientation)) for n in range(count)]
    return int(np.argmax(quality)), max(quality)


# --- time ---


FILMS = {
    "MP4, B-frames": Clip(name="a.mp4", options=B_FRAMES, times=VARIABLE),
    "MOV, HEVC, B-frames": Clip(name="a.mov", codec="libx265", options=B_FRAMES, times=VARIABLE),
    "MP4, NTSC": Clip(name="a.mp4", options=B_FRAMES, tick_s=Fraction(1, 30000), times=range(0, 16 * 1001, 1001)),
    "MP4, late": Clip(name="a.mp4", options=B_FRAMES, times=[t + 40 for t in VARIABLE], sounds=(Sound(),)),
    "MP4, AV1": Clip(name="a.mp4", codec="libsvtav1", times=VARIABLE),
    "3GP": Clip(name="a.3gp", codec="mpeg4", options={"bf": "2"}, times=VARIABLE),
    "MKV, B-frames": Clip(name="a.mkv", options=B_FRAMES, times=VARIABLE),
    "WebM": Clip(name="a.webm", codec="libvpx-vp9", times=VARIABLE, sounds=(Sound(codec="libopus"),)),
    "WebM, VP8": Clip(name="a.webm", codec="libvpx", times=VARIABLE),
    "TS, B-frames": Clip(name="a.ts", options=B_FRAMES, times=VARIABLE, sounds=(Sound(),)),
    "TS, MPEG-2": Clip(name="a.ts", codec="mpeg2video", options={"bf": "2"}, **STEADY),
    "AVI": Clip(name="a.avi", codec="mpeg4", **STEADY),
    "AVI, B-frames": Clip(name="a.avi", codec="mpeg4", options={"bf": "2"}, **STEADY),
    "AVI, H.264 with B-frames": Clip(name="a.avi", options=B_FRAMES, **STEADY),
    "AVI, MJPEG": Clip(name="a.avi", codec="mjpeg", pixel_format="yuvj420p", **STEADY),
}


@pytest.mark.parametrize("name", FILMS)
def test_every_frame_is_seen_once_in_order_at_its_exact_time(tmp_path, name):
    clip = FILMS[name]
    seen = looked_at(make_clip(tmp_path, clip))
    times = [(t - clip.times[0]) * clip.tick_s for t in clip.times]
    if clip.name.endswith((".mkv", ".webm")):  # Matroska keeps thousandths of a second
        first = round(clip.times[0] * clip.tick_s * 1000)
        times = [Fraction(round(t * clip.tick_s * 1000) - first, 1000) for t in clip.times]
    assert [time for time, _, _ in seen] == times
    assert [index for _, index, _ in seen] == list(range(len(times)))
    shows = [which(frame, len(times), clip.size) for _, _, frame in seen]
    assert [index for index, _ in shows] == list(range(len(times)))
    assert min(quality for _, quality in shows) > 25


@pytest.mark.parametrize("wanted", [(0,), (1, 2), (15,), (0, 3, 14), range(16)])
@pytest.mark.parametrize("name", FILMS)
def test_single_frames_are_found_again(tmp_path, name, wanted):
    path = make_clip(tmp_path, FILMS[name])
    whole = looked_at(path)
    wanted = [n for n in wanted if n < len(whole)]
    found = list(shots_at(probe(path), {n: round(whole[n][0] * 1_000_000) for n in wanted}, threads=1))
    assert [shot.index for shot in found] == wanted
    for shot in found:
        assert np.array_equal(shot.frame(10_000).pixels, whole[shot.index][2].pixels)
        assert abs(shot.time_s - whole[shot.index][0]) < Fraction(1, 100_000)


def test_frames_far_apart_are_sought_and_not_counted(tmp_path, monkeypatch):
    path = make_clip(tmp_path, Clip(options={"g": "8", "bf": "2"}, times=range(0, 600, 3)))
    whole = looked_at(path)
    monkeypatch.setattr("media_screen.decode.shots", lambda *_, **__: pytest.fail("the film was read from its start"))
    times_us = {n: round(whole[n][0] * 1_000_000) for n in (3, 150, 190)}
    for shot in shots_at(probe(path), times_us, threads=1):
        assert np.array_equal(shot.frame(10_000).pixels, whole[shot.index][2].pixels)


def test_a_frame_that_is_not_where_it_was_is_counted_to(tmp_path):
    path = edit_list(make_clip(tmp_path, Clip(options=B_FRAMES, times=VARIABLE)), skip=6, show=2000)
    whole = looked_at(path)
    times_us = {2: 40_000, 5: round(whole[5][0] * 1_000_000)}
    found = {s.index: s.frame(10_000).pixels for s in shots_at(probe(path), times_us, threads=1)}
    assert sorted(found) == [2, 5]
    assert all(np.array_equal(pixels, whole[n][2].pixels) for n, pixels in found.items())


def test_many_threads_change_nothing(tmp_path):
    path = make_clip(tmp_path, Clip(options=B_FRAMES, times=VARIABLE))
    one, four = ([(s.time_s, s.frame(96).pixels) for s in shots(probe(path), Faults(), threads=n)] for n in (1, 4))
    assert [t for t, _ in one] == [t for t, _ in four]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, four, strict=True))


def test_one_frame_is_a_film(tmp_path):
    ((time_s, index, frame),) = looked_at(make_clip(tmp_path, Clip(times=(7,))))
    assert (time_s, index, frame.width_px) == (0, 0, 96)


def native(pts=None, dts=None):
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.pts, frame.dts = pts, dts
    return frame


def test_the_clock_never_stands_still_or_goes_back(tmp_path):
    with open_video(make_clip(tmp_path, Clip()), "mp4") as container:
        stream = main_video(container)
        step = round(Fraction(1, 25) / stream.time_base)
        clock = Clock(stream, "mp4")
        times = [clock.pts_of(native(pts)) for pts in (100, 100, 90, None, None, 10_000)]
        assert times == [100, 101, 102, 102 + step, 102 + 2 * step, 10_000]
        assert clock.since_first_s(10_000) == 9_900 * stream.time_base
        assert Clock(stream, "mp4").pts_of(native(None)) == 0
        assert Clock(stream, "mp4").pts_of(native(-33)) == -33


@pytest.mark.parametrize("pillow_name", ["GIF", "WEBP", "PNG"])
def test_frames_of_animations_have_their_own_times(tmp_path, pillow_name):
    path = tmp_path / "a"
    pages = [picture(index=n) for n in range(5)]
    pages[0].save(path, pillow_name, save_all=True, append_images=pages[1:], duration=[40, 120, 70, 200, 90], loop=0)
    seen = looked_at(path)
    assert [t for t, _, _ in seen] == [Fraction(ms, 1000) for ms in (0, 40, 160, 230, 430)]
    assert [which(frame, 5, SIZE)[0] for _, _, frame in seen] == [0, 1, 2, 3, 4]


def test_frames_that_state_no_time_stand_as_long_as_browsers_let_them(tmp_path):
    path = tmp_path / "a.gif"
    pages = [picture(index=n) for n in range(3)]
    pages[0].save(path, "GIF", save_all=True, append_images=pages[1:], duration=0)
    assert [t for t, _, _ in looked_at(path)] == [0, Fraction(1, 10), Fraction(2, 10)]


def test_a_third_of_a_tenth_is_kept_to_a_microsecond(tmp_path):
    path = tmp_path / "a.png"
    pages = [picture(index=n) for n in range(4)]
    pages[0].save(path, "PNG", save_all=True, append_images=pages[1:], duration=100 / 3)
    assert [t for t, _, _ in looked_at(path)][3] == pytest.approx(Fraction(1, 10), abs=1e-5)


# --- upright ---


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turning_a_picture_and_a_box_are_inverse(orientation):
    stored = np.arange(7 * 11 * 3).reshape(7, 11, 3)
    turned = upright(stored, orientation)
    assert np.array_equal(turned, shown(stored, orientation))
    height, width = turned.shape[:2]
    for x, y in itertools.product(range(width), range(height)):
        box = stored_box(Box(x1=x, y1=y, x2=x + 1, y2=y + 1), orientation, width, height)
        x1, y1, x2, y2 = box.pixels()
        assert np.array_equal(stored[y1:y2, x1:x2], turned[y : y + 1, x : x + 1])
    box = stored_box(Box(x1=1.25, y1=0.5, x2=width - 1, y2=3), orientation, width, height)
    assert box.area_px == (width - 2.25) * 2.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_a_still_is_seen_as_viewers_show_it(tmp_path, pillow_name, orientation):
    path = tmp_path / "a"
    picture().save(path, pillow_name, exif=oriented(orientation))
    ((_, _, frame),) = looked_at(path)
    assert (frame.width_px, frame.height_px) == frame.pixels.shape[1::-1]
    assert psnr(frame.pixels, shown(scene(0, SIZE), orientation)) > 25


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_film_is_seen_as_players_show_it(tmp_path, orientation):
    clip = Clip(orientation=orientation, times=VARIABLE[:4])
    seen = looked_at(make_clip(tmp_path, clip))
    assert [which(frame, 4, clip.size, orientation)[0] for _, _, frame in seen] == [0, 1, 2, 3]
    assert all((f.width_px, f.height_px) == f.pixels.shape[1::-1] for _, _, f in seen)
    assert min(which(frame, 4, clip.size, orientation)[1] for _, _, frame in seen) > 25


# --- scaled ---


def test_pixels_that_are_not_square_are_seen_square(tmp_path):
    path = make_clip(tmp_path, Clip(aspect=Fraction(3, 2), times=(0, 3)))
    (_, _, frame), _ = looked_at(path)
    assert frame.pixels.shape == (64, 144, 3)
    assert (frame.width_px, frame.height_px, frame.scale) == (96, 64, (96 / 144, 1.0))
    wide = np.asarray(Image.fromarray(scene(0, (96, 64))).resize((144, 64)))
    assert psnr(frame.pixels, wide) > 25


@pytest.mark.parametrize("long_side", [24, 50, 96, 500])
def test_a_frame_is_no_larger_than_asked(tmp_path, long_side):
    (_, _, film), _ = looked_at(make_clip(tmp_path, Clip(orientation=6, times=(0, 3))), long_side)
    picture(size=(96, 64)).save(tmp_path / "a.jpg", exif=oriented(6))
    ((_, _, still),) = looked_at(tmp_path / "a.jpg", long_side)
    for frame in (film, still):
        assert max(frame.pixels.shape) == min(long_side, 96)
        assert (frame.width_px, frame.height_px) == (64, 96)
        assert frame.scale == pytest.approx((96 / min(long_side, 96),) * 2, rel=0.05)
        assert not frame.pixels.flags.writeable
        small = Image.fromarray(shown(scene(0, (96, 64)), 6)).resize(frame.pixels.shape[1::-1], Image.Resampling.BOX)
        assert psnr(frame.pixels, np.asarray(small)) > 22


FORMATS = {
    "libx264": ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "gray", "yuv420p10le", "gray10le", "yuv444p10le"],
    "libx265": ["yuv420p", "yuv420p12le", "gbrp", "gbrp10le"],
    "ffv1": ["bgr0", "bgra", "yuv420p16le", "yuva420p"],
    "png": ["rgb24", "rgba", "gray16be"],
}


@pytest.mark.parametrize(("codec", "pixel_format"), [(c, f) for c, formats in FORMATS.items() for f in formats])
def test_every_kind_of_samples_is_seen_and_glanced_at(tmp_path, codec, pixel_format):
    name = "a.mov" if codec == "png" else "a.mkv"
    path = make_clip(tmp_path, Clip(name=name, codec=codec, pixel_format=pixel_format, **STEADY))
    shot = next(iter(shots(probe(path), Faults(), threads=1)))
    truth = scene(0, (96, 64)).astype(float)
    if pixel_format.startswith("gray"):
        truth = np.repeat((truth @ (0.299, 0.587, 0.114))[..., None], 3, axis=2)
    assert psnr(shot.frame(96).pixels, truth) > 23
    glance = shot.glance()
    green = pixel_format.startswith("gbr")  # the first plane is what is glanced at
    luma = truth[..., 1] if green else truth @ (0.299, 0.587, 0.114)
    assert glance.dtype == np.float32
    assert glance.shape == (21, 32)
    assert np.abs(glance - luma[1::3, 1::3]).mean() < 14  # limited range differs by up to 20 of 255


# --- what breaks off ---


def test_a_film_cut_by_its_edit_list_is_whole_and_shows_what_players_show(tmp_path):
    clip = Clip(options=B_FRAMES, times=range(0, 150, 3), sounds=(Sound(length_s=Fraction(2)),))
    with open_video(make_clip(tmp_path, clip), "mp4") as container:
        ticks = round(Fraction(11, 25) / main_video(container).time_base)
    path = edit_list(tmp_path / clip.name, skip=ticks, show=1000)
    assert probe(path).frame_count == 50
    seen = looked_at(path)
    assert [which(frame, 50, clip.size)[0] for _, _, frame in seen][:25] == list(range(11, 36))
    assert [time for time, _, _ in seen] == [Fraction(n, 25) for n in range(len(seen))]
    assert len(seen) < 30


def test_a_film_that_breaks_off_says_where(tmp_path):
    path = make_clip(
        tmp_path, Clip(times=range(0, 150, 3), options={"g": "50"}, muxer_options={"movflags": "faststart"})
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    faults = Faults()
    seen = list(shots(probe(path), faults, threads=1))
    assert 0 < len(seen) < 50
    assert any("breaks off" in f and "50 frames" in f for f in faults)


def test_a_film_damaged_in_the_middle_says_so(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.mkv", codec="mjpeg", pixel_format="yuvj420p", times=VARIABLE))
    data = bytearray(path.read_bytes())
    middle = data.index(b"\xff\xd8", len(data) // 2)
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    faults = Faults()
    assert len(list(shots(probe(path), faults, threads=1))) < len(VARIABLE)
    assert faults


def test_a_stream_of_nothing_but_damage_is_not_read_to_its_end(tmp_path):
    times = range(0, 180, 3)
    path = make_clip(tmp_path, Clip(name="a.mkv", codec="mjpeg", pixel_format="yuvj420p", times=times))
    data = bytearray(path.read_bytes())
    for at in [n for n in range(len(data)) if data[n : n + 2] == b"\xff\xd8"][1:]:
        data[at : at + 700] = bytes(700)
    path.write_bytes(data)
    faults = Faults()
    assert len(list(shots(probe(path), faults, threads=1))) == 1
    assert len(faults) == 10


def test_a_picture_that_changes_its_size_is_refused(tmp_path):
    clips = (Clip(name="a.ts"), Clip(name="b.ts", size=(128, 96)), Clip(name="c.ts", size=(64, 96)))
    first, second, turned = (make_clip(tmp_path, clip).read_bytes() for clip in clips)
    for other in (second, turned):
        (tmp_path / "both.ts").write_bytes(first + other)
        with pytest.raises(UnsupportedMedia, match="size changes at frame"):
            list(shots(probe(tmp_path / "both.ts"), Faults(), threads=1))


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
@pytest.mark.parametrize("share", [0.35, 0.7, 0.97])
def test_a_still_that_breaks_off_is_an_error(tmp_path, pillow_name, share):
    path = tmp_path / "a"
    picture().save(path, pillow_name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptMedia):
        looked_at(path)


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
def test_damage_anywhere_is_an_error_of_this_file_or_none(tmp_path, pillow_name):
    path = tmp_path / "a"
    pages = [picture(index=n, size=(40, 30)) for n in range(3)]
    many = pillow_name in ("GIF", "WEBP", "TIFF")
    pages[0].save(path, pillow_name, **({"save_all": True, "append_images": pages[1:]} if many else {}))
    whole = path.read_bytes()
    generator = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in generator.integers(0, min(len(whole), 700), 3):
            damaged[at] = int(generator.integers(0, 256))
        path.write_bytes(damaged)
        try:
            info = probe(path)
            if info.width_px * info.height_px < 1_000_000:  # what the pipeline's limit is for
                list(shots(info, Faults()))
        except FileError:
            pass


# --- stills ---


@pytest.mark.parametrize(
    ("pillow_name", "mode"),
    [
        ("PNG", "P"), ("PNG", "1"), ("PNG", "LA"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "I;16"), ("TIFF", "CMYK"),
        ("JPEG", "CMYK"), ("JPEG", "L"), ("TIFF", "I;16"), ("TIFF", "YCbCr"), ("WEBP", "RGBA"), ("HEIF", "RGBA"),
    ],
)  # fmt: skip
def test_every_mode_is_seen_in_its_colours(tmp_path, pillow_name, mode):
    path = tmp_path / "a"
    image = picture(mode)
    image.save(path, pillow_name, **({"exact": True} if pillow_name == "WEBP" else {}))
    ((_, _, frame),) = looked_at(path)
    if mode == "I;16":
        truth = np.repeat((np.asarray(image) // 257)[..., None], 3, axis=2)
    else:
        truth = np.asarray(picture("L" if mode == "LA" else "RGB" if mode == "RGBA" else mode).convert("RGB"))
    assert psnr(frame.pixels, truth) > 25


def test_what_lies_under_transparency_is_seen(tmp_path):
    image = picture("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "a.png")
    ((_, _, frame),) = looked_at(tmp_path / "a.png")
    assert np.array_equal(frame.pixels, scene(0, SIZE))


def test_reduced_copies_of_pages_are_no_pages(tmp_path):
    """They are hidden pictures: cleaning removes them, so they are not counted, looked at or painted."""
    path, clean = tmp_path / "scan.tif", tmp_path / "clean.tif"
    reduced = planted.page(48, 32, _254=planted.short(1))
    rasters = [planted.pixels(1).tobytes(), planted.pixels(3)[::2, ::2].tobytes(), planted.pixels(2).tobytes()]
    path.write_bytes(planted.tiff([planted.page(), reduced, planted.page()], rasters))
    metadata.handler_for("tiff").strip(path, clean)
    for file in (path, clean):
        info = probe(file)
        assert info.frame_count == 2
        seen = [shot.frame(4096).pixels for shot in shots(info, Faults())]
        assert [np.array_equal(pixels, planted.pixels(seed)) for pixels, seed in zip(seen, (1, 2), strict=True)]


def test_pages_are_alone_and_of_one_size(tmp_path):
    path = tmp_path / "a.tif"
    picture().save(path, save_all=True, append_images=[picture(index=3)])
    assert [s.alone for s in shots(probe(path), Faults())] == [True, True]
    picture().save(path, save_all=True, append_images=[picture(size=(40, 30))])
    with pytest.raises(UnsupportedMedia, match="page 2"):
        looked_at(path)


def test_a_jpeg_of_many_megapixels_opens_and_the_limit_of_others_is_left_alone(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (20_000, 9_500), 7).save(path)  # beyond Pillow's own limit of 179 megapixels
    before = Image.MAX_IMAGE_PIXELS
    ((_, _, frame),) = looked_at(path, 50)
    assert (frame.width_px, frame.pixels.shape[1], int(frame.pixels.max())) == (20_000, 50, 7)
    assert before == Image.MAX_IMAGE_PIXELS


# --- planes ---


def test_a_plane_is_seen_without_the_padding_of_its_rows():
    frame = av.VideoFrame.from_ndarray(scene(0, (30, 22)), format="rgb24").reformat(format="yuv420p")
    assert frame.planes[0].line_size > 30
    luma, blue, red = planes_of(frame)
    assert (luma.shape, blue.shape, red.shape) == ((22, 30), (11, 15), (11, 15))
    assert np.array_equal(luma, frame.to_ndarray()[:22, :30])
    view = plane_array(frame.planes[0], 8)
    view[3, 29] = 201
    assert frame.to_ndarray()[3, 29] == 201  # a view on the frame's own memory


def test_ten_bits_are_seen_as_numbers_up_to_1023():
    frame = av.VideoFrame.from_ndarray(scene(0, (30, 22)), format="rgb24").reformat(format="yuv420p10le")
    luma = plane_array(frame.planes[0], 10)
    assert luma.shape == (22, 30)
    assert 255 < luma.max() < 1024
    assert struct.unpack_from("<H", bytes(frame.planes[0]), 2 * 5)[0] == luma[0, 5]
