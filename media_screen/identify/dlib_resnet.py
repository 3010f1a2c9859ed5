"""Portraits -> the 128 numbers of face-recognition: dlib's ResNet, with the weights of face_recognition_models.

The same encodings as face_recognition.face_encodings gives, without importing that package: it loads 100 MB that are
not needed here, and it tells Pillow to accept truncated pictures from then on, which a program that must refuse them
cannot have.

Sources: dlib, dnn_face_recognition_ex.cpp (150 px chips, 0.25 padding, distance 0.6); face_recognition 1.3.0, api.py.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from media_screen.errors import DetectorFailed, SettingsError
from media_screen.identify import Encoding
from media_screen.identify.quality import sharpness
from media_screen.identify.smear import evenness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.identify import EmbeddingSpec
    from media_screen.types import Portrait

LANDMARKS = "shape_predictor_5_face_landmarks.dat"
NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
FACE_PX = 200  # portraits are brought to this: the chip is 150 px with its padding
MOST_ENLARGED = 4.0
SIDE = 1.0  # of dlib's square to the mean side of a detector's box, and how much lower it lies
LOWER = 0.05


class DlibResnet:
    """An embedder. dlib runs on one thread."""

    def __init__(self, spec: EmbeddingSpec, *, path: Path | None = None, threads: int = 0) -> None:  # noqa: ARG002
        import dlib

        folder = path or models_folder()
        self.spec = spec
        network = (folder / NETWORK).read_bytes()
        if spec.sha256 and hashlib.sha256(network).hexdigest() != spec.sha256:
            raise SettingsError(f"{folder / NETWORK} is not the file that embedding {spec.name} was measured with")
        self._landmarks: Any = dlib.shape_predictor(str(folder / LANDMARKS))
        self._network: Any = dlib.face_recognition_model_v1(str(folder / NETWORK))
        self._rectangle: Any = dlib.rectangle

    def encode(self, portraits: Sequence[Portrait]) -> list[Encoding]:
        """One encoding a portrait, in order."""
        return [self._encode(portrait) for portrait in portraits]

    def _encode(self, portrait: Portrait) -> Encoding:
        share = min(FACE_PX / max(portrait.box.width_px, portrait.box.height_px, 1.0), MOST_ENLARGED)
        smooth = cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR
        pixels = np.ascontiguousarray(cv2.resize(portrait.pixels, None, fx=share, fy=share, interpolation=smooth))
        box = portrait.box.scaled(share, share)
        half = (box.width_px + box.height_px) / 4 * SIDE
        x, y = box.centre
        y += LOWER * 2 * half
        square = self._rectangle(int(x - half), int(y - half), int(x + half), int(y + half))
        try:
            points = self._landmarks(pixels, square)
            vector = np.asarray(self._network.compute_face_descriptor(pixels, points), np.float32)
        except RuntimeError as error:
            raise DetectorFailed(f"embedding {self.spec.name} did not run: {error}") from error
        return Encoding(
            vector=vector,
            size_px=portrait.size_px,
            sharpness=sharpness(portrait),
            turn=turn([(p.x, p.y) for p in points.parts()]),
            evenness=evenness(portrait),
        )


def turn(points: Sequence[tuple[float, float]]) -> float:
    """How far a face looks aside, from the corners of its eyes and its nose: 0 into the camera, 1 in profile.

    Args:
        points: outer and inner corner of the eye on the right of the picture, the same on the left, foot of the nose.
    """
    right, left = (np.mean(np.asarray(points[i : i + 2], float), axis=0) for i in (0, 2))
    across = right - left
    apart = float(np.hypot(*across))
    if apart < 1:
        return 1.0
    nose = np.asarray(points[4], float) - (right + left) / 2
    return abs(float(nose @ across)) / apart / (apart / 2)


def models_folder() -> Path:
    """Where face_recognition_models keeps its files, found without running it: it wants a setuptools of old.

    Raises:
        ImportError: it is not installed.
    """
    found = find_spec("face_recognition_models")
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'face_recognition_models'")
    return Path(found.submodule_search_locations[0]) / "models"
