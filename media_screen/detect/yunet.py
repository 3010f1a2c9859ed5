"""Frames -> face Detections by YuNet in ONNX: per stride 8, 16, 32 a class score, an objectness and a box a cell.

The network is at its best on faces of about 10 to 200 px. So a small picture is enlarged, a large one is looked at in
overlapping tiles, and every picture is looked at again in coarser and coarser copies until a face that fills it is
small enough. Which copies those are depends on the picture's size alone. A box is then scored by all that could see it:
what a face sets off, several copies and several cells beside one another see; what only looks like one, few do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from media_screen.detect import open_session
from media_screen.detect.overlaps import ious
from media_screen.errors import DetectorFailed, SettingsError
from media_screen.types import Box, Detection, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from media_screen.detect import ModelSpec
    from media_screen.types import Frame, Picture

    Rows = NDArray[np.float32]  # x1 y1 x2 y2 score

STRIDES = (8, 16, 32)
MULTIPLE_PX = 32  # the network wants sides that its coarsest stride divides
NMS_IOU = 0.4
MOST_ROWS = 10_000  # the best are kept; bounds the time that a picture of pure noise can cost
MAX_ENLARGED = 2.0  # beyond it an enlarged face holds no more than before, and false alarms grow
COARSEST_PX = 320  # a face that fills a picture of this size is within the network's reach
COARSER = 1 / 3  # from one copy to the next; 10..200 px then overlap generously
TILE_PX = 1536  # bounds memory at about 0.3 GB, whatever the picture
TILE_OVERLAP_PX = 256  # a face cut by one tile lies whole in the next; larger ones are seen in a coarser copy
LARGEST_PX = 200  # of a face in one copy, where a coarser copy follows and sees it better
SMALLEST_PX = 40  # of a face in a copy that is asked about it, though another one found it
ALIKE_IOU = 0.5  # of boxes that mean the same face
SILENT = 0.05  # what a copy or a cell says that says nothing; nothing below is read
NEIGHBOURS = 2  # cells beside the best one that are asked about it
CHUNK = 256  # boxes compared with all others at a time; bounds memory


class YuNet:
    """A detector of faces. `spec.frame_px` is also the size that smaller pictures are enlarged towards."""

    def __init__(self, spec: ModelSpec, *, path: Path, threads: int = 0) -> None:
        if len(spec.labels) != 1:
            raise SettingsError(f"model {spec.name}: YuNet knows one class, but its row names {len(spec.labels)}")
        self.spec = spec
        self._session = cast("Any", open_session(path, threads))
        self.model = ModelInfo(name=spec.name, sha256=spec.sha256, provider=self._session.get_providers()[0])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [f"{part}_{stride}" for stride in STRIDES for part in ("cls", "obj", "bbox")]

    def detect(self, frames: Sequence[Frame], min_score: float) -> list[list[Detection]]:
        """One list per frame, in order, highest score first."""
        return [self._detect(frame, min_score) for frame in frames]

    def _detect(self, frame: Frame, min_score: float) -> list[Detection]:
        height, width = frame.pixels.shape[:2]
        scales = copies(width, height, self.spec.frame_px)
        rows = agreed([(scale, self._look(frame.pixels, scale)) for scale in scales])
        rows = rows[rows[:, 4] >= min_score]
        return [d for row in rows if (d := self._detection(row, frame)).box.area_px > 0]

    def _look(self, picture: Picture, scale: float) -> Rows:
        """Rows in pixels of `picture`, from one copy of it: all that are not silent, up to MOST_ROWS."""
        copy = resized(picture, scale)
        parts = []
        for x, y in tiles(copy.shape[1], copy.shape[0]):
            rows = self._run(copy[y : y + TILE_PX, x : x + TILE_PX])
            parts.append(rows + np.array([x, y, x, y, 0], np.float32))
        rows = np.concatenate(parts)
        rows = rows[np.argsort(-rows[:, 4], kind="stable")[:MOST_ROWS]]
        across, down = picture.shape[1] / copy.shape[1], picture.shape[0] / copy.shape[0]
        return rows * np.array([across, down, across, down, 1], np.float32)

    def _run(self, tile: Picture) -> Rows:
        height, width = tile.shape[:2]
        batch = np.zeros((1, 3, height + -height % MULTIPLE_PX, width + -width % MULTIPLE_PX), np.float32)
        for channel, samples in enumerate(cv2.split(tile)):
            batch[0, 2 - channel, :height, :width] = samples  # the network was trained on BGR
        try:
            raw = self._session.run(self._outputs, {self._input: batch})
        except Exception as error:  # onnxruntime has no common base for its errors
            raise DetectorFailed(f"detector {self.spec.name} did not run: {error}") from error
        columns = batch.shape[3]
        levels = []
        for i, stride in enumerate(STRIDES):
            cls, obj, bbox = (output[0] for output in raw[3 * i : 3 * i + 3])
            scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
            (cells,) = np.nonzero(scores >= SILENT)
            corners = decoded(bbox[cells], cells, stride, columns // stride)
            levels.append(np.concatenate([corners, scores[cells, None]], axis=1))
        return np.concatenate(levels).astype(np.float32)

    def _detection(self, row: NDArray[Any], frame: Frame) -> Detection:
        x1, y1, x2, y2, score = (float(v) for v in row)
        box = Box(x1=x1, y1=y1, x2=x2, y2=y2).scaled(*frame.scale).clipped(frame.width_px, frame.height_px)
        return Detection(label=self.spec.labels[0], score=min(score, 1.0), box=box, detector=self.spec.name)


def copies(width: int, height: int, enlarge_to_px: int) -> list[float]:
    """Scales at which a picture is looked at, finest first."""
    longest = max(width, height)
    sizes = [max(longest, min(round(longest * MAX_ENLARGED), enlarge_to_px))]
    while sizes[-1] > COARSEST_PX:  # in whole pixels, so that it ends
        sizes.append(max(round(sizes[-1] * COARSER), COARSEST_PX))
    return [size / longest for size in sizes]


def tiles(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Top left corners of overlapping squares of TILE_PX that cover the picture."""
    for y in starts(height):
        for x in starts(width):
            yield x, y


def starts(length: int) -> list[int]:
    """Evenly spaced beginnings of the fewest tiles that cover the length."""
    if length <= TILE_PX:
        return [0]
    steps = math.ceil((length - TILE_PX) / (TILE_PX - TILE_OVERLAP_PX))
    return [round(i * (length - TILE_PX) / steps) for i in range(steps + 1)]


def resized(picture: Picture, scale: float) -> Picture:
    """A copy at this scale, at least one pixel each way."""
    if scale == 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=smaller), np.uint8)


def decoded(bbox: NDArray[Any], cells: NDArray[np.intp], stride: int, columns: int) -> NDArray[Any]:
    """Corners x1 y1 x2 y2 of cells: centre relative to the cell's corner and sides as logarithms, all in strides."""
    centres = (bbox[:, :2] + np.stack([cells % columns, cells // columns], axis=1)) * stride
    halves = np.exp(np.clip(bbox[:, 2:], -8, 8)) * (stride / 2)  # clipped: a wild logarithm must stay finite
    return np.concatenate([centres - halves, centres + halves], axis=1)


def agreed(looks: Sequence[tuple[float, Rows]]) -> Rows:
    """Scale and rows of every copy, finest first -> the best boxes, highest score first.

    A score is the mean, in logits, of what the copy that found the box says and of what each other copy says in which
    the box is neither too small nor too large to be sure of; and then of that and of the cells beside the best.
    """
    found = []
    for own, (scale, rows) in enumerate(looks):
        boxes = best_of(rows[_seen(rows, scale, last=own == len(looks) - 1)])
        total, voices = _logit(boxes[:, 4]), np.ones(len(boxes))
        for other, (its_scale, its_rows) in enumerate(looks):
            asked = _seen(boxes, its_scale, last=other == len(looks) - 1) & (_sides(boxes) * its_scale >= SMALLEST_PX)
            if other != own:
                total[asked] += _logit(_backing(boxes[asked], its_rows, 1)[:, 0])
                voices += asked
        found.append(_scored(boxes, total / voices))
    boxes = best_of(np.concatenate(found))
    beside = _backing(boxes, np.concatenate([rows for _, rows in looks]), 1 + NEIGHBOURS)[:, 1:]
    boxes = _scored(boxes, (_logit(boxes[:, 4]) + _logit(beside).mean(axis=1)) / 2)
    return boxes[np.argsort(-boxes[:, 4], kind="stable")]


def _sides(rows: Rows) -> NDArray[Any]:
    """The longer side of each."""
    return np.asarray(np.maximum(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1]))


def _seen(rows: Rows, scale: float, *, last: bool) -> NDArray[np.bool_]:
    """Whether each is small enough for a copy of this scale."""
    return np.asarray(_sides(rows) * scale <= (np.inf if last else LARGEST_PX))


def _backing(boxes: Rows, rows: Rows, most: int) -> NDArray[Any]:
    """The highest scores of rows that mean the same face as each box, best first; SILENT where there are too few."""
    told = np.full((len(boxes), most), SILENT)
    for begin in range(0, len(boxes) if len(rows) else 0, CHUNK):
        part = boxes[begin : begin + CHUNK]
        scores = np.where(ious(part, rows) >= ALIKE_IOU, rows[:, 4], SILENT)
        best = -np.sort(-scores, axis=1)[:, :most]
        told[begin : begin + CHUNK, : best.shape[1]] = best
    return told


def _logit(scores: NDArray[Any]) -> NDArray[Any]:
    bounded = np.clip(scores.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _scored(boxes: Rows, logits: NDArray[Any]) -> Rows:
    return np.concatenate([boxes[:, :4], 1 / (1 + np.exp(-logits[:, None]))], axis=1).astype(np.float32)


def best_of(rows: Rows) -> Rows:
    """Highest score first, without those that overlap a better one."""
    if not len(rows):
        return rows
    rows = rows[np.argsort(-rows[:, 4], kind="stable")[:MOST_ROWS]]
    sides = np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(sides.tolist(), rows[:, 4].tolist(), 0.0, NMS_IOU)
    return rows[np.asarray(kept, dtype=np.intp).reshape(-1)]
