"""Frames -> Detections by a YOLOv8-style network in ONNX: (1, 4 + classes, boxes), centre boxes, no objectness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from media_screen.detect import open_session
from media_screen.detect.overlaps import ious
from media_screen.errors import DetectorFailed, SettingsError
from media_screen.types import Box, Detection, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from media_screen.detect import ModelSpec
    from media_screen.types import Frame, Picture

    Rows = NDArray[np.float32]  # (n, 6): label, score, x1, y1, x2, y2 in pixels of the frame's picture

NMS_IOU = 0.5
SAME_IOU = 0.55  # boxes of two looks that mean one object
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
        wanted = (side,) if self._is_fixed else spec.looks_px or (spec.frame_px,)
        self._sides = [max(MULTIPLE_PX, each // MULTIPLE_PX * MULTIPLE_PX) for each in wanted]
        classes = self._session.get_outputs()[0].shape[1]
        if isinstance(classes, int) and classes != 4 + len(spec.labels):
            raise SettingsError(f"model {spec.name}: {classes - 4} classes, but its row names {len(spec.labels)}")

    def detect(self, frames: Sequence[Frame], min_score: float) -> list[list[Detection]]:
        """One list per frame, in order, highest score first."""
        return [self._detect(frame, min_score) for frame in frames]

    def _detect(self, frame: Frame, min_score: float) -> list[Detection]:
        looks = [self._look(frame.pixels, side, min_score / len(self._sides)) for side in self._sides]
        rows = agreed(looks) if len(looks) > 1 else looks[0]
        found = [self._detection(row, frame) for row in rows if row[1] >= min_score]
        return sorted((d for d in found if d.box.area_px > 0), key=lambda d: -d.score)

    def _look(self, pixels: Picture, side: int, least: float) -> Rows:
        """What a copy of this longest side shows."""
        picture, scale = self._letterbox(pixels, side)
        try:
            raw = self._session.run(None, {self._input: picture})[0][0]
        except Exception as error:
            raise DetectorFailed(f"detector {self.spec.name} did not run: {error}") from error
        rows = np.asarray(raw, dtype=np.float32).T
        labels = rows[:, 4:].argmax(axis=1)
        scores = rows[np.arange(len(rows)), 4 + labels]
        likely = scores >= least
        rows, labels, scores = rows[likely], labels[likely], scores[likely]
        low = rows[:, :2] - rows[:, 2:4] / 2
        sides = np.concatenate([low, rows[:, 2:4]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(sides.tolist(), scores.tolist(), labels.tolist(), least, NMS_IOU)
        boxes = np.concatenate([low, low + rows[:, 2:4]], axis=1) / scale
        told = np.concatenate([labels[:, None], scores[:, None], boxes], axis=1, dtype=np.float32)
        return np.asarray(told[np.asarray(kept, dtype=np.intp).reshape(-1)])

    def _letterbox(self, pixels: Picture, side: int) -> tuple[NDArray[np.floating[Any]], float]:
        height, width = pixels.shape[:2]
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # a network of free size is not shown more grey than its strides ask for: a third of the time of a wide frame
        rows, columns = (side, side) if self._is_fixed else (_up(size[1]), _up(size[0]))
        canvas = np.full((rows, columns, 3), PAD, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(
            pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        batch = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32) / 255
        return batch.astype(np.float16) if self._half else batch, scale

    def _detection(self, row: NDArray[Any], frame: Frame) -> Detection:
        label, score, x1, y1, x2, y2 = (float(v) for v in row)
        box = Box(x1=x1, y1=y1, x2=max(x1, x2), y2=max(y1, y2)).scaled(*frame.scale)
        return Detection(
            label=self.spec.labels[int(label)],
            score=min(score, 1.0),
            box=box.clipped(frame.width_px, frame.height_px),
            detector=self.spec.name,
        )


def agreed(looks: Sequence[Rows]) -> Rows:
    """What several looks at one picture show, each object once.

    Its score is the mean of what the looks give it, where one that does not show it gives nothing; its box the mean of
    theirs, by score.
    """
    rows = np.concatenate(looks)
    owners = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    best_first = np.argsort(-rows[:, 1], kind="stable")
    rows, owners = rows[best_first], owners[best_first]
    alike = (ious(rows[:, 2:], rows[:, 2:]) >= SAME_IOU) & (rows[:, None, 0] == rows[None, :, 0])
    free = np.ones(len(rows), bool)
    told = []
    for i in range(len(rows)):
        if not free[i]:
            continue
        theirs = [
            np.flatnonzero(alike[i] & free & (owners == other)) for other in range(len(looks)) if other != owners[i]
        ]
        group = [i, *(int(same[0]) for same in theirs if len(same))]
        free[group] = False
        scores = rows[group, 1]
        box = np.average(rows[group, 2:], axis=0, weights=scores)
        told.append([rows[i, 0], scores.sum() / len(looks), *box])
    return np.array(told, np.float32).reshape(-1, 6)


def _up(side: int) -> int:
    return -(-side // MULTIPLE_PX) * MULTIPLE_PX
