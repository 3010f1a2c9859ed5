"""Frame times and luma samples -> which detector looks now, and where a scene is cut. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT_LEAST = 18.0  # mean luma step (of 255) below which no change is a cut
CUT_RATIO = 4.0  # ... and how far it must stand above the steps before it
STIR_LEAST = 12.0  # mean luma step of a patch below which nothing came or went
STIR_RATIO = 2.0  # ... and how far it must stand above the steps before it: a shaking camera is no news
PATCHES = 4  # across and down
NEWNESS = 0.2  # weight of the latest step in the running means


class Sampler:
    """Says when one detector is due: at the first frame, then once a period.

    The phase (0..1) shifts all later looks, so that a second examination sees other frames than the first did.
    """

    def __init__(self, period_s: Fraction, phase: Fraction = Fraction(0)) -> None:
        self._period_s = period_s
        self._next_s: Fraction | None = None
        self._first_step_s = period_s * (1 - phase)

    def due(self, time_s: Fraction) -> bool:
        """True if the detector should look at the frame of this time; asks must come in order of time."""
        if self._next_s is None:
            self._next_s = time_s + self._first_step_s
            return True
        if time_s < self._next_s:
            return False
        if self._period_s:  # without one, every frame is due
            self._next_s += ((time_s - self._next_s) // self._period_s + 1) * self._period_s
        return True


class Step(NamedTuple):
    """What changed from one frame to the next."""

    is_cut: bool  # a new scene begins here
    is_stir: bool  # something may have come or gone: looks a period apart would miss it


STILL = Step(is_cut=False, is_stir=False)


class Stir:
    """Compares each frame with the one before, as a whole and in patches, against how lively the scene was so far."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._level = 0.0  # running means of the steps so far: of the whole, and of the liveliest patch
        self._patch_level = 0.0

    def step(self, glance: NDArray[np.float32]) -> Step:
        """Compare a few luma samples (h, w) in 0..255 with those of the last frame."""
        before, self._before = self._before, glance
        if before is None or before.shape != glance.shape:
            return Step(is_cut=before is not None, is_stir=False)
        change = np.abs(glance - before)
        whole, patch = float(change.mean()), float(patches(change).max())
        is_cut = whole > CUT_LEAST and whole > CUT_RATIO * self._level
        is_stir = not is_cut and patch > STIR_LEAST and patch > STIR_RATIO * self._patch_level
        self._level += (whole - self._level) * NEWNESS  # cuts, too: a flickering lamp is one cut, not one a frame
        if not is_cut:
            self._patch_level += (patch - self._patch_level) * NEWNESS
        return Step(is_cut=is_cut, is_stir=is_stir)


def patches(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of (h, w) samples over a grid of PATCHES x PATCHES, or fewer where there are fewer samples."""
    counts = [min(PATCHES, side) for side in samples.shape]
    starts = [np.arange(n) * side // n for n, side in zip(counts, samples.shape, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(samples, starts[0], axis=0), starts[1], axis=1)
    heights, widths = (np.diff([*s, side]) for s, side in zip(starts, samples.shape, strict=True))
    means: NDArray[np.float32] = sums / np.outer(heights, widths)
    return means
