"""Labelled pictures -> how well the screening detector finds what packs rule on, beside what else could be taken.

    python scripts/evaluate.py                                # the test fold, the shipped weights
    python scripts/evaluate.py --peers coco=coco.onnx --peers arcis=weapon_arcis_ultralight_fp16.tflite
    python scripts/evaluate.py --fold val --model other.onnx  # other weights in the row's place
    python scripts/evaluate.py --fold val --model other.onnx --choose   # calibration and operating scores
    python scripts/evaluate.py --fold val --model exported.onnx --choose --after scores.yaml   # and what it leaves over

Printed are tables in Markdown. AP50: at IoU 0.5, with the 95 % interval from resampling pictures. found: share of the
pictures with such an object in which one is told at the operating score. alarms: share of the ordinary pictures, in
which there is none, where one is told all the same. ms: CPU milliseconds a picture, one thread.

A class is asked for only in pictures whose source boxes every object of it (`known` in train/screening.yaml); in
pictures with an incomplete crowd, what matches no box counts neither way. Indian camouflage of police and military is
told apart by its badge alone: there, the one told for the other counts neither way. Two sources are boxed by a detector
that left out some (`judged`); what a second one sees of people beside its boxes counts neither way, where the index of
the training is given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts" / "train"))

from screening_data import CLASSES, RECIPE, Labelled, as_labelled, build, ious, mode_of, read_picture  # noqa: E402

MATCH_IOU = 0.5
LOW = 0.02  # AP is taken over everything down to this score
RESAMPLES = 300
FIREARMS = ("handgun", "long_gun")
ALIKE = {"police_officer": "military_person", "military_person": "police_officer"}
ASKED = {name: (name,) for name in CLASSES} | {"firearm": FIREARMS, "uniform": tuple(ALIKE)}
# pictures of everyday things, people and streets; the last two have no labels but hold none of these
ORDINARY = (
    "arms/neg_objects_sparsh",
    "arms/coco128_lightly",
    "arms/neg_indian_police_events",
    "police/idenprof_negatives",
)
UNLABELLED = {"faces/india_street_mavi": "street", "faces/negatives/noface": "noface"}
UNLABELLED_KNOWN = ("handgun", "long_gun", "knife", "cash", "drug_packet")  # none in them, seen by eye
ALIKE_SOURCES = ("police/in_forces_anand738", "police/in_forces_himanshu", "police/in_chandannagar_police")
INCOMPLETE = "crowd_incomplete"

HELD_BACK = 3.0  # of a calibration: as so many boxes would, so that few cannot make it certain
MOST_ALARMS = 0.05  # of the ordinary pictures: how often a team may be stopped for nothing
BETWEEN = (0.15, 0.5)  # calibrated: nothing is left out that is likelier right than wrong, nor told on a mere chance

Rows = Any  # float array (n, 6): class (index in CLASSES), score, x1, y1, x2, y2
Finder = Callable[[Any], Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was told of one class in one picture."""

    picture: int
    scores: Any
    hits: Any  # per score: 1 an object, -1 a false alarm, 0 counts neither way
    objects: int
    best: float  # of any score told, -1 for none


def pictures_of(data: Path, index: Path | None) -> list[Labelled]:
    """Every labelled picture with its fold, and the unlabelled ordinary ones. Without an index it is made anew."""
    if index is not None and index.exists():
        rows = json.loads(index.read_text(encoding="utf-8"))
    else:
        rows = build(data, None)
        if index is not None:
            index.write_text(json.dumps(rows), encoding="utf-8")
    told = [as_labelled(row) for row in rows]
    nothing = np.zeros((0, 5))
    for folder in UNLABELLED:
        told += [
            Labelled(
                name=path.relative_to(data).as_posix(), source=folder, fold="test", gold=False,
                boxes=nothing, doubts=nothing, unknown=(),
            )
            for path in sorted((data / folder).rglob("*"))
            if path.suffix in (".webp", ".jpg", ".png")
        ]  # fmt: skip
    return told


def is_known(picture: Labelled, name: str) -> bool:
    """Whether every object of a class is boxed in this picture."""
    if picture.source in UNLABELLED:
        return name in UNLABELLED_KNOWN
    rule = RECIPE["sources"][picture.source]
    return mode_of(name, rule) == "known" or name in rule.get("judged", ())


def asked_for(picture: Labelled, names: Iterable[str]) -> bool:
    """Whether a group of classes can be judged here."""
    return all(is_known(picture, name) for name in names)


def judge(rows: Rows, picture: Labelled, number: int, names: Sequence[str]) -> Judged:
    """Match what was told of a group of classes to the objects, best score first, each object once."""
    wanted = [CLASSES.index(name) for name in names]
    rows = rows[np.isin(rows[:, 0], wanted)]
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    objects = picture.boxes[np.isin(picture.boxes[:, 0], wanted), 1:]
    overlap = ious(rows[:, 2:], objects)
    free = np.ones(len(objects), bool)
    hits = np.full(len(rows), -1)
    for i in range(len(rows)):
        chances = np.where(free, overlap[i], 0)
        if len(chances) and chances.max() >= MATCH_IOU:
            free[int(chances.argmax())], hits[i] = False, 1
    hits[(hits < 0) & excused(rows, picture, names)] = 0
    return Judged(
        picture=number, scores=rows[:, 1], hits=hits, objects=len(objects), best=float(rows[:, 1].max(initial=-1.0))
    )


def excused(rows: Rows, picture: Labelled, names: Sequence[str]) -> Any:
    """What counts neither way where it matches no object."""
    if INCOMPLETE in picture.flags:
        return np.ones(len(rows), bool)
    wanted = [CLASSES.index(name) for name in names]
    alike = [CLASSES.index(ALIKE[name]) for name in names if name in ALIKE and picture.source in ALIKE_SOURCES]
    alike_boxes = picture.boxes[np.isin(picture.boxes[:, 0], alike), 1:]
    others = np.concatenate([alike_boxes, picture.doubts[np.isin(picture.doubts[:, 0], wanted), 1:]])
    return (ious(rows[:, 2:], others) >= MATCH_IOU).any(axis=1)


def average_precision(judged: Sequence[Judged]) -> float:
    """Area under the precision-recall curve, precision made to fall only."""
    return float(precisions(judged, np.ones((1, len(judged))))[0])


def precisions(judged: Sequence[Judged], drawn: Any) -> Any:
    """Average precision for each row of `drawn`, which says how often each picture is taken."""
    if not judged:
        return np.full(len(drawn), np.nan)
    scores = np.concatenate([j.scores for j in judged])
    best_first = np.argsort(-scores, kind="stable")
    hits = np.concatenate([j.hits for j in judged])[best_first]
    owner = np.repeat(np.arange(len(judged)), [len(j.scores) for j in judged])[best_first]
    objects = drawn @ np.array([j.objects for j in judged], float)
    areas = np.full(len(drawn), np.nan)
    for i, often in enumerate(drawn):
        weight = often[owner]
        found, wrong = np.cumsum(weight * (hits == 1)), np.cumsum(weight * (hits == -1))
        precision = found / np.maximum(found + wrong, 1e-9)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        if objects[i]:
            areas[i] = (envelope * weight)[hits == 1].sum() / objects[i]
    return areas


def interval(judged: Sequence[Judged]) -> tuple[float, float]:
    """95 % of average precision, resampling pictures."""
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(judged), np.full(len(judged), 1 / len(judged)), RESAMPLES)
    areas = precisions(judged, drawn)
    if np.isnan(areas).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(areas, [2.5, 97.5])
    return float(low), float(high)


# ------------------------------------------------------------------------------------------------- detectors


def ours(model: Path | None, side: int | None) -> tuple[Finder, dict[str, float]]:
    """The shipped detector, or other weights in its place, through its own runtime; and its operating scores."""
    detector = detector_of(model, side)
    return _through_runtime(detector, CLASSES), {n: detector.spec.score_of(n) for n in CLASSES}


def detector_of(model: Path | None, side: int | None) -> Any:
    """The same as the pipeline takes it; weights straight from the training tell more classes than the row ships."""
    from media_screen.config import build_detector
    from media_screen.errors import SettingsError

    spec = row_of_ours()
    if model is not None:
        spec = replace(spec, file=str(model.resolve()), sha256=hashlib.sha256(model.read_bytes()).hexdigest())
    if side is not None:
        spec = replace(spec, picture_px=side, frame_px=side, looks_px=())
    try:
        return build_detector(spec, threads=1)
    except SettingsError:
        return build_detector(replace(spec, labels=CLASSES, scores={}), threads=1)


def row_of_ours() -> Any:
    """The manifest row of the screening detector, or one like it where none is shipped yet."""
    from media_screen.config import load_manifest
    from media_screen.detect import ModelSpec

    shipped = next((row for row in load_manifest() if row.name == "screening"), None)
    return shipped or ModelSpec(
        name="screening", runtime="yolo", file="", sha256="", licence="", labels=CLASSES, score=0.3, low_score=0.1,
        picture_px=416, frame_px=416, period_s=Fraction(1, 2),
    )  # fmt: skip


def _through_runtime(detector: Any, names: Sequence[str]) -> Finder:
    import cv2

    from media_screen.types import Frame

    cv2.setNumThreads(1)

    def find(rgb: Any) -> Rows:
        frame = Frame(index=0, time_s=Fraction(0), pixels=rgb, width_px=rgb.shape[1], height_px=rgb.shape[0])
        (found,) = detector.detect([frame], LOW)
        rows = [
            [CLASSES.index(d.label), d.score, d.box.x1, d.box.y1, d.box.x2, d.box.y2] for d in found if d.label in names
        ]
        return np.array(rows, np.float64).reshape(-1, 6)

    return find


def coco(model: Path) -> Finder:
    """A YOLOv8 of COCO's classes through the same runtime, in one look: those that we have a word for."""
    from media_screen.config import build_detector

    told = {67: "mobile_phone", 39: "liquor_bottle", 43: "knife", 0: "person"} | dict.fromkeys((2, 3, 5, 7), "vehicle")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    labels = tuple(told.get(i, f"other_{i}") for i in range(80))
    spec = replace(row_of_ours(), file=str(model.resolve()), sha256=digest, labels=labels, scores={}, looks_px=())
    return _through_runtime(build_detector(spec, threads=1), sorted(set(told.values())))


def arcis(model: Path) -> Finder:
    """The public weapon detector of SevenFeets/ARCIS-ML, by LiteRT: knife, pistol, weapon (either), rifle."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(model), num_threads=1)
    runner.allocate_tensors()
    (into,), (out,) = runner.get_input_details(), runner.get_output_details()
    side = into["shape"][1]
    classes = np.array([CLASSES.index(n) for n in ("knife", "handgun", "handgun", "long_gun")])

    def find(rgb: Any) -> Rows:
        scale = side / max(rgb.shape[:2])
        size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
        canvas = np.full((side, side, 3), 114, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        runner.set_tensor(into["index"], (canvas[None] / 255).astype(np.float32))
        runner.invoke()
        rows = runner.get_tensor(out["index"])[0].T
        labels, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1)
        likely = scores >= LOW
        corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], axis=1)[likely] * side / scale
        labels, scores = labels[likely], scores[likely]
        kept = np.asarray(cv2.dnn.NMSBoxesBatched(corners.tolist(), scores.tolist(), labels.tolist(), LOW, 0.5), int)
        corners[:, 2:] += corners[:, :2]
        return np.concatenate([classes[labels][:, None], scores[:, None], corners], axis=1)[kept].reshape(-1, 6)

    return find


# kind -> how it is built, its usual score, and the classes that it has a word for
PEERS: dict[str, tuple[Callable[[Path], Finder], float, tuple[str, ...]]] = {
    "coco": (coco, 0.25, ("person", "vehicle", "knife", "liquor_bottle", "mobile_phone")),
    "arcis": (arcis, 0.4, ("firearm", "handgun", "long_gun", "knife")),
}


def run(find: Finder, data: Path, pictures: Sequence[Labelled], kept: Path | None = None) -> tuple[list[Rows], float]:
    """Rows for every picture, and CPU milliseconds a picture; what is kept from before is not looked at again."""
    if kept is not None and kept.exists():
        held = json.loads(kept.read_text(encoding="utf-8"))
        return [np.array(held["rows"][p.name], np.float64).reshape(-1, 6) for p in pictures], held["ms"]
    rows, spent = [], 0.0
    for picture in pictures:
        rgb = read_picture(data / picture.name)
        begun = time.process_time()
        rows.append(find(rgb))
        spent += time.process_time() - begun
    ms = 1000 * spent / max(1, len(pictures))
    if kept is not None:
        told = {p.name: r.round(4).tolist() for p, r in zip(pictures, rows, strict=True)}
        kept.write_text(json.dumps({"ms": ms, "rows": told}), encoding="utf-8")
    return rows, ms


# ------------------------------------------------------------------------------------------------- choosing


def calibration(judged: Sequence[Judged]) -> tuple[float, float]:
    """a, b of sigmoid(a logit(score) + b), by maximum likelihood: of what then says 0.5, about half is right."""
    scores = np.concatenate([np.zeros(0), *(j.scores for j in judged)])
    hits = np.concatenate([np.zeros(0), *(j.hits for j in judged)])
    x, y = logit(scores[hits != 0]), (hits[hits != 0] == 1).astype(float)
    if y.sum() < 10:
        return 1.0, 0.0
    a, b = 1.0, 0.0
    for _ in range(50):  # Newton's steps
        p = 1 / (1 + np.exp(-(a * x + b)))
        w = np.maximum(p * (1 - p), 1e-6)
        slope = np.array([((p - y) * x).sum() + HELD_BACK * (a - 1), (p - y).sum()])
        bend = np.array([[(w * x * x).sum() + HELD_BACK, (w * x).sum()], [(w * x).sum(), w.sum() + 1e-6]])
        a, b = np.array([a, b]) - np.clip(np.linalg.solve(bend, slope), -1, 1)
        a = max(a, 0.2)  # it must rise
    return float(a), float(b)


def logit(scores: Any) -> Any:
    """Log odds, bounded."""
    bounded = np.clip(scores, 1e-4, 1 - 1e-4)
    return np.log(bounded / (1 - bounded))


def chosen_score(without: Any, a: float, b: float) -> float:
    """The lowest calibrated score that stops no more than MOST_ALARMS of the ordinary pictures; see BETWEEN.

    `without` are the best scores of pictures without such an object: what must not be missed comes first, so recall
    is as high as they allow.
    """
    bears = np.quantile(without, 1 - MOST_ALARMS, method="higher") + 1e-3 if len(without) else 0.0
    return float(np.clip(calibrated(bears, a, b), *BETWEEN))


def calibrated(scores: Any, a: float, b: float) -> Any:
    """What `calibration` makes of a score."""
    return 1 / (1 + np.exp(-(a * logit(np.array(scores, float)) + b)))


# ------------------------------------------------------------------------------------------------- tables


def judged_of(rows: Sequence[Rows], pictures: Sequence[Labelled], names: Sequence[str], where: Any) -> list[Judged]:
    """Every picture in which the group can be judged and `where` holds."""
    return [
        judge(r, p, i, names)
        for i, (r, p) in enumerate(zip(rows, pictures, strict=True))
        if where(p) and asked_for(p, names)
    ]


def sources_with(pictures: Sequence[Labelled], names: Sequence[str]) -> list[str]:
    """Sources in which an object of the group is boxed."""
    wanted = [CLASSES.index(n) for n in names]
    return sorted({p.source for p in pictures if asked_for(p, names) and np.isin(p.boxes[:, 0], wanted).any()})


def told(figure: float, between: tuple[float, float] | None = None) -> str:
    """0.812 (0.79..0.83)."""
    if np.isnan(figure):
        return "-"
    return f"{figure:.3f}" + (f" ({between[0]:.2f}..{between[1]:.2f})" if between else "")


def precision_table(runs: dict[str, tuple[list[Rows], Any]], pictures: Sequence[Labelled]) -> None:
    """AP50 of each class on each source that has it, and on all of them with the pictures without it."""
    print("\n| Class | Pictures of | Objects |", " | ".join(f"AP50 {name}" for name in runs), "|")
    print("| --- | --- | --- |" + " --- |" * len(runs))
    for group, names in ASKED.items():
        sources = sources_with(pictures, names)
        gold = any(p.gold and p.source in sources and asked_for(p, names) for p in pictures)
        for place in [*sources, *(["gold"] if gold else []), "all, and those without"]:
            cells, objects = [], 0
            for rows, speaks in runs.values():
                judged = judged_of(rows, pictures, names, _where(place))
                objects = sum(j.objects for j in judged)
                if not objects:
                    break
                cells.append(told(average_precision(judged), interval(judged)) if group in speaks else "-")
            if objects:
                print(f"| {group} | {place} | {objects} |", " | ".join(cells), "|")


def _where(place: str) -> Callable[[Labelled], bool]:
    if place == "gold":
        return lambda p: p.gold and RECIPE["sources"].get(p.source, {}).get("labels") is None
    return lambda p: place.startswith("all") or p.source == place


def operating_table(
    runs: dict[str, tuple[list[Rows], Any]], scores: dict[str, dict[str, float]], pictures: Sequence[Labelled]
) -> None:
    """Pictures found and ordinary pictures stopped, at each detector's operating scores."""
    print("\n| Class | With it / ordinary |", " | ".join(f"{name}: score, found, alarms" for name in runs), "|")
    print("| --- | --- |" + " --- |" * len(runs))
    for group, names in ASKED.items():
        cells, counts = [], ""
        for detector, (rows, speaks) in runs.items():
            with_it, without = best_scores(told_at(rows, scores[detector]), pictures, names)
            counts = f"{len(with_it)} / {len(without)}"
            at = ", ".join(f"{scores[detector][n]:.2f}" for n in names)
            found = f"{np.mean(with_it > 0):.3f}" if len(with_it) else "-"
            cells.append(
                f"{at}: {found}, {np.mean(without > 0) if len(without) else float('nan'):.3f}"
                if group in speaks
                else "-"
            )
        print(f"| {group} | {counts} |", " | ".join(cells), "|")


def alarms_table(rows: Sequence[Rows], scores: dict[str, float], pictures: Sequence[Labelled]) -> None:
    """Share of the ordinary pictures of each source where it is told, though there is none."""
    sets = [s for s in (*ORDINARY, *UNLABELLED) if any(p.source == s for p in pictures)]
    print("\n| Told where there is none |", " | ".join(sets), "|")
    print("| --- |" + " --- |" * len(sets))
    kept = told_at(rows, scores)
    for group, names in ASKED.items():
        cells = []
        for source in sets:
            best = [
                j.best for j in judged_of(kept, pictures, names, lambda p, s=source: p.source == s) if not j.objects
            ]
            cells.append(f"{np.mean(np.array(best) > 0):.3f} of {len(best)}" if best else "-")
        print(f"| {group} |", " | ".join(cells), "|")


def told_at(rows: Sequence[Rows], scores: dict[str, float]) -> list[Rows]:
    """What reaches its class's score."""
    least = np.array([scores[name] for name in CLASSES])
    return [r[r[:, 1] >= least[r[:, 0].astype(int)]] for r in rows]


def best_scores(rows: Sequence[Rows], pictures: Sequence[Labelled], names: Sequence[str]) -> tuple[Any, Any]:
    """Best score of each picture with such an object, and of each ordinary one without."""
    judged = judged_of(rows, pictures, names, _where("all"))
    ordinary = (*ORDINARY, *UNLABELLED)
    return (
        np.array([j.best for j in judged if j.objects]),
        np.array([j.best for j in judged if not j.objects and pictures[j.picture].source in ordinary]),
    )


def choose(rows: Sequence[Rows], pictures: Sequence[Labelled], before: Mapping[str, Mapping[str, float]]) -> None:
    """Print calibration and operating score of each class, as YAML; `before`: what the weights were calibrated by."""
    for name in CLASSES:
        judged = judged_of(rows, pictures, (name,), _where("all"))
        a, b = calibration(judged)
        with_it, without = best_scores(rows, pictures, (name,))
        score = round(chosen_score(without, a, b), 2)
        found, alarms = (
            float(np.mean(calibrated(best, a, b) >= score)) if len(best) else float("nan")
            for best in (with_it, without)
        )
        told_of = f"{sum(j.objects for j in judged)} objects, found {found:.3f} of {len(with_it)}"
        had = before.get(name, {"a": 1.0, "b": 0.0})
        a, b = a * had["a"], a * had["b"] + b
        print(
            f"{name}: {{ a: {a:.3f}, b: {b:.3f}, score: {score:.2f} }} # {told_of}, "
            f"alarms {alarms:.3f} of {len(without)}"
        )


def kept(asked: argparse.Namespace, model: str | Path) -> Path | None:
    """Where the rows of a model are kept, by its digest, the fold and the size that it sees."""
    if asked.rows is None:
        return None
    asked.rows.mkdir(parents=True, exist_ok=True)
    told = row_of_ours().sha256 if model == "shipped" else hashlib.sha256(Path(model).read_bytes()).hexdigest()
    return Path(asked.rows) / f"{told[:16]}-{asked.fold}-{asked.side or 'own'}.json"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--index", type=Path, help="of scripts/train/screening.py; written where it is not there")
    parser.add_argument("--fold", choices=("train", "val", "test"), default="test")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--side", type=int, help="longest side that the detector sees, in place of its row's")
    parser.add_argument("--peers", action="append", default=[], metavar="KIND=FILE")
    parser.add_argument("--rows", type=Path, help="folder for what each detector told, so that it is asked once")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument(
        "--after", type=Path, help="what an earlier --choose printed and the weights were exported with"
    )
    asked = parser.parse_args()
    pictures = [p for p in pictures_of(asked.data, asked.index) if p.fold == asked.fold]
    find, scores = ours(asked.model, asked.side)
    rows, ms = run(find, asked.data, pictures, kept(asked, asked.model or "shipped"))
    print(f"# {len(pictures)} pictures of the {asked.fold} fold; ours {ms:.0f} ms a picture")
    if asked.choose:
        choose(rows, pictures, yaml.safe_load(asked.after.read_text(encoding="utf-8")) if asked.after else {})
        return
    known = set(row_of_ours().labels if asked.model is None else CLASSES)
    speaks_of = tuple(group for group, names in ASKED.items() if known.issuperset(names))
    runs: dict[str, tuple[list[Rows], Any]] = {"ours": (rows, speaks_of)}
    at = {"ours": scores}
    for peer in asked.peers:
        kind, _, file = peer.partition("=")
        make, usual, speaks = PEERS[kind]
        its_rows, its_ms = run(make(Path(file)), asked.data, pictures, kept(asked, file))
        print(f"{kind} {its_ms:.0f} ms a picture")
        runs[kind], at[kind] = (its_rows, speaks), dict.fromkeys(CLASSES, usual)
    precision_table(runs, pictures)
    operating_table(runs, at, pictures)
    alarms_table(rows, scores, pictures)


if __name__ == "__main__":
    main()
