"""Portrait or Encoding -> how much it is worth, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from media_screen.identify import Encoding
    from media_screen.types import Portrait

FACE_PX = 112  # at which sharpness is compared, so that it does not depend on the camera's resolution
LEAST_PX = 40.0  # of a face that is compared at all
LEAST_SHARP = 25.0
MOST_TURNED = 0.55
LEAST_EVEN = 0.3
# an enrolment is compared with for a year: it may be asked to be better than a sighting
ENROL_PX = 80.0
ENROL_SHARP = 60.0
ENROL_TURNED = 0.4


def face_of(portrait: Portrait) -> NDArray[np.uint8] | None:
    """Luma of the face alone (FACE_PX, FACE_PX); None where its box lies beside the picture."""
    height, width = portrait.pixels.shape[:2]
    x1, y1, x2, y2 = portrait.box.clipped(width, height).pixels()
    if x2 - x1 < 1 or y2 - y1 < 1:
        return None
    luma = cv2.cvtColor(np.ascontiguousarray(portrait.pixels[y1:y2, x1:x2]), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(luma, (FACE_PX, FACE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def sharpness(portrait: Portrait) -> float:
    """Variance of the Laplacian of the face at FACE_PX: blur of lens, motion and enlarging all lower it."""
    face = face_of(portrait)
    return 0.0 if face is None else float(cv2.Laplacian(face, cv2.CV_64F).var())


def is_smeared(encoding: Encoding) -> bool:
    """True if the face or the camera moved while it was taken: such a look is like another smeared one, or nobody."""
    return encoding.evenness <= LEAST_EVEN


def is_good(encoding: Encoding) -> bool:
    """True if a sighting is worth a comparison."""
    return encoding.size_px >= LEAST_PX and encoding.sharpness >= LEAST_SHARP and encoding.turn <= MOST_TURNED


def faults(encoding: Encoding) -> list[str]:
    """What is wrong with a photo that is to be enrolled, in words a person can act on; empty where nothing is."""
    said = []
    if encoding.size_px < ENROL_PX:
        said.append(f"the face is {encoding.size_px:.0f} px wide, {ENROL_PX:.0f} are needed: take it from nearer")
    if encoding.sharpness < ENROL_SHARP:
        said.append("the face is not sharp: hold still, in more light, and do not enlarge a small picture")
    if is_smeared(encoding):
        said.append("the face is smeared by motion: hold still, in more light")
    if encoding.turn > ENROL_TURNED:
        said.append("the face is turned aside: look into the camera")
    return said
