"""Sample planes + regions -> planes in which the regions are destroyed.

The default style keeps at most 8 x 8 average colours of a region, taken once in the lead-in and once when its track is
first seen, then frozen: however many frames an attacker fuses, there is nothing below a cell to be had (reversibility
of plain blurs, and fusing of frames: arXiv 1905.05243, 2512.16086, 10.1007/s11042-016-4337-7). It is smoothed only to
be easy on the eye.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from media_screen.types import Box, Track

Style = Literal["blur", "mosaic", "fill"]
STYLES: tuple[Style, ...] = ("blur", "mosaic", "fill")
MAX_CELLS = 8
MIN_CELL_PX = 6  # a small region gets fewer cells: eight across 16 px would keep the face
MANY_SAMPLES = 1 << 16  # of a region: from here on its colours are whole numbers, painted in half the time
LEAST_SIGMA_PX = 4.0  # in which a Gaussian is sampled: exact to a hundredth of a likeness
NOISE = 2.0  # of 255: structure weaker than this is grain
# a face box spans brow to chin; hair, ears and beard identify too: shares of the box added left, top, right, bottom
HEAD_MARGINS = (0.35, 0.5, 0.35, 0.3)
OBJECT_MARGINS = (0.08, 0.08, 0.08, 0.08)
# whoever is protected goes as a whole: a standing figure is about eight heads high, and arms reach wide
FIGURE_MARGINS = (1.6, 0.6, 1.6, 7.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What is to be destroyed in one frame, in pixels of the upright full-size frame."""

    track_id: int
    box: Box
    seen: bool = True  # False in the lead-in, where the object is not expected yet


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plane:
    """Writable samples (h, w) or (h, w, channels), subsampled `across` and `down` against the full picture."""

    samples: NDArray[Any]
    across: int = 1
    down: int = 1
    black: int = 0
    skip_last: bool = False  # the last channel is alpha, and stays


def regions_at(tracks: Sequence[Track], time_s: Fraction, width_px: int, height_px: int) -> list[Region]:
    """The regions of one frame: each track's box, widened, cut to the frame."""
    regions = []
    for track in tracks:
        box = track.box_at(time_s)
        if box is not None:
            wide = box.grown(*_margins(track)).clipped(width_px, height_px)
            if wide.area_px > 0:
                seen = time_s >= track.sightings[0].time_s
                regions.append(Region(track_id=track.track_id, box=wide, seen=seen))
    return regions


def _margins(track: Track) -> tuple[float, float, float, float]:
    if track.label != "face":
        return OBJECT_MARGINS
    return FIGURE_MARGINS if track.identity and track.identity.role == "protected" else HEAD_MARGINS


@dataclass(slots=True)
class Redactor:
    """Paints regions; remembers each track's cells so that they stay the same in every frame."""

    style: Style = "blur"
    _cells: dict[tuple[int, bool, int], NDArray[np.float32]] = field(default_factory=dict)

    def paint(self, planes: Sequence[Plane], regions: Sequence[Region]) -> None:
        """Destroy the regions (boxes in the planes' own, stored orientation) in place."""
        for region in regions:
            for number, plane in enumerate(planes):
                self._paint_plane(plane, region.box, (region.track_id, region.seen, number))

    def _paint_plane(self, plane: Plane, box: Box, key: tuple[int, bool, int]) -> None:
        x1, y1, x2, y2 = box.scaled(1 / plane.across, 1 / plane.down).pixels()
        height, width = plane.samples.shape[:2]
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if x1 >= x2 or y1 >= y2:
            return
        target = plane.samples[y1:y2, x1:x2]
        if plane.skip_last:
            target = target[..., :-1]
        if self.style == "fill":
            target[...] = plane.black
            return
        if key not in self._cells:
            self._cells[key] = cells_of(target, plane.across, plane.down)
        smooth = cv2.INTER_CUBIC if self.style == "blur" else cv2.INTER_NEAREST
        cells = self._cells[key]
        if target.size > MANY_SAMPLES:
            cells = np.rint(cells).astype(target.dtype.newbyteorder("="))
        painted = cv2.resize(cells, (x2 - x1, y2 - y1), interpolation=smooth)
        # a curve through the cells overshoots them: 10 bits would run over, and 16 bits of memory not notice
        np.clip(painted, cells.min(), cells.max(), out=painted)
        if painted.dtype == np.float32:
            np.rint(painted, out=painted)
        target[...] = painted.reshape(target.shape)


def survival(before: NDArray[Any], after: NDArray[Any], *, size_px: tuple[int, int] | None = None) -> float:
    """How alike the fine structure, all that lies below the cells, is before and after: 0 not at all, 1 the same.

    Args:
        before: RGB (h, w, 3) of the source.
        after: the same place in the output.
        size_px: height and width of the place in the frame that was painted, which had room for more cells than a
            smaller picture of it has; None where these are of that size.
    """
    grid = _grid(*(size_px or before.shape[:2]))
    fine = [_below_cells(picture, grid) for picture in (before, after)]
    energies = [float((f**2).mean()) for f in fine]
    if energies[0] < NOISE**2 or not energies[1]:
        return 0.0
    return float((fine[0] * fine[1]).mean()) / math.sqrt(energies[0] * energies[1])


def _below_cells(picture: NDArray[Any], grid: tuple[int, int]) -> NDArray[np.float32]:
    luma = np.asarray(cv2.transform(picture.astype(np.float32), np.full((1, 3), 1 / 3, np.float32)), np.float32)
    cell_px = max(luma.shape[0] / grid[0], luma.shape[1] / grid[1])
    return np.asarray(luma - _smoothed(luma, cell_px / 4), np.float32)


def _smoothed(luma: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """A Gaussian; a wide one of a smaller copy, which has all that is left of it: an eighth of the time."""
    less = max(1, int(sigma_px / LEAST_SIGMA_PX))
    height, width = luma.shape
    small = (
        cv2.resize(luma, (-(-width // less), -(-height // less)), interpolation=cv2.INTER_AREA) if less > 1 else luma
    )
    smooth = cv2.GaussianBlur(small, (0, 0), sigma_px / less)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC) if less > 1 else smooth)


def cells_of(samples: NDArray[Any], across: int = 1, down: int = 1) -> NDArray[np.float32]:
    """Average colours of a region: at most MAX_CELLS a side, each at least MIN_CELL_PX of the full picture wide."""
    rows, columns = _grid(samples.shape[0], samples.shape[1], across, down)
    native = np.asarray(samples, samples.dtype.newbyteorder("="))
    edges = np.linspace(0, len(native), rows + 1).round().astype(int)
    # downwards by sums, across by area: a tenth of the time that area takes both ways
    lines = [cv2.reduce(native[a:b], 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F) for a, b in itertools.pairwise(edges)]
    return np.asarray(cv2.resize(np.concatenate(lines), (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _grid(height: int, width: int, across: int = 1, down: int = 1) -> tuple[int, int]:
    """Rows and columns of a region's cells."""
    rows = min(MAX_CELLS, max(1, height * down // MIN_CELL_PX), height)
    return rows, min(MAX_CELLS, max(1, width * across // MIN_CELL_PX), width)
