"""When a detector looks, and where one scene ends: pure numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from clips import scene
from hypothesis import given
from hypothesis import strategies as st

from media_screen.sample import CUT_LEAST, STIR_LEAST, Sampler, Stir

ticks = st.lists(st.integers(1, 90), min_size=1, max_size=80).map(
    lambda steps: [Fraction(sum(steps[:n]), 75) for n in range(len(steps) + 1)]
)
periods = st.fractions(Fraction(1, 50), 3)
phases = st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10)])


def looks(times, period_s, phase=Fraction(0)):
    sampler = Sampler(period_s, phase)
    return [t for t in times if sampler.due(t)]


def test_a_look_every_fourth_frame_at_a_sixth_of_a_second():
    times = [Fraction(n, 25) for n in range(20)]
    assert looks(times, Fraction(4, 25)) == times[::4]
    assert looks(times, Fraction(4, 25), Fraction(1, 2)) == [times[n] for n in (0, 2, 6, 10, 14, 18)]
    assert looks(times, Fraction(1, 25)) == times
    assert looks(times, Fraction(1, 1000)) == times


def test_times_that_do_not_begin_at_nought_are_no_different():
    times = [Fraction(7) + Fraction(n, 25) for n in range(12)]
    assert looks(times, Fraction(4, 25)) == times[::4]


def test_after_a_long_frame_looks_keep_their_beat():
    times = [Fraction(t) for t in (0, 1, 10, 11, 12, 13)]
    assert looks(times, Fraction(4)) == [0, 10, 12]


@given(ticks, periods, phases)
def test_no_gap_is_longer_than_a_period_and_one_frame(times, period_s, phase):
    seen = looks(times, period_s, phase)
    assert seen[0] == times[0]
    for last, following in zip(seen, [*seen[1:], None], strict=True):
        skipped = [t for t in times if t > last and (following is None or t < following)]
        assert all(t - last < period_s for t in skipped)
    assert len(seen) == len(set(seen))


@given(ticks, periods)
def test_looks_are_no_more_than_the_time_has_periods(times, period_s):
    assert len(looks(times, period_s)) <= (times[-1] - times[0]) / period_s + 1


@given(st.integers(4, 150).map(lambda n: Fraction(n, 100)))
def test_half_a_phase_looks_at_other_frames(period_s):
    times = [Fraction(n, 1000) for n in range(4000)]
    first, second = looks(times, period_s), looks(times, period_s, Fraction(1, 2))
    assert second[0] == first[0]
    assert not set(second[1:]) & set(first)


def luma(index, *, turned=False):
    rgb = scene(index, (96, 64))[::-1, ::-1] if turned else scene(index, (96, 64))
    return rgb.mean(axis=2, dtype=np.float32)[::3, ::3]


def grey(level, shape=(8, 12)):
    return np.full(shape, level, np.float32)


def test_a_moving_block_is_no_cut_and_another_scene_is_one():
    stir = Stir()
    assert not any(stir.step(luma(n)).is_cut for n in range(12))
    assert stir.step(luma(12, turned=True) * 0.2) == (True, False)
    assert not stir.step(luma(13, turned=True) * 0.2).is_cut


@pytest.mark.parametrize(("change", "is_cut"), [(CUT_LEAST, False), (CUT_LEAST + 1, True)])
def test_a_cut_is_a_change_of_so_much_in_the_mean(change, is_cut):
    stir = Stir()
    stir.step(grey(100))
    half = grey(100)
    half[:4] += 2 * change
    assert stir.step(half).is_cut is is_cut


def test_what_comes_in_one_corner_is_a_stir_and_no_cut():
    stir = Stir()
    for _ in range(3):
        assert stir.step(grey(100)) == (False, False)
    corner = grey(100)
    corner[6:, 9:] += STIR_LEAST + 1
    assert stir.step(corner) == (False, True)
    corner[6:, 9:] += STIR_LEAST - 1
    assert stir.step(corner) == (False, False)


@pytest.mark.parametrize("strength", [25, 60, 120])
def test_a_flickering_lamp_is_news_at_most_in_the_beginning(strength):
    stir = Stir()
    steps = [stir.step(grey(100 + strength * (n % 2))) for n in range(30)]
    assert sum(step.is_cut for step in steps) <= 2
    assert not any(step.is_stir for step in steps[12:])


def test_one_cut_does_not_hide_the_next():
    stir = Stir()
    levels = [50] * 10 + [150] * 8 + [40] * 8 + [120] * 3
    cuts = [n for n, level in enumerate(levels) if stir.step(grey(level)).is_cut]
    assert cuts == [10, 18, 26]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 32), (21, 32)])
def test_the_smallest_pictures_can_be_compared(shape):
    stir = Stir()
    stir.step(grey(0, shape))
    assert stir.step(grey(15, shape)) == (False, True)


def test_a_picture_of_another_shape_is_a_new_scene():
    stir = Stir()
    assert stir.step(grey(0)) == (False, False)
    assert stir.step(grey(0, (12, 8))) == (True, False)
