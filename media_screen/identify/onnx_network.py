"""Portraits -> vectors by an ONNX network of one's own, placed by the detector's box alone: no landmarks are needed.

Its file, digest and distances stand in a YAML file that is named instead of an embedding (docs/identity.md). The
vectors are brought to length 1, so that distances lie in 0..2.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from media_screen.errors import DetectorFailed, SettingsError
from media_screen.identify import Encoding
from media_screen.identify.quality import sharpness
from media_screen.identify.smear import evenness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from media_screen.identify import EmbeddingSpec
    from media_screen.types import Picture, Portrait


class OnnxNetwork:
    """An embedder: one input (n, 3, h, w), one output of so many numbers a picture."""

    def __init__(self, spec: EmbeddingSpec, *, path: Path, threads: int = 0) -> None:
        import onnxruntime as ort

        if not path.is_file():
            raise SettingsError(f"embedding {spec.name}: {path} is missing")
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != spec.sha256:
            raise SettingsError(f"embedding {spec.name}: {path} is not the file that is named (sha256 differs)")
        self.spec = spec
        ort.disable_telemetry_events()  # for a program that had loaded it before us
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            self._session: Any = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common base for its errors
            raise SettingsError(f"embedding {spec.name}: {path} does not load: {error}") from error
        wanted = self._session.get_inputs()[0]
        if len(wanted.shape) != 4 or not all(isinstance(side, int) for side in wanted.shape[2:]):
            raise SettingsError(f"embedding {spec.name}: the input must be (n, 3, height, width), not {wanted.shape}")
        self._input, (self._height, self._width) = wanted.name, wanted.shape[2:]

    def encode(self, portraits: Sequence[Portrait]) -> list[Encoding]:
        """One encoding a portrait, in order."""
        return [self._encode(portrait) for portrait in portraits]

    def _encode(self, portrait: Portrait) -> Encoding:
        pixels = self._placed(portrait)[:, :, :: -1 if self.spec.bgr else 1].astype(np.float32)
        batch = np.ascontiguousarray(((pixels - self.spec.mean) * self.spec.scale).transpose(2, 0, 1)[None])
        try:
            (answer, *_) = self._session.run(None, {self._input: batch})
        except Exception as error:  # the same
            raise DetectorFailed(f"embedding {self.spec.name} did not run: {error}") from error
        vector = np.asarray(answer, np.float32).ravel()
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise DetectorFailed(f"embedding {self.spec.name} gave no vector")
        return Encoding(
            vector=vector / length,
            size_px=portrait.size_px,
            sharpness=sharpness(portrait),
            turn=0.0,
            evenness=evenness(portrait),
        )

    def _placed(self, portrait: Portrait) -> Picture:
        """The portrait moved and stretched so that the face's box lies where the network wants it."""
        x1, y1, x2, y2 = self.spec.box
        box = portrait.box
        across = (x2 - x1) * self._width / max(box.width_px, 1.0)
        down = (y2 - y1) * self._height / max(box.height_px, 1.0)
        matrix = np.array(
            [[across, 0, x1 * self._width - box.x1 * across], [0, down, y1 * self._height - box.y1 * down]], np.float32
        )
        return np.asarray(cv2.warpAffine(portrait.pixels, matrix, (self._width, self._height)), np.uint8)
