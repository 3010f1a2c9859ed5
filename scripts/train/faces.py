"""Labelled and pseudo-labelled pictures -> models/faces.onnx: YuNet-n, fine-tuned in two stages.

    python scripts/train/faces.py label  --data D --work W --start-onnx yunet_n.onnx --centerface centerface.onnx
    python scripts/train/faces.py train  --data D --work W --start yunet_n.pth
    python scripts/train/faces.py export --saved W/checkpoint.pt --out W/first.onnx
    python scripts/train/faces.py refine --data D --work W --first W/first.onnx --start yunet_n.pth
    python scripts/train/faces.py export --saved W/refined_900.pt --out models/faces.onnx
    python scripts/train/faces.py check  --start yunet_n.pth --start-onnx yunet_n.onnx

`label` writes W/pseudo.json, `train` W/checkpoint.pt (and goes on from it when it is there), `refine` a W/refined_*.pt
now and then. The recipe stands in faces.yaml. A picture is drawn from seed, step and place alone, so that a run and its
resumption see the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from evaluate_faces import (  # noqa: E402 - it lies one folder up
    SUFFIXES,
    centerface,
    fold_of,
    ious,
    ours,
    read_labels,
    read_picture,
)

RECIPE = yaml.safe_load((HERE / "faces.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture to learn from; boxes are x1 y1 x2 y2."""

    path: Path
    faces: Any
    ignored: Any


# ---------------------------------------------------------------------------------------------- labels of our own


def digest(text: str) -> str:
    """An order that depends on names alone."""
    return hashlib.sha256(text.encode()).hexdigest()


def phash(rgb: Any) -> int:
    """64 bits of the low frequencies: near-duplicates differ in few."""
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].reshape(-1)
    return int("".join("1" if bit else "0" for bit in low > np.median(low[1:])), 2)


def held_out(data: Path) -> list[int]:
    """Hashes, straight and mirrored, of every picture that validation or test sees."""
    paths = [p.path for p in read_labels(data) if fold_of(p.set, p.path.name) != "train"]
    paths += [p for p in pictures(data / "faces" / "negatives") if fold_of("negatives", p.name) != "train"]
    hashes = []
    for path in paths:
        rgb = read_picture(path)
        hashes += [phash(rgb), phash(np.ascontiguousarray(rgb[:, ::-1]))]
    return hashes


def is_near(value: int, others: list[int]) -> bool:
    """True if the picture is a near-duplicate of one of the others."""
    return any((value ^ other).bit_count() <= RECIPE["near_duplicate_bits"] for other in others)


def pictures(folder: Path) -> list[Path]:
    """All pictures below a folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def label(data: Path, work: Path, start_onnx: Path, centerface_onnx: Path) -> None:
    """Write pseudo.json: boxes by the two teachers, for pictures that resemble nothing held out."""
    known = held_out(data)
    teachers = ours(start_onnx)[0], centerface(centerface_onnx)
    told: dict[str, Any] = {}
    dropped: list[str] = []
    for folder, most in RECIPE["pseudo"].items():
        chosen = sorted(pictures(data / folder), key=lambda p: digest(p.name))[:most]
        for path in chosen:
            rgb = read_picture(path)
            name = path.relative_to(data).as_posix()
            if is_near(phash(rgb), known):
                dropped.append(name)
                continue
            faces, ignored = taught(rgb, *teachers)
            told[name] = {"faces": faces.round(1).tolist(), "ignored": ignored.round(1).tolist()}
        print(f"{folder}: {len(chosen)} looked at, {len(told)} kept in all, {len(dropped)} dropped", flush=True)
        work.mkdir(parents=True, exist_ok=True)
        (work / "pseudo.json").write_text(json.dumps({"pictures": told, "dropped": dropped}), encoding="utf-8")


def taught(rgb: Any, yunet: Any, centre: Any) -> tuple[Any, Any]:
    """Boxes that the teachers vouch for, and boxes that they doubt."""
    rule = RECIPE["teacher"]
    scale = min(2.0, rule["side_px"] / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    sized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    a = merged(yunet(rgb), mirrored(yunet, rgb))
    b = centre(sized) / [scale, scale, scale, scale, 1]
    overlap = ious(a, b) if len(a) and len(b) else np.zeros((len(a), len(b)))
    partner = overlap.max(axis=1, initial=0) >= rule["agree_iou"]
    partner_score = np.where(partner, b[overlap.argmax(axis=1), 4] if len(b) else 0, 0)
    vouched = (a[:, 4] >= rule["yunet_sure"]) | (
        (a[:, 4] >= rule["yunet_agrees"]) & (partner_score >= rule["centerface_agrees"])
    )
    vouched |= (a[:, 4] >= rule["yunet_backed"]) & (partner_score >= rule["centerface_backs"])
    vouched |= (a[:, 4] >= rule["yunet_doubts"]) & (partner_score >= rule["centerface_sure"])
    # what CenterFace does not see at all and YuNet is not sure of was mostly fists, seen by eye: background
    alone = (partner_score < rule["centerface_blind"]) & (a[:, 4] < rule["yunet_alone"])
    doubted = ~vouched & ~alone & ((a[:, 4] >= rule["yunet_doubts"]) | (partner_score >= rule["centerface_doubts"]))
    lonely = (overlap.max(axis=0, initial=0) < rule["agree_iou"]) & (b[:, 4] >= rule["centerface_doubts"])
    return a[vouched, :4], np.concatenate([a[doubted, :4], b[lonely, :4]])


def mirrored(find: Any, rgb: Any) -> Any:
    """Rows found in the mirror image, mirrored back."""
    rows = find(np.ascontiguousarray(rgb[:, ::-1])).copy()
    rows[:, [0, 2]] = rgb.shape[1] - rows[:, [2, 0]]
    return rows


def merged(rows: Any, others: Any) -> Any:
    """Pairs of the two lists averaged, boxes by score; what only one saw counts half."""
    if not len(rows) or not len(others):
        return np.concatenate([rows, others]) * [1, 1, 1, 1, 0.5]
    overlap = ious(rows, others)
    out, taken = [], np.zeros(len(others), bool)
    for i, row in enumerate(rows):
        j = int(np.where(taken, -1, overlap[i]).argmax())
        if taken[j] or overlap[i, j] < 0.5:
            out.append(np.append(row[:4], row[4] / 2))
            continue
        taken[j] = True
        total = row[4] + others[j, 4]
        out.append(np.append((row[:4] * row[4] + others[j, :4] * others[j, 4]) / total, total / 2))
    out += [np.append(row[:4], row[4] / 2) for row in others[~taken]]
    return np.array(out).reshape(-1, 5)


def read_samples(data: Path, work: Path) -> dict[str, list[Sample]]:
    """Training pictures by the recipe's mix; those that resemble a held-out one are left out."""
    known = held_out(data)
    groups: dict[str, list[Sample]] = {name: [] for name in RECIPE["mix"]}
    for picture in read_labels(data):
        if fold_of(picture.set, picture.path.name) == "train" and not is_near(phash(read_picture(picture.path)), known):
            sample = Sample(path=picture.path, faces=picture.faces, ignored=picture.ignored)
            groups[picture.set].append(sample)
    nothing = np.zeros((0, 4))
    for path in pictures(data / "faces" / "negatives" / "noface"):
        if fold_of("negatives", path.name) == "train" and not is_near(phash(read_picture(path)), known):
            groups["negatives"].append(Sample(path=path, faces=nothing, ignored=nothing))
    told = json.loads((work / "pseudo.json").read_text(encoding="utf-8"))["pictures"]
    for name, boxes in sorted(told.items()):
        faces, ignored = (np.array(boxes[key]).reshape(-1, 4) for key in ("faces", "ignored"))
        group = "pseudo" if len(faces) else "negatives"
        groups[group].append(Sample(path=data / name, faces=faces, ignored=ignored))
    return groups


def read_refining(data: Path) -> dict[str, list[Sample]]:
    """Pictures of the second stage: labelled ones as before, folders without a face, and any others, unlabelled."""
    known = held_out(data)
    rule = RECIPE["refine"]
    groups: dict[str, list[Sample]] = {name: [] for name in rule["mix"]}
    nothing = np.zeros((0, 4))

    def add(group: str, path: Path, faces: Any = nothing, ignored: Any = nothing) -> None:
        if not is_near(phash(read_picture(path)), known):
            groups[group].append(Sample(path=path, faces=faces, ignored=ignored))

    for picture in read_labels(data):
        if fold_of(picture.set, picture.path.name) == "train":
            add(picture.set, picture.path, picture.faces, picture.ignored)
    for path in pictures(data / "faces" / "negatives" / "noface"):
        if fold_of("negatives", path.name) == "train":
            add("negatives", path)
    for group in ("negatives", "unlabelled"):
        for folder, most in rule[group].items():
            for path in sorted(pictures(data / folder), key=lambda p: digest(p.name))[:most]:
                add(group, path)
    return groups


# ------------------------------------------------------------------------------------------------------ the command


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=("label", "train", "refine", "export", "check"))
    parser.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("build/faces"))
    parser.add_argument("--start", type=Path, help="yunet_n.pth")
    parser.add_argument("--start-onnx", type=Path, help="yunet_n.onnx, the first teacher")
    parser.add_argument("--centerface", type=Path, help="centerface.onnx, the second teacher")
    parser.add_argument("--first", type=Path, help="the weights of the first stage, as ONNX")
    parser.add_argument(
        "--saved", type=Path, help="what export reads: checkpoint.pt of train, refined_900.pt of refine"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.job == "label":
        label(options.data, options.work, options.start_onnx, options.centerface)
        return
    import faces_net as net  # torch: only where it is needed

    if options.job == "train":
        begun = time.monotonic()
        groups = read_samples(options.data, options.work)
        print({name: len(group) for name, group in groups.items()}, f"{time.monotonic() - begun:.0f} s", flush=True)
        net.train(RECIPE, groups, options.work, options.start)
    elif options.job == "refine":
        options.work.mkdir(parents=True, exist_ok=True)
        groups = read_refining(options.data)
        print({name: len(group) for name, group in groups.items()}, flush=True)
        net.refine({**RECIPE, **RECIPE["refine"]}, groups, options.work, options.first, options.start)
    elif options.job == "export":
        net.export(net.trained(options.saved), options.out)
    else:
        net.check(options.start, options.start_onnx)


if __name__ == "__main__":
    main()
