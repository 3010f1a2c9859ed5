"""What is painted is gone for good: nothing finer than a few cells, in every plane, in every frame, up to the edge."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clips import planes_of, psnr, scene
from hypothesis import given
from hypothesis import strategies as st

from media_screen import redact
from media_screen.redact import (
    HEAD_MARGINS,
    MAX_CELLS,
    MIN_CELL_PX,
    OBJECT_MARGINS,
    STYLES,
    Plane,
    Redactor,
    Region,
    cells_of,
    regions_at,
    survival,
)
from media_screen.types import Box, Detection, Sighting, Track
from media_screen.write.videos import native_planes


def region(x1, y1, x2, y2, *, track_id=1, seen=True):
    return Region(track_id=track_id, box=Box(x1=x1, y1=y1, x2=x2, y2=y2), seen=seen)


def painted(samples, *regions, redactor=None, **plane):
    copy = samples.copy()
    (redactor or Redactor()).paint([Plane(samples=copy, **plane)], regions)
    return copy


def shuffled(samples, cells, seed=1):
    """Another picture with the same average in every cell: the samples of each changed places."""
    out, generator = samples.copy(), np.random.default_rng(seed)
    rows, columns = np.array_split(range(len(out)), cells), np.array_split(range(out.shape[1]), cells)
    for ys in rows:
        for xs in columns:
            block = out[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            flat = block.reshape(-1, *block.shape[2:])
            block[...] = generator.permutation(flat).reshape(block.shape)
    return out


# --- what is left ---


@pytest.mark.parametrize("style", ["blur", "mosaic"])
def test_two_faces_with_the_same_cells_become_the_same(style):
    one = np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)
    other = shuffled(one, MAX_CELLS)
    assert psnr(one, other) < 12
    outs = [painted(face, region(0, 0, 160, 160), redactor=Redactor(style=style)) for face in (one, other)]
    assert np.array_equal(*outs)


def test_fill_leaves_nothing_at_all():
    face = scene(0, (80, 60))
    out = painted(face, region(10, 5, 50, 45), redactor=Redactor(style="fill"), black=16)
    assert (out[5:45, 10:50] == 16).all()


def test_cells_are_true_averages():
    rgb = scene(3, (64, 32)).astype(np.float64)
    cells = cells_of(scene(3, (64, 32)))
    assert cells.shape == (5, 8, 3)  # 32 rows have no room for more than five of six pixels
    rows = zip((0, 6, 13, 19, 26), (6, 13, 19, 26, 32), strict=True)
    assert np.allclose(cells[:, 2], [rgb[a:b, 16:24].mean(axis=(0, 1)) for a, b in rows], atol=1e-3)
    across = cells_of(scene(3, (32, 64)))  # here a sample may be shared by two columns
    rgb = np.repeat(scene(3, (32, 64)).astype(np.float64), 5, axis=1)
    assert np.allclose(across[2], [rgb[16:24, n * 32 : n * 32 + 32].mean(axis=(0, 1)) for n in range(5)], atol=1e-3)
    even = cells_of(scene(3, (64, 48)))
    assert np.allclose(even[7, 5], scene(3, (64, 48))[42:48, 40:48].mean(axis=(0, 1)), atol=0.01)


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([1, 2]), st.sampled_from([1, 2]))
def test_cells_are_few_and_large(width, height, across, down):
    cells = cells_of(np.zeros((height, width), np.uint8), across, down)
    rows, columns = cells.shape
    assert 1 <= rows <= MAX_CELLS
    assert 1 <= columns <= MAX_CELLS
    assert columns == 1 or width * across / columns >= MIN_CELL_PX
    assert rows == 1 or height * down / rows >= MIN_CELL_PX


def test_mosaic_is_flat_in_each_cell():
    out = painted(scene(0, (64, 64)), region(0, 0, 64, 64), redactor=Redactor(style="mosaic"))
    blocks = out.reshape(8, 8, 8, 8, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(blocks[:, 0, :, 0].reshape(-1, 3), axis=0)) > 30


def test_blur_is_smooth_between_cells():
    out = painted(scene(0, (64, 64)), region(0, 0, 64, 64)).astype(int)
    flat = painted(scene(0, (64, 64)), region(0, 0, 64, 64), redactor=Redactor(style="mosaic")).astype(int)
    assert np.abs(np.diff(out, axis=1)).max() < np.abs(np.diff(flat, axis=1)).max()


# --- frozen ---


@pytest.mark.parametrize("style", ["blur", "mosaic"])
def test_a_track_has_one_paint_in_all_its_frames(style):
    redactor = Redactor(style=style)
    outs = [painted(scene(n, (96, 64)), region(20, 10, 60, 50), redactor=redactor)[10:50, 20:60] for n in range(9)]
    assert all(np.array_equal(out, outs[0]) for out in outs)
    fresh = painted(scene(8, (96, 64)), region(20, 10, 60, 50), redactor=Redactor(style=style))[10:50, 20:60]
    assert not np.array_equal(outs[8], fresh)  # without the memory each frame would tell something new


def test_another_track_and_the_lead_in_have_paint_of_their_own():
    redactor = Redactor()
    here = region(20, 10, 60, 50)
    first = painted(scene(0, (96, 64)), here, redactor=redactor)
    assert not np.array_equal(painted(scene(5, (96, 64)), region(20, 10, 60, 50, track_id=2), redactor=redactor), first)
    lead_in = painted(scene(5, (96, 64)), region(20, 10, 60, 50, seen=False), redactor=redactor)
    assert not np.array_equal(lead_in[10:50, 20:60], first[10:50, 20:60])
    assert np.array_equal(painted(scene(5, (96, 64)), here, redactor=redactor)[10:50, 20:60], first[10:50, 20:60])


def test_paint_follows_its_track_and_grows_with_it():
    redactor = Redactor()
    small = painted(scene(0, (96, 64)), region(10, 10, 42, 42), redactor=redactor)[10:42, 10:42]
    moved = painted(scene(4, (96, 64)), region(50, 20, 82, 52), redactor=redactor)[20:52, 50:82]
    assert np.array_equal(small, moved)
    large = painted(scene(4, (96, 64)), region(30, 0, 94, 64), redactor=redactor)[:, 30:94]
    assert psnr(large[::2, ::2], small) > 25


# --- where ---


@pytest.mark.parametrize("style", STYLES)
def test_a_box_is_rounded_outwards_and_nothing_beside_it_is_touched(style):
    before = scene(0, (96, 64))
    out = painted(before, region(10.9, 5.01, 50.01, 44.5), redactor=Redactor(style=style), black=7)
    inside = np.zeros((64, 96), bool)
    inside[5:45, 10:51] = True
    assert np.array_equal(out[~inside], before[~inside])
    assert (out[inside] != before[inside]).any(axis=1).mean() > 0.9
    assert psnr(out[5:45, 10:51], before[5:45, 10:51]) < 30


def test_rows_and_columns_on_the_rim_of_a_box_are_painted():
    before = np.full((40, 40), 90, np.uint8)
    before[7, 9:31] = before[29, 9:31] = before[7:30, 9] = before[7:30, 30] = 255  # the rim of 9..31 x 7..30
    out = painted(before, region(9.99, 7.99, 30.01, 29.01))
    assert out.max() < 200


@pytest.mark.parametrize(
    "pixel_format", ["yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "gray", "gbrp", "yuv440p"]
)
@pytest.mark.parametrize("size", [(101, 57), (96, 64)])
def test_every_plane_is_painted_outwards_up_to_the_edge_of_odd_frames(pixel_format, size):
    frame = av.VideoFrame.from_ndarray(scene(0, size), format="rgb24").reformat(format=pixel_format)
    before = planes_of(frame)
    box = Box(x1=60.5, y1=21, x2=size[0] + 30, y2=size[1] + 9)
    Redactor(style="fill").paint(native_planes(frame), [Region(track_id=1, box=box)])
    for number, (was, now) in enumerate(zip(before, planes_of(frame), strict=True)):
        wide = was.shape[1] // (2 if pixel_format == "nv12" and number else 1)
        across, down = -(-size[0] // wide), -(-size[1] // len(was))
        left, top = int(60.5 // across) * (was.shape[1] // wide), 21 // down
        assert len(np.unique(now[top:, left:])) == 1
        assert np.array_equal(now[:top], was[:top])
        assert np.array_equal(now[:, :left], was[:, :left])
        assert not np.array_equal(now, was)


@pytest.mark.parametrize(
    ("pixel_format", "black"),
    [("yuv420p", 16), ("yuvj420p", 0), ("gbrp", 0), ("yuv420p10le", 64), ("gray", 16), ("yuv444p", 16), ("nv12", 16)],
)
def test_fill_is_black_in_every_kind_of_samples(pixel_format, black):
    frame = av.VideoFrame.from_ndarray(scene(0, (96, 64)), format="rgb24").reformat(format=pixel_format)
    Redactor(style="fill").paint(native_planes(frame), [region(0, 0, 96, 64)])
    planes = planes_of(frame)
    assert set(np.unique(planes[0])) == {black}
    if len(planes) > 1 and pixel_format != "gbrp":
        assert set(np.unique(planes[1])) == {512 if "10" in pixel_format else 128}
    if pixel_format in ("yuv420p", "yuvj420p", "yuv444p", "nv12", "gbrp"):
        assert frame.to_ndarray(format="rgb24").max() <= 2


def test_a_box_outside_the_frame_paints_nothing():
    before = scene(0, (96, 64))
    assert np.array_equal(painted(before, region(-40, -40, 0, 64), region(96, 0, 200, 64)), before)
    assert not np.array_equal(painted(before, region(-40, -40, 13, 13)), before)


def test_one_pixel_can_be_painted():
    before = scene(0, (96, 64))
    out = painted(before, region(3.4, 5.2, 3.6, 5.4), redactor=Redactor(style="fill"))
    assert (out[5, 3] == 0).all()
    assert np.array_equal(
        np.delete(out.reshape(-1, 3), 5 * 96 + 3, axis=0), np.delete(before.reshape(-1, 3), 5 * 96 + 3, axis=0)
    )


def test_transparency_stays_as_it_was():
    before = np.dstack([scene(0, (96, 64)), np.arange(96 * 64).reshape(64, 96).astype(np.uint8)])
    out = painted(before, region(10, 10, 60, 60), skip_last=True)
    assert np.array_equal(out[..., 3], before[..., 3])
    assert psnr(out[10:60, 10:60, :3], before[10:60, 10:60, :3]) < 30


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535)])
def test_smoothing_never_leaves_the_range_of_the_samples(dtype, top):
    checks = ((np.indices((64, 64)) // 8).sum(axis=0) % 2 * top).astype(dtype)
    out = painted(checks, region(0, 0, 64, 64))
    assert (int(out.min()), int(out.max())) == (0, top)
    assert len(np.unique(out)) > 20


# --- which regions ---


def track(label="face", track_id=4):
    sightings = tuple(
        Sighting(
            frame_index=n * 25,
            time_s=Fraction(n),
            detection=Detection(
                label=label, score=0.9, box=Box(x1=20 + 10 * n, y1=20, x2=40 + 10 * n, y2=50), detector="d"
            ),
        )
        for n in (1, 2)
    )
    return Track(track_id=track_id, label=label, sightings=sightings, start_s=Fraction(1, 2), end_s=Fraction(3))


def test_a_head_is_wider_than_its_face():
    (one,) = regions_at([track()], Fraction(3, 2), 200, 200)
    left, top, right, bottom = HEAD_MARGINS
    assert one.box == Box(x1=35 - 20 * left, y1=20 - 30 * top, x2=55 + 20 * right, y2=50 + 30 * bottom)
    assert (one.track_id, one.seen) == (4, True)
    (thing,) = regions_at([track("plate")], Fraction(3, 2), 200, 200)
    assert thing.box == Box(x1=35, y1=20, x2=55, y2=50).grown(*OBJECT_MARGINS)


def test_regions_come_and_go_with_their_track_and_end_at_the_frame():
    def at(time_s, width=200):
        return regions_at([track()], Fraction(time_s), width, 200)

    assert at("1/4") == at("7/2") == []
    assert [r.seen for t in ("1/2", "0.99", "1", "3") for r in at(t)] == [False, False, True, True]
    (cut,) = at("2", 50)
    assert cut.box.x2 == 50
    assert at("2", 30) == []


# --- proof ---


@pytest.mark.parametrize("size", [(40, 40), (200, 170), (640, 700), (37, 900)])
def test_a_wide_gaussian_of_a_smaller_copy_judges_as_the_exact_one(size, monkeypatch):
    face = cv2.resize(scene(2, (80, 80)), size)
    face[::3, ::2] = 255 - face[::3, ::2]
    for other in (face[:, ::-1], cv2.GaussianBlur(face, (0, 0), 3), painted(face, region(0, 0, *size))):
        with monkeypatch.context() as patched:
            patched.setattr(redact, "LEAST_SIGMA_PX", 1e9)
            exact = survival(face, other)
        assert survival(face, other) == pytest.approx(exact, abs=0.011)


def test_paint_seen_in_a_smaller_picture_is_judged_by_the_cells_it_has_there():
    random = np.random.default_rng(2)
    octaves = [random.normal(0, 240 / n, (n, n, 3)).astype(np.float32) for n in (4, 8, 16, 32)]
    layers = [cv2.resize(octave, (120, 120), interpolation=cv2.INTER_CUBIC) for octave in octaves]
    face = np.clip(128 + sum(layers), 0, 255).astype(np.uint8)  # as in photos, the coarser structure the stronger
    gone = painted(face, region(0, 0, 120, 120))
    small = [cv2.resize(picture, (28, 28), interpolation=cv2.INTER_AREA) for picture in (face, gone)]
    assert survival(*small, size_px=(120, 120)) < 0.65
    assert (
        survival(*small) > 0.75
    )  # as if it had no room for eight cells: then the paint's own seem finer than paint is
    assert survival(small[0], small[0], size_px=(120, 120)) == pytest.approx(1)


def test_survival_is_whole_for_what_was_left_and_nothing_for_what_was_painted():
    face = scene(0, (80, 80))
    noise = np.random.default_rng(0).integers(-3, 4, face.shape)
    assert survival(face, face) == pytest.approx(1)
    assert survival(face, np.clip(face + noise, 0, 255).astype(np.uint8)) == pytest.approx(1, abs=0.1)
    for style in STYLES:
        assert abs(survival(face, painted(face, region(0, 0, 80, 80), redactor=Redactor(style=style)))) < 0.1
    assert survival(np.full_like(face, 90), face) == 0


def test_a_region_of_many_samples_looks_as_one_of_few(monkeypatch):
    face = scene(2, (300, 300))
    where = region(20, 20, 280, 270)
    whole = painted(face, where, redactor=Redactor())
    monkeypatch.setattr("media_screen.redact.MANY_SAMPLES", 1 << 30)
    assert np.abs(whole.astype(int) - painted(face, where, redactor=Redactor())).max() <= 2
    assert not np.array_equal(whole, face)
