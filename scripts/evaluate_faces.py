"""Labelled pictures -> how well the face detector finds faces: by set, by size, with bootstrap intervals.

    python scripts/evaluate_faces.py                      # the test fold, our weights
    python scripts/evaluate_faces.py --fold val --model other.onnx
    python scripts/evaluate_faces.py --peers opencv=yunet.onnx --peers centerface=centerface.onnx

A face must be found; an `ignore` box (and a face too small for the question) counts neither way, and neither does a
`likeness`. Sizes are heights in pixels of the picture as stored. Folds come from a digest of the picture's name, so
that they never depend on a seed, an order or a machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TRAIN_SHARE, VAL_SHARE = 0.40, 0.15  # of each labelled set; the rest is the test fold
TEST_ONLY = ("dlib_faces",)
MATCH_IOU = 0.5
IGNORED_SHARE = 0.5  # of a detection that lies inside an ignored area
SMALLEST_PX = 20  # faces that AP asks for
SIZES_PX = ((12, 20), (20, 40), (40, 80), (80, 100_000))
FALLBACK_LOW = 0.05  # AP is taken over everything down to this score
RESAMPLES = 300

Rows = Any  # float array (n, 5): x1 y1 x2 y2 score
Finder = Callable[[Any], Rows]  # RGB picture -> rows in its pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A picture and what is known of it; boxes are x1 y1 x2 y2."""

    set: str
    path: Path
    faces: Any
    ignored: Any  # areas that count neither way: unclear faces, likenesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One picture's detections and faces after matching."""

    scores: Any
    hits: Any  # per score: +1 a face, 0 counts neither way, -1 a false alarm
    heights: Any  # of the faces asked for
    best: Any  # per face asked for: score of the detection that found it, or -1


def fold_of(set_name: str, image: str) -> str:
    """train, val or test; fixed by the name alone."""
    if set_name in TEST_ONLY:
        return "test"
    share = int(hashlib.sha256(f"{set_name}/{Path(image).stem}".encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < TRAIN_SHARE else "val" if share < TRAIN_SHARE + VAL_SHARE else "test"


def read_labels(data: Path) -> list[Labelled]:
    """Every picture of faces/boxes_all.csv."""
    boxes: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with (data / "faces" / "boxes_all.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            boxes[row["set"], row["image"]].append(row)
    return [
        Labelled(
            set=name,
            path=data / "faces" / image,
            faces=_corners(r for r in rows if r["label"] == "face"),
            ignored=_corners(r for r in rows if r["label"] != "face"),
        )
        for (name, image), rows in sorted(boxes.items())
    ]


def _corners(rows: Iterable[dict[str, str]]) -> Any:
    sides = [[float(row[side]) for side in "xywh"] for row in rows]
    array = np.array(sides, dtype=np.float64).reshape(-1, 4)
    array[:, 2:] += array[:, :2]
    return array


def in_fold(labelled: Labelled, fold: str) -> bool:
    """Whether a picture belongs to a fold; `all` takes every one."""
    return fold == "all" or fold_of(labelled.set, labelled.path.name) == fold


def read_picture(path: Path) -> Any:
    """RGB uint8, upright."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def ious(a: Any, b: Any) -> Any:
    """Intersection over union, (len(a), len(b))."""
    shared = _shared(a, b)
    total = _areas(a)[:, None] + _areas(b)[None] - shared
    return shared / np.maximum(total, 1e-9)


def _shared(a: Any, b: Any) -> Any:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    return np.prod(np.maximum(high - low, 0), axis=2)


def _areas(a: Any) -> Any:
    return (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])


def judge(rows: Rows, labelled: Labelled, *, smallest: float) -> Judged:
    """Match detections to faces, best score first, each face once."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    heights = labelled.faces[:, 3] - labelled.faces[:, 1]
    asked = heights >= smallest
    overlap = ious(rows, labelled.faces)
    free = np.ones(len(labelled.faces), bool)
    best = np.full(len(labelled.faces), -1.0)
    hits = np.zeros(len(rows), int)
    matched = np.zeros(len(rows), bool)
    for i, row in enumerate(rows):
        chances = np.where(free, overlap[i], 0)
        if len(chances) and chances.max() >= MATCH_IOU:
            face = int(chances.argmax())
            free[face], matched[i], best[face] = False, True, row[4]
            hits[i] = 1 if asked[face] else 0
    inside = _shared(rows, labelled.ignored) / np.maximum(_areas(rows), 1e-9)[:, None]
    excused = (inside >= IGNORED_SHARE).any(axis=1) | (rows[:, 3] - rows[:, 1] < smallest)
    hits[~matched & ~excused] = -1
    return Judged(scores=rows[:, 4], hits=hits, heights=heights[asked], best=best[asked])


def average_precision(judged: Sequence[Judged]) -> float:
    """Area under the precision-recall curve, precision made to fall only."""
    faces = sum(len(j.heights) for j in judged)
    if not faces:
        return float("nan")
    scores = np.concatenate([j.scores for j in judged])
    hits = np.concatenate([j.hits for j in judged])[np.argsort(-scores, kind="stable")]
    found, wrong = np.cumsum(hits == 1), np.cumsum(hits == -1)
    precision = found / np.maximum(found + wrong, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits == 1].sum() / faces)


def recall(judged: Sequence[Judged], score: float, size: tuple[float, float]) -> tuple[float, int]:
    """Share of the faces of a size found at a score, and how many there are."""
    best = np.concatenate([j.best[(j.heights >= size[0]) & (j.heights < size[1])] for j in judged])
    return (float((best >= score).mean()) if len(best) else float("nan")), len(best)


def false_alarms(judged: Sequence[Judged], score: float) -> float:
    """A picture, at a score."""
    return float(np.mean([((j.hits == -1) & (j.scores >= score)).sum() for j in judged]))


def interval(judged: Sequence[Judged]) -> tuple[float, float]:
    """95 % of AP, resampling pictures."""
    rng = np.random.default_rng(0)
    draws = [
        average_precision([judged[i] for i in rng.integers(0, len(judged), len(judged))]) for _ in range(RESAMPLES)
    ]
    return float(np.nanpercentile(draws, 2.5)), float(np.nanpercentile(draws, 97.5))


def ours(model: Path | None) -> tuple[Finder, float]:
    """The shipped detector (or other weights in its place) as a Finder, and its operating score."""
    from media_screen.config import build_detector, load_manifest
    from media_screen.types import Frame

    spec = next(row for row in load_manifest() if row.runtime == "yunet")
    if model is not None:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        spec = replace(spec, file=str(model.resolve()), sha256=digest)
    detector = build_detector(spec, threads=1)

    def find(rgb: Any) -> Rows:
        height, width = rgb.shape[:2]
        frame = Frame(
            index=0, time_s=Fraction(0), pixels=_at_most(rgb, spec.picture_px), width_px=width, height_px=height
        )
        (found,) = detector.detect([frame], FALLBACK_LOW)
        rows = [[d.box.x1, d.box.y1, d.box.x2, d.box.y2, d.score] for d in found]
        return np.array(rows, np.float64).reshape(-1, 5)

    return find, spec.score


def _at_most(rgb: Any, longest: int) -> Any:
    scale = longest / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def opencv_yunet(path: Path) -> Finder:
    """OpenCV's own FaceDetectorYN at the picture's size."""
    import cv2

    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), FALLBACK_LOW, 0.4, 5000)

    def find(rgb: Any) -> Rows:
        detector.setInputSize((rgb.shape[1], rgb.shape[0]))
        _, found = detector.detect(np.ascontiguousarray(rgb[:, :, ::-1]))
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, np.float64)
        return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4], rows[:, 14:15]], axis=1)

    return find


def centerface(path: Path, enlarged: float = 1.0) -> Finder:
    """CenterFace: a heat map, sides as logarithms and offsets, all at a quarter of the size, y before x."""
    import cv2
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(_free_sizes(path), options, providers=["CPUExecutionProvider"])

    def find(rgb: Any) -> Rows:
        height, width = (max(32, -(-round(side * enlarged) // 32) * 32) for side in rgb.shape[:2])
        batch = cv2.resize(rgb, (width, height)).transpose(2, 0, 1)[None].astype(np.float32)
        heat, sides, offsets, _ = session.run(None, {session.get_inputs()[0].name: batch})
        ys, xs = np.nonzero(heat[0, 0] > FALLBACK_LOW)
        halves = np.exp(sides[0][:, ys, xs]) * 2
        centres = (np.stack([ys, xs]) + offsets[0][:, ys, xs] + 0.5) * 4
        low, high = centres - halves, centres + halves
        rows = np.stack([low[1], low[0], high[1], high[0], heat[0, 0, ys, xs]], axis=1).astype(np.float64)
        boxes = np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), rows[:, 4].tolist(), FALLBACK_LOW, 0.3)
        x, y = rgb.shape[1] / width, rgb.shape[0] / height
        return rows[np.asarray(kept, dtype=int).reshape(-1)] * [x, y, x, y, 1]

    return find


def _free_sizes(path: Path) -> bytes:
    import onnx

    model = onnx.load(path)
    weights = {w.name for w in model.graph.initializer}  # an old file lists them as inputs too
    for value in (*model.graph.input, *model.graph.output):
        for axis, size in zip("BCHW", value.type.tensor_type.shape.dim, strict=False):
            if axis != "C" and value.name not in weights:
                size.dim_param = f"{value.name}_{axis}"
    return bytes(model.SerializeToString())


PEERS: dict[str, tuple[Callable[[Path], Finder], float]] = {
    "ours": (lambda path: ours(path)[0], 0.5),  # other weights of the same kind, looked at in the same way
    "opencv": (opencv_yunet, 0.6),
    "centerface": (centerface, 0.2),
    "centerface2": (lambda path: centerface(path, 2.0), 0.2),
}


def run(find: Finder, pictures: Sequence[Path]) -> tuple[list[Rows], float]:
    """Rows for every picture, and CPU milliseconds a picture."""
    rows, spent = [], 0.0
    for path in pictures:
        rgb = read_picture(path)
        begun = time.process_time()
        rows.append(find(rgb))
        spent += time.process_time() - begun
    return rows, 1000 * spent / max(1, len(pictures))


def summary(find: Finder, score: float, pictures: Sequence[Labelled]) -> dict[str, Any]:
    """Figures of one detector on one set."""
    rows, cost_ms = run(find, [p.path for p in pictures])
    asked = [judge(r, p, smallest=SMALLEST_PX) for r, p in zip(rows, pictures, strict=True)]
    every = [judge(r, p, smallest=SIZES_PX[0][0]) for r, p in zip(rows, pictures, strict=True)]
    low, high = interval(asked)
    return {
        "pictures": len(pictures),
        "faces": sum(len(j.heights) for j in asked),
        "ap50": average_precision(asked),
        "ap50_low": low,
        "ap50_high": high,
        "recall": {f"{a}-{b}" if b < 10_000 else f"{a}+": recall(every, score, (a, b)) for a, b in SIZES_PX},
        "false_alarms": false_alarms(every, score),
        "cpu_ms": cost_ms,
    }


def negatives(find: Finder, score: float, data: Path, fold: str) -> dict[str, Any]:
    """How often something is found where no face is; likenesses are told, not judged."""
    folder = data / "faces" / "negatives"
    told = {}
    for kind in ("noface", "likeness"):
        paths = sorted(p for p in (folder / kind).iterdir() if p.suffix.lower() in SUFFIXES)
        paths = [p for p in paths if fold in ("all", fold_of("negatives", p.name))]
        rows, cost_ms = run(find, paths)
        counts = np.array([(r[:, 4] >= score).sum() for r in rows])
        told[kind] = {
            "pictures": len(paths),
            "found_a_picture": float(counts.mean()) if len(counts) else float("nan"),
            "pictures_with_any": float((counts > 0).mean()) if len(counts) else float("nan"),
            "cpu_ms": cost_ms,
        }
    return told


SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def line(name: str, figures: dict[str, Any]) -> str:
    """One row of the printed table."""
    sizes = " ".join(f"{value:5.2f}/{count:<4d}" for value, count in figures["recall"].values())
    return (
        f"{name:<30} {figures['pictures']:4d} {figures['faces']:5d}  {figures['ap50']:.3f}"
        f" ({figures['ap50_low']:.3f}-{figures['ap50_high']:.3f})  {sizes}"
        f" {figures['false_alarms']:6.2f} {figures['cpu_ms']:7.0f}"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--fold", choices=("test", "val", "train", "all"), default="test")
    parser.add_argument("--model", type=Path, help="other weights than the shipped ones")
    parser.add_argument("--score", type=float, help="operating score; default: the manifest's")
    parser.add_argument("--peers", action="append", default=[], metavar="KIND=PATH", help=f"kinds: {', '.join(PEERS)}")
    parser.add_argument("--sets", nargs="*", help="default: all")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    find, score = ours(options.model)
    finders: dict[str, tuple[Finder, float]] = {"media-screen": (find, options.score or score)}
    for peer in options.peers:
        kind, _, path = peer.partition("=")
        make, peer_score = PEERS[kind]
        finders[f"{kind} {Path(path).stem}"] = (make(Path(path)), peer_score)
    pictures = [p for p in read_labels(options.data) if in_fold(p, options.fold)]
    names = options.sets or sorted({p.set for p in pictures})
    sizes = " ".join(f"R{a}-{b}/faces" if b < 10_000 else f"R{a}+/faces" for a, b in SIZES_PX)
    print(f"fold {options.fold}; AP at IoU {MATCH_IOU} of faces >= {SMALLEST_PX} px (95 %); {sizes}; false alarms; ms")
    told: dict[str, dict[str, Any]] = {who: {} for who in finders}
    for name in names:
        chosen = [p for p in pictures if p.set == name]
        for who, (finder, at) in finders.items():
            told[who][name] = figures = summary(finder, at, chosen)
            print(line(f"{name} {who}", figures), flush=True)
    for who, (finder, at) in finders.items():
        told[who]["negatives"] = figures = negatives(finder, at, options.data, options.fold)
        print(f"negatives {who}: {json.dumps(figures)}")
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
