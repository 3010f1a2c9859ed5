"""Portrait -> how evenly fine it is along every direction; and the same portrait as if its face had moved.

What moves while it is taken loses its fine structure along its way, and keeps it across. An embedding moves such a
face away from sharp photos of the same person, and nearer to others': so it is compared with smeared ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from media_screen.identify.quality import face_of

if TYPE_CHECKING:
    from media_screen.types import Portrait

FACE_PX = 120  # height to which a face is brought before it is smeared: as films show faces
SMEAR = 9 / 112  # of the face's height
QUALITY = 25  # of JPEG: what moves is coded coarsely, and strangers stay farther from a likeness that was as well
# structure along a direction, as a multiple of that across it, in a face at rest: eyes, brows and mouth lie level
USUAL = {(0, 2): 0.5, (2, 0): 2.0, (2, 2): 1.0, (2, -2): 1.0}  # (rows, columns) of a step


def evenness(portrait: Portrait) -> float:
    """The least there is along any direction, as a share of what is usual: about 0.8 at rest, below 0.2 if smeared."""
    face = face_of(portrait)
    if face is None:
        return 0.0
    pixels = face.astype(np.float32)
    return min(_fine(pixels, *step) / max(_fine(pixels, step[1], -step[0]), 1e-6) / at for step, at in USUAL.items())


def _fine(pixels: np.ndarray, rows: int, columns: int) -> float:
    """Mean square of the second differences along one direction."""
    edge = 2  # of every side: further than any step
    height, width = pixels.shape

    def moved(by: int) -> np.ndarray:
        y, x = edge + by * rows, edge + by * columns
        return pixels[y : y + height - 2 * edge, x : x + width - 2 * edge]

    return float(np.mean((2 * moved(0) - moved(1) - moved(-1)) ** 2))


def smeared(portrait: Portrait) -> Portrait:
    """As a film shows a face that moves sideways by a twelfth of its height: smeared, and coded coarsely."""
    share = min(1.0, FACE_PX / max(portrait.box.height_px, 1.0))
    small = cv2.resize(portrait.pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    wide = max(3, round(portrait.box.height_px * share * SMEAR))
    moved = cv2.filter2D(small, -1, np.full((1, wide), 1 / wide, np.float32))
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(moved, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    seen = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    pixels = np.asarray(cv2.cvtColor(seen, cv2.COLOR_BGR2RGB), np.uint8)
    return replace(portrait, pixels=pixels, box=portrait.box.scaled(share, share))
