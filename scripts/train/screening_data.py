"""Labelled pictures, each labelled for some classes -> batches that say what is known where.

An index (`build`) names every picture: its fold, its boxes, and of each class whether the picture says anything of it.
`Drawer` makes a batch from seed, step and place alone, so that a run and its resumption see the same.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

RECIPE = yaml.safe_load((Path(__file__).parent / "screening.yaml").read_text(encoding="utf-8"))
CLASSES = tuple(RECIPE["classes"])
SHIPPED = tuple(name for name, rule in RECIPE["classes"].items() if rule.get("shipped", True))
THINGS = ("knife", "liquor_bottle", "mobile_phone")
GREY = 114  # around a picture, as the runtime pads
CELL_PX = 8  # of the mask: the finest stride
SMALLEST_PX = 4  # an object smaller than that is unknown
HASH_SIDE = 32
WHOLE_FIGURE = 1.6  # a box that is so much higher than wide shows more than head and shoulders
CLOTH_SPREAD = np.float32([55, 12, 12])  # of light and colour over folds of one cloth


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A picture and what is known of it; boxes are rows of class, x1, y1, x2, y2 in pixels."""

    name: str  # below the data root
    source: str
    fold: str
    gold: bool
    boxes: Any
    doubts: Any  # as boxes: where nothing is known of that class
    unknown: tuple[int, ...]  # classes of which the whole picture says nothing
    flags: str = ""


# ------------------------------------------------------------------------------------------------- index


def digest(text: str) -> str:
    """An order that depends on names alone."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_picture(path: Path) -> Any:
    """RGB uint8."""
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1].copy()


def hashes(rgb: Any) -> list[int]:
    """64 bits of the low frequencies, in all eight orientations, as it lies first."""
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA)
    return [_bits(np.rot90(face, quarter)) for face in (grey, grey[:, ::-1]) for quarter in range(4)]


def _bits(grey: Any) -> int:
    low = cv2.dct(np.ascontiguousarray(grey, dtype=np.float32))[:8, :8].reshape(-1)
    return int(sum(1 << i for i, bit in enumerate(low > np.median(low[1:])) if bit))


def clusters(told: list[list[int]], most_bits: int) -> list[int]:
    """Of each picture the number of the first one that it resembles, directly or through others."""
    straight = np.array([t[0] for t in told], np.uint64)
    turned = np.array(told, np.uint64)
    root = list(range(len(told)))

    def first(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, own in enumerate(straight):
        apart = np.bitwise_count(turned[i + 1 :] ^ own).min(axis=1, initial=64)
        for j in np.nonzero(apart <= most_bits)[0]:
            a, b = sorted((first(i), first(i + 1 + int(j))))
            root[b] = a
    return [first(i) for i in range(len(told))]


def fold_of(name: str) -> str:
    """By digest of a name: train, val or test."""
    share = int(digest(name)[:8], 16) / 2**32
    train, val = RECIPE["folds"]["train"], RECIPE["folds"]["val"]
    return "train" if share < train else "val" if share < train + val else "test"


def build(data: Path, teacher: Any) -> list[dict[str, Any]]:
    """The index: one row a picture. `teacher` gives rows of COCO class, score, x1, y1, x2, y2 of an RGB picture.

    Without a teacher it serves to measure, not to train: only what is known is in it.
    """
    rows, told = [], []
    manifests = {kind: _manifest(data / kind) for kind in ("arms", "police")}
    for source, rule in RECIPE["sources"].items():
        kind = source.split("/")[0]
        names = (data / kind / "classes.txt").read_text(encoding="utf-8").split()
        for path in sorted((data / source / "images").iterdir()):
            rgb = read_picture(path)
            noted = manifests[kind].get(path.relative_to(data / kind).as_posix(), {})
            flags = " ".join(filter(None, (noted.get("flags"), noted.get("note"), noted.get("region"))))
            rows.append(
                {"name": path.relative_to(data).as_posix(), "source": source, "gold": noted.get("gold") == "1",
                 "flags": flags, **known_of(path, rgb, rule, names, teacher)}
            )  # fmt: skip
            told.append(hashes(rgb))
        print(f"{source}: {len(rows)} pictures in all", flush=True)
    _divide(rows, clusters(told, RECIPE["near_duplicate_bits"]))
    return rows


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def _divide(rows: list[dict[str, Any]], first: list[int]) -> None:
    """Writes each row's fold: of its cluster, unless one of its source's kind decides."""
    asked: dict[int, set[str]] = {}
    for row, cluster in zip(rows, first, strict=True):
        fixed = "test" if row["gold"] else RECIPE["sources"][row["source"]].get("fold")
        asked.setdefault(cluster, set()).add(fixed or "")
    for row, cluster in zip(rows, first, strict=True):
        fixed = asked[cluster]
        row["cluster"] = rows[cluster]["name"]
        row["fold"] = next((f for f in ("test", "train") if f in fixed), fold_of(rows[cluster]["name"]))


def known_of(path: Path, rgb: Any, rule: dict[str, Any], names: list[str], teacher: Any) -> dict[str, Any]:
    """Boxes, doubts and unknown classes of one picture, by its source's rule."""
    height, width = rgb.shape[:2]
    boxes = _labels(path, rule, names, width, height)
    doubts: list[list[float]] = []
    modes = {name: mode_of(name, rule) for name in CLASSES}
    asked = teacher is not None and {"taught", "around"} & set(modes.values())
    seen = teacher(rgb) if asked else np.zeros((0, 6))
    labelled = np.array(boxes).reshape(-1, 5)
    for name, mode in modes.items():
        if mode not in ("taught", "around"):
            continue
        kin = set(RECIPE["classes"][name]["teacher"])
        for coco, score, *box in seen.tolist():
            if int(coco) not in kin or _boxed(box, labelled, name):
                continue
            sure = mode == "taught" and score >= RECIPE["teacher"]["sure"]
            (boxes if sure else doubts).append([CLASSES.index(name), *(round(v, 1) for v in box)])
    unknown = [i for i, name in enumerate(CLASSES) if modes[name] == "unknown"]
    return {"size": [width, height], "boxes": boxes, "doubts": doubts, "unknown": unknown}


def mode_of(name: str, rule: dict[str, Any]) -> str:
    """What a source says of a class."""
    return next((mode for mode in ("known", "taught", "around", "unknown") if name in rule.get(mode, ())), rule["rest"])


def _labels(path: Path, rule: dict[str, Any], names: list[str], width: int, height: int) -> list[list[float]]:
    file = path.parent.parent / rule.get("labels", "labels") / f"{path.stem}.txt"
    boxes = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        label, x, y, w, h = (float(v) for v in line.split()[:5])
        if name := rule.get("map", {}).get(names[int(label)]):
            corners = ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
            boxes.append([CLASSES.index(name), *(round(v, 1) for v in corners)])
    return boxes


def _boxed(box: list[float], labelled: Any, name: str) -> bool:
    """Whether what lies there has been said: an object of the same kin, or of a thing, which is no other thing.

    A COCO detector takes pistols for phones. People and vehicles hold and carry things, so those stand beside them.
    """
    kin = set(RECIPE["classes"][name]["teacher"])
    others = labelled[[name in THINGS or bool(kin & _kin(label)) for label in labelled[:, 0]], 1:]
    return bool(len(others)) and float(ious(np.array([box]), others).max()) >= RECIPE["teacher"]["same_iou"]


def _kin(label: float) -> set[int]:
    return set(RECIPE["classes"][CLASSES[int(label)]]["teacher"])


def ious(a: Any, b: Any) -> Any:
    """Intersection over union, (len(a), len(b))."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = [(r[:, 2] - r[:, 0]) * (r[:, 3] - r[:, 1]) for r in (a, b)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def read_index(path: Path) -> list[Labelled]:
    """What `build` made."""
    return [as_labelled(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def as_labelled(row: dict[str, Any]) -> Labelled:
    """One row of it."""
    return Labelled(
        name=row["name"], source=row["source"], fold=row["fold"], gold=row["gold"], flags=row["flags"],
        boxes=np.array(row["boxes"], np.float64).reshape(-1, 5),
        doubts=np.array(row["doubts"], np.float64).reshape(-1, 5),
        unknown=tuple(row["unknown"]),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- drawing


@dataclass(slots=True)
class _Canvas:
    """A picture in the making: pixels, objects in view, and where which class is known."""

    rgb: Any
    mask: Any
    boxes: list[list[float]] = field(default_factory=list)

    def hide(self, label: int, box: Any) -> None:
        """Nothing is known of this class here."""
        x1, y1, x2, y2 = (v / CELL_PX for v in box)
        self.mask[label, max(0, int(y1)) : max(0, int(np.ceil(y2))), max(0, int(x1)) : max(0, int(np.ceil(x2)))] = 0


class Drawer:
    """Batches of the training fold."""

    def __init__(self, data: Path, index: list[Labelled]) -> None:
        self.data, self.rule = data, RECIPE["draw"]
        self._groups: list[list[Labelled]] = []
        self._odds: list[Any] = []
        shares = []
        for source, rule in RECIPE["sources"].items():
            group = [p for p in index if p.source == source and p.fold == "train"]
            if group and rule.get("share"):
                self._groups.append(group)
                self._odds.append(_rarest_first(group))
                shares.append(rule["share"])
        self._shares = np.array(shares) / sum(shares)
        self._cutouts = cut_out(data, index)
        self._read = cache(read_picture)  # all of them come up again and again: some gigabytes

    def batch(self, step: int, side: int) -> tuple[Any, Any, Any]:
        """Pictures (n, 3, side, side) 0..1, targets (boxes, 6) and mask, as the loss takes them."""
        pictures, targets, masks = [], [], []
        rule = RECIPE["train"]
        for place in range(rule["batch"]):
            rng = np.random.default_rng([RECIPE["seed"], step, place])
            canvas = self.draw(rng, side, whole=step >= rule["mosaic_until"] * rule["steps"])
            pictures.append(canvas.rgb.transpose(2, 0, 1))
            masks.append(canvas.mask)
            for label, x1, y1, x2, y2 in canvas.boxes:
                targets.append(
                    [place, label, (x1 + x2) / 2 / side, (y1 + y2) / 2 / side, (x2 - x1) / side, (y2 - y1) / side]
                )
        stacked = np.ascontiguousarray(np.stack(pictures), dtype=np.float32) / 255
        return stacked, np.array(targets, np.float32).reshape(-1, 6), np.stack(masks)

    def draw(self, rng: Any, side: int, *, whole: bool = False) -> _Canvas:
        """One picture to learn from, `side` pixels square; never four in one where it is to be `whole`."""
        canvas = _Canvas(
            rgb=np.full((side, side, 3), GREY, np.uint8),
            mask=np.ones((len(CLASSES), side // CELL_PX, side // CELL_PX), np.float32),
        )
        if rng.random() < self.rule["mosaic"] and not whole:
            x, y = (int(v) // CELL_PX * CELL_PX for v in rng.uniform(0.35, 0.65, 2) * side)
            places = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)]
        else:
            places = [(0, 0, side, side)]
        for place in places:
            self._lay(canvas, self._chosen(rng), place, rng)
        if self._cutouts and rng.random() < self.rule["paste"]:
            low, high = self.rule["pasted"]
            for _ in range(int(rng.integers(low, high + 1))):
                self._paste(canvas, rng)
        canvas.rgb = toned(canvas.rgb, self.rule, rng)
        return canvas

    def _chosen(self, rng: Any) -> Labelled:
        group = int(rng.choice(len(self._groups), p=self._shares))
        return self._groups[group][int(rng.choice(len(self._groups[group]), p=self._odds[group]))]

    def _lay(self, canvas: _Canvas, picture: Labelled, place: tuple[int, int, int, int], rng: Any) -> None:
        """Puts a picture, turned and scaled, into its place."""
        rgb = self._read(self.data / picture.name)
        wearers = self._reclothed(picture, rng)
        if len(wearers):
            rgb = reclothed(rgb, wearers, self.rule["cloths"], rng)
        left, top, right, bottom = place
        matrix = _placed(rgb.shape[1], rgb.shape[0], right - left, bottom - top, self.rule, rng)
        canvas.rgb[top:bottom, left:right] = cv2.warpAffine(
            rgb, matrix, (right - left, bottom - top), flags=cv2.INTER_AREA, borderValue=(GREY, GREY, GREY)
        )
        shift = np.array([left, top, left, top])
        limits = np.array([left, top, right, bottom])
        for label in picture.unknown:
            canvas.hide(label, limits)
        for label, *box in picture.doubts.tolist():
            canvas.hide(int(label), _within(_moved(matrix, box) + shift, limits))
        for label, *box in picture.boxes.tolist():
            moved = _moved(matrix, box) + shift
            seen = _within(moved, limits)
            if _area(seen) >= self.rule["kept_share"] * _area(moved) and min(seen[2:] - seen[:2]) >= SMALLEST_PX:
                canvas.boxes.append([label, *seen])
            elif _area(seen) > 0:
                canvas.hide(int(label), seen)

    def _reclothed(self, picture: Labelled, rng: Any) -> Any:
        """Boxes of those who are to wear another cloth: all officers of a picture, or all the other people."""
        for name, odds in self.rule["reclothe"].items():
            worn = picture.boxes[picture.boxes[:, 0] == CLASSES.index(name), 1:]
            if len(worn) and rng.random() < odds:
                return worn
        return picture.boxes[:0, 1:]

    def _paste(self, canvas: _Canvas, rng: Any) -> None:
        """Lays one thing that was cut out onto the picture; what it covers for the most part is no longer there."""
        label, cut = self._cutouts[int(rng.integers(len(self._cutouts)))]
        side = len(canvas.rgb)
        size = rng.uniform(*self.rule["pasted_side"]) * side / max(cut.shape[:2])
        angle = rng.uniform(0, 360)
        centre = rng.uniform(0.1, 0.9, 2) * side
        matrix = cv2.getRotationMatrix2D((cut.shape[1] / 2, cut.shape[0] / 2), angle, size)
        matrix[:, 2] += centre - np.array([cut.shape[1] / 2, cut.shape[0] / 2])
        laid = cv2.warpAffine(cut, matrix, (side, side), flags=cv2.INTER_AREA)
        alpha = cv2.GaussianBlur(laid[:, :, 3], (3, 3), 0)[:, :, None] / np.float32(255)
        ys, xs = np.nonzero(alpha[:, :, 0] > 0.5)
        if len(xs) < 60:
            return
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float64)
        tone = rng.uniform(0.6, 1.1)
        canvas.rgb = (canvas.rgb * (1 - alpha) + np.clip(laid[:, :, :3] * tone, 0, 255) * alpha).astype(np.uint8)
        hidden = [b for b in canvas.boxes if _area(_within(np.array(b[1:]), box)) > 0.5 * _area(np.array(b[1:]))]
        canvas.boxes = [b for b in canvas.boxes if b not in hidden]
        for gone in hidden:
            canvas.hide(int(gone[0]), gone[1:])
        canvas.boxes.append([label, *box])


def _rarest_first(group: list[Labelled]) -> Any:
    """Odds of each picture: as the root of how rare the rarest class in it is."""
    counts = np.zeros(len(CLASSES))
    for picture in group:
        counts[np.unique(picture.boxes[:, 0]).astype(int)] += 1
    odds = np.array(
        [1 / np.sqrt(max(counts[p.boxes[:, 0].astype(int)].min(), 20) if len(p.boxes) else len(group)) for p in group]
    )
    return odds / odds.sum()


def _placed(width: int, height: int, across: int, down: int, rule: dict[str, Any], rng: Any) -> Any:
    """Affine matrix (2, 3) from a picture into a place of this size."""
    stretch = np.exp(rng.uniform(-1, 1) * rule["stretch"])
    fit = min(across / width, down / height) * np.exp(rng.uniform(*np.log(rule["scale"])))
    angle = rng.uniform(-1, 1) * rule["turn_degrees"] if rng.random() < rule["turn"] else 0.0
    angle += 90 * int(rng.integers(1, 4)) if rng.random() < rule["quarter_turn"] else 0
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([fit * np.sqrt(stretch), fit / np.sqrt(stretch)])
    if rng.random() < rule["mirror"]:
        linear = linear @ np.diag([-1, 1])
    size = np.abs(linear) @ np.array([width, height])
    room = np.array([across, down]) - size
    centre = np.array([across, down]) / 2 + rng.uniform(-0.5, 0.5, 2) * np.abs(room)
    return np.concatenate([linear, (centre - linear @ np.array([width, height]) / 2)[:, None]], axis=1)


def _moved(matrix: Any, box: Any) -> Any:
    x1, y1, x2, y2 = box
    corners = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]]) @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _within(box: Any, limits: Any) -> Any:
    return np.concatenate([np.maximum(box[:2], limits[:2]), np.minimum(box[2:], limits[2:])])


def _area(box: Any) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def toned(rgb: Any, rule: dict[str, Any], rng: Any) -> Any:
    """Light, night, greys, blur and compression of ordinary cameras."""
    if rng.random() < rule["tone"]:
        gains = rng.uniform(0.65, 1.35) * rng.uniform(0.9, 1.1, 3)
        rgb = np.clip((rgb.astype(np.float32) - 114) * rng.uniform(0.75, 1.25) * gains + 114 * gains, 0, 255).astype(
            np.uint8
        )
    if rng.random() < rule["night"]:
        dark = 255 * (rgb / np.float32(255)) ** rng.uniform(1.5, 2.6) * rng.uniform(0.5, 0.9)
        rgb = np.clip(dark + rng.normal(0, rng.uniform(2, 10), rgb.shape), 0, 255).astype(np.uint8)
    if rng.random() < rule["grey"]:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < rule["blur"]:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.5, 1.8))
    if rng.random() < rule["jpeg"]:
        coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[1]
        rgb = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return rgb


def _inside(height: int, width: int) -> Any:
    """1 within a box, fading out towards its top and sides: what lies there is often the ground."""
    sides = np.minimum(np.arange(width), np.arange(width)[::-1]) / max(1, 0.15 * width)
    return np.clip(sides, 0, 1)[None] * np.clip(np.arange(height) / max(1, 0.08 * height), 0, 1)[:, None]


def reclothed(rgb: Any, boxes: Any, cloths: list[Any], rng: Any) -> Any:
    """The same picture, the clothes of the people in the boxes dyed alike: light and folds stay.

    What counts as cloth resembles the middle of the chest, in CIE L*a*b* of 8 bits.
    """
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    dye = np.array([rng.uniform(*between) for between in cloths[int(rng.integers(len(cloths)))]], np.float32)
    for x1, y1, x2, y2 in boxes.astype(int).tolist():
        upright = y2 - y1 > WHOLE_FIGURE * (x2 - x1)
        chest, waist = (0.22, 0.55) if upright else (0.6, 0.95)
        top, height, width = y1 + int((chest - 0.1) * (y2 - y1)), y2 - y1, x2 - x1
        middle = lab[y1 + int(chest * height) : y1 + int(waist * height), x1 + int(0.3 * width) : x2 - int(0.3 * width)]
        if not middle.size:
            continue
        worn = np.median(middle.reshape(-1, 3), axis=0)
        part = lab[top:y2, x1:x2]
        share = np.clip(1.7 - np.linalg.norm((part - worn) / CLOTH_SPREAD, axis=2), 0, 1) * _inside(*part.shape[:2])
        share = cv2.GaussianBlur(share.astype(np.float32), (3, 3), 0)[:, :, None]
        part += share * (dye + (part - worn) * np.float32([rng.uniform(1.0, 1.5), 0.5, 0.5]) - part)
    return cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


# ------------------------------------------------------------------------------------------------- cut-outs


def cut_out(data: Path, index: list[Labelled]) -> list[tuple[int, Any]]:
    """Class and RGBA picture of things cut out of the training fold: from white, or a note by its box."""
    made = []
    for source, most in RECIPE["cutouts"].items():
        group = [p for p in index if p.source == source and p.fold == "train" and len(p.boxes) == 1]
        if source == "arms/weapons_ahmed":
            group = [p for p in group if "bg_white" in p.flags]
        count = 0
        for picture in sorted(group, key=lambda p: digest(p.name)):
            cut = _cut(
                read_picture(data / picture.name),
                picture.boxes[0, 1:],
                white=CLASSES[int(picture.boxes[0, 0])] != "cash",
            )
            if cut is not None and count < most:
                made.append((int(picture.boxes[0, 0]), cut))
                count += 1
    return made


def _cut(rgb: Any, box: Any, *, white: bool) -> Any | None:
    x1, y1, x2, y2 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
    part = rgb[max(0, y1) : y2, max(0, x1) : x2]
    if min(part.shape[:2], default=0) < 24:
        return None
    alpha = np.full(part.shape[:2], 255, np.uint8)
    if white:
        alpha = _not_white(part)
        share = alpha.mean() / 255
        if not 0.12 < share < 0.9:  # the ground was not white, or the thing is
            return None
    return np.dstack([part, alpha])


def _not_white(rgb: Any) -> Any:
    """255 on the largest thing that differs from white, with what it encloses."""
    differs = (rgb.min(axis=2) < 225).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    outlines, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros(rgb.shape[:2], np.uint8)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 255, -1)
    return cv2.erode(filled, np.ones((3, 3), np.uint8))
