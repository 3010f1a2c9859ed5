"""Frame times and luma samples -> which detector looks now, and where a scene is cut. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT_LEAST = 18.0  # mean luma step (of 255) below which no change is a cut
CUT_RATIO = 4.0  # ... and how far it must stand above the steps before it
STIR_LEAST = 14.0  # a step above this is motion that a sampled look may have missed


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


class Stir:
    """Compares each frame with the one before: how much changed, and whether that is a cut."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._level = 0.0  # running mean of the steps so far

    def step(self, glance: NDArray[np.float32]) -> tuple[float, bool]:
        """Mean luma step in 0..255 since the last frame, and True if a new scene begins here."""
        before, self._before = self._before, glance
        if before is None or before.shape != glance.shape:
            return 0.0, before is not None
        step = float(np.abs(glance - before).mean())
        is_cut = step > CUT_LEAST and step > CUT_RATIO * self._level
        if not is_cut:
            self._level += (step - self._level) * 0.2
        return step, is_cut
