"""Frames -> Detections. One file per kind of model; a new one is a file and a line in RUNTIMES.

A detector is made from one row of models/manifest.yaml. Arrays stop at its edge: what comes out are Detections in
pixels of the upright full-size frame, highest score first, labels as declared, boxes inside the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from media_screen.types import Detection, Frame, ModelInfo

# runtime named in the manifest -> class, built as Class(spec, path=..., threads=...)
RUNTIMES = {
    "yunet": "media_screen.detect.yunet:YuNet",
    "yolo": "media_screen.detect.yolo:Yolo",
    "ultralytics": "media_screen.detect.ultralytics_yolo:UltralyticsYolo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One row of the manifest."""

    name: str
    runtime: str
    file: str
    sha256: str
    licence: str
    labels: tuple[str, ...]  # in the order of the network's outputs
    score: float  # operating point: a finding at or above it counts
    low_score: float  # sightings down to this one may continue a track
    picture_px: int  # longest side wanted of a still
    frame_px: int  # longest side wanted of a video frame
    period_s: Fraction  # look at a video at least this often
    looks_px: tuple[int, ...] = ()  # longest sides of the copies that are looked at together; `yolo` only
    follow: bool = False  # its tracks must cover every frame: look closer where they begin, end or jump
    url: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)  # of labels whose operating point is higher than `score`
    names: Mapping[str, str] = field(
        default_factory=dict
    )  # the model's own class or prompt -> label; `ultralytics` only

    def score_of(self, label: str) -> float:
        """Operating point of one label."""
        return self.scores.get(label, self.score)


class Detector(Protocol):
    """What the pipeline asks of a detector. It keeps no state between calls."""

    @property
    def spec(self) -> ModelSpec:
        """The manifest row it was made from."""
        ...

    @property
    def model(self) -> ModelInfo:
        """Name, digest and execution provider, for the report."""
        ...

    def detect(self, frames: Sequence[Frame], min_score: float) -> list[list[Detection]]:
        """One list per frame, in order; a frame gets the same answer alone and in a batch."""
        ...


def open_session(path: Path, threads: int) -> Any:
    """An onnxruntime session on the best provider present, CPU by default."""
    import onnxruntime as ort  # heavy: only where a model runs

    ort.disable_telemetry_events()  # for a program that had loaded it before us
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # threads that wait for the next picture would burn more than the network takes
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    present = ort.get_available_providers()
    wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in present]
    return ort.InferenceSession(path.read_bytes(), options, providers=wanted)
