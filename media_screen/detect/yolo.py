"""Frames -> Detections by a YOLOv8-style network in ONNX: (1, 4 + classes, boxes), centre boxes, no objectness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from media_screen.detect import open_session
from media_screen.errors import DetectorFailed, SettingsError
from media_screen.types import Box, Detection, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from media_screen.detect import ModelSpec
    from media_screen.types import Frame, Picture

NMS_IOU = 0.5
MULTIPLE_PX = 32  # the network wants sides that its coarsest stride divides
PAD = 114  # the grey that Ultralytics trains its letterbox with


class Yolo:
    """A detector of the classes named in its manifest row, in the order of the network's outputs."""

    def __init__(self, spec: ModelSpec, *, path: Path, threads: int = 0) -> None:
        self.spec = spec
        self._session: Any = open_session(path, threads)
        self.model = ModelInfo(name=spec.name, sha256=spec.sha256, provider=self._session.get_providers()[0])
        given = self._session.get_inputs()[0]
        self._input = given.name
        self._half = given.type == "tensor(float16)"
        side = given.shape[2]
        self._is_fixed = isinstance(side, int)
        self._side = side if self._is_fixed else max(MULTIPLE_PX, spec.frame_px // MULTIPLE_PX * MULTIPLE_PX)
        classes = self._session.get_outputs()[0].shape[1]
        if isinstance(classes, int) and classes != 4 + len(spec.labels):
            raise SettingsError(f"model {spec.name}: {classes - 4} classes, but its row names {len(spec.labels)}")

    def detect(self, frames: Sequence[Frame], min_score: float) -> list[list[Detection]]:
        """One list per frame, in order, highest score first."""
        return [self._detect(frame, min_score) for frame in frames]

    def _detect(self, frame: Frame, min_score: float) -> list[Detection]:
        picture, scale = self._letterbox(frame.pixels)
        try:
            raw = self._session.run(None, {self._input: picture})[0][0]
        except Exception as error:
            raise DetectorFailed(f"detector {self.spec.name} did not run: {error}") from error
        rows = np.asarray(raw, dtype=np.float32).T
        labels = rows[:, 4:].argmax(axis=1)
        scores = rows[np.arange(len(rows)), 4 + labels]
        likely = scores >= min_score
        rows, labels, scores = rows[likely], labels[likely], scores[likely]
        corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], axis=1) / scale
        kept = cv2.dnn.NMSBoxesBatched(corners.tolist(), scores.tolist(), labels.tolist(), min_score, NMS_IOU)
        found = [self._detection(corners[i], labels[i], scores[i], frame) for i in kept]
        return sorted((d for d in found if d.box.area_px > 0), key=lambda d: -d.score)

    def _letterbox(self, pixels: Picture) -> tuple[NDArray[np.floating[Any]], float]:
        height, width = pixels.shape[:2]
        scale = self._side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # a network of free size is not shown more grey than its strides ask for: a third of the time of a wide frame
        rows, columns = (self._side, self._side) if self._is_fixed else (_up(size[1]), _up(size[0]))
        canvas = np.full((rows, columns, 3), PAD, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(
            pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        batch = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32) / 255
        return batch.astype(np.float16) if self._half else batch, scale

    def _detection(self, corner: NDArray[Any], label: int, score: float, frame: Frame) -> Detection:
        x, y, w, h = (float(v) for v in corner)
        across, down = frame.scale
        box = Box(x1=x, y1=y, x2=x + max(w, 0), y2=y + max(h, 0)).scaled(across, down)
        return Detection(
            label=self.spec.labels[label],
            score=min(float(score), 1.0),
            box=box.clipped(frame.width_px, frame.height_px),
            detector=self.spec.name,
        )


def _up(side: int) -> int:
    return -(-side // MULTIPLE_PX) * MULTIPLE_PX
