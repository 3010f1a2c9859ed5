"""Frames -> Detections by any detector that Ultralytics runs (.pt, .onnx), prompted by text where it takes prompts.

For models that people bring: slower to start and to run than `yolo`, and wants the extra `ultralytics`. The `names` of
the row say which of the model's classes is which label of ours; to an open-vocabulary model (YOLO-World, YOLOE) they
are the prompts. A .pt file is a pickle, and loading it runs what is in it: the digest of the row has to be that of a
file you trust.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from media_screen.errors import DetectorFailed, SettingsError
from media_screen.types import Box, Detection, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from media_screen.detect import ModelSpec
    from media_screen.types import Frame

NMS_IOU = 0.5
# the library reports use, looks for updates and installs what it misses, unless this is set before it is imported
QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


class UltralyticsYolo:
    """A detector of the labels of its row; what else the model knows is left out."""

    def __init__(self, spec: ModelSpec, *, path: Path, threads: int = 0) -> None:
        """Load it.

        Raises:
            SettingsError: the model does not load, or has no class for a label of its row.
        """
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        import torch
        from ultralytics import YOLO

        if threads:
            torch.set_num_threads(threads)
        self.spec = spec
        try:
            self._model: Any = YOLO(str(path), task="detect")
            if spec.names and hasattr(self._model, "set_classes"):
                self._model.set_classes(list(spec.names))
            names = self._model.names
        except Exception as error:  # a pickle may raise anything
            raise SettingsError(f"model {spec.name}: Ultralytics cannot load {path.name}: {error}") from error
        self._labels = labels_of(names, spec)
        self.model = ModelInfo(name=spec.name, sha256=spec.sha256, provider="ultralytics")

    def detect(self, frames: Sequence[Frame], min_score: float) -> list[list[Detection]]:
        """One list per frame, in order, highest score first."""
        return [self._detect(frame, min_score) for frame in frames]

    def _detect(self, frame: Frame, min_score: float) -> list[Detection]:
        bgr = np.ascontiguousarray(frame.pixels[:, :, ::-1])
        try:
            (told,) = self._model.predict(
                bgr, imgsz=self.spec.frame_px, conf=min_score, iou=NMS_IOU, device="cpu", verbose=False
            )
            rows = told.boxes.data.cpu().numpy()  # x1 y1 x2 y2 score class
        except Exception as error:  # torch has no common base for its errors
            raise DetectorFailed(f"detector {self.spec.name} did not run: {error}") from error
        found = [self._detection(row, frame) for row in rows if int(row[5]) in self._labels]
        return sorted((d for d in found if d.box.area_px > 0), key=lambda d: -d.score)

    def _detection(self, row: Any, frame: Frame) -> Detection:
        x1, y1, x2, y2, score, label = (float(v) for v in row)
        box = Box(x1=x1, y1=y1, x2=x2, y2=y2).scaled(*frame.scale).clipped(frame.width_px, frame.height_px)
        return Detection(label=self._labels[int(label)], score=min(score, 1.0), box=box, detector=self.spec.name)


def labels_of(names: Mapping[int, str], spec: ModelSpec) -> dict[int, str]:
    """Number of each of the model's classes that is wanted -> our label.

    Raises:
        SettingsError: a label has no class, or a name none of the labels.
    """
    wanted = dict(spec.names) or {label: label for label in spec.labels}
    if strange := sorted(set(wanted.values()) - set(spec.labels)):
        raise SettingsError(f"model {spec.name}: names say {', '.join(strange)}, which its labels do not")
    labels = {number: wanted[name] for number, name in names.items() if name in wanted}
    if missing := sorted(set(spec.labels) - set(labels.values())):
        knows = ", ".join(sorted(names.values())[:20])
        raise SettingsError(f"model {spec.name}: no class of it is {', '.join(missing)}; it knows {knows}")
    return labels
