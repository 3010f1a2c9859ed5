"""Pictures labelled for some classes each -> models/screening.onnx: YOLOv8n, fine-tuned to what packs rule on.

    python scripts/train/screening.py index  --data D --work W --start yolov8n_int8.onnx
    python scripts/train/screening.py sheet  --data D --work W --what drawn --out sheet.jpg
    python scripts/train/screening.py train  --data D --work W --start yolov8n_int8.onnx
    python scripts/train/screening.py export --work W --scores scripts/train/screening_scores.yaml --out screening.onnx

`index` writes W/index.json and the teacher as W/coco.onnx, `train` W/checkpoint.pt (and goes on from it when it is
there). The recipe stands in screening.yaml.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from screening_data import CLASSES, GREY, RECIPE, SHIPPED, Drawer, Labelled, build, digest, read_index, read_picture  # noqa: E402

ROOT = HERE.parents[1]
AHEAD = 6  # batches made while the network works
NMS_IOU = 0.5
EXPORT_SIDE = 416  # sides are free in the file: any multiple of 32
COLOURS = tuple(
    tuple(int(v) for v in cv2.cvtColor(np.uint8([[[i * 180 // len(CLASSES), 220, 255]]]), cv2.COLOR_HSV2RGB)[0, 0])
    for i in range(len(CLASSES))
)


def teacher(model: Path) -> Any:
    """A COCO detector: RGB picture -> rows of class, score, x1, y1, x2, y2, down to what the recipe doubts."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    side, least = RECIPE["teacher"]["side_px"], RECIPE["teacher"]["doubts"]

    def find(rgb: Any) -> Any:
        scale = side / max(rgb.shape[:2])
        sized = cv2.resize(
            rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        canvas = np.full((-(-sized.shape[0] // 32) * 32, -(-sized.shape[1] // 32) * 32, 3), GREY, np.uint8)
        canvas[: sized.shape[0], : sized.shape[1]] = sized
        batch = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32) / 255
        rows = session.run(None, {"images": batch})[0][0].T
        labels, scores = rows[:, 4:].argmax(1), rows[:, 4:].max(1)
        likely = scores >= least
        rows, labels, scores = rows[likely], labels[likely], scores[likely]
        corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], axis=1) / scale
        kept = np.array(
            cv2.dnn.NMSBoxesBatched(corners.tolist(), scores.tolist(), labels.tolist(), least, NMS_IOU), int
        )
        corners[:, 2:] += corners[:, :2]
        return np.concatenate([labels[:, None], scores[:, None], corners], axis=1)[kept].reshape(-1, 6)

    return find


def index(data: Path, work: Path, start: Path) -> None:
    """Write index.json."""
    import screening_net

    work.mkdir(parents=True, exist_ok=True)
    net = screening_net.network()
    net.load_state_dict(screening_net.coco_weights(start))
    screening_net.export(net, work / "coco.onnx", RECIPE["teacher"]["side_px"])
    rows = build(data, teacher(work / "coco.onnx"))
    (work / "index.json").write_text(json.dumps(rows), encoding="utf-8")
    told(read_index(work / "index.json"))


def told(pictures: list[Labelled]) -> None:
    """Print pictures a source and fold, and boxes a class and fold."""
    folds = ("train", "val", "test")
    by_source = Counter((p.source, p.fold) for p in pictures)
    by_class = Counter((int(c), p.fold) for p in pictures for c in p.boxes[:, 0])
    for source in RECIPE["sources"]:
        print(f"{source:45}", *(f"{by_source[source, fold]:6}" for fold in folds))
    for i, name in enumerate(CLASSES):
        print(f"{name:45}", *(f"{by_class[i, fold]:6}" for fold in folds))


def train(data: Path, work: Path, start: Path) -> None:
    """Write checkpoint.pt and, after the last step, average.pt."""
    import screening_net
    import torch

    torch.manual_seed(RECIPE["seed"])
    cv2.setNumThreads(1)
    drawer = Drawer(data, read_index(work / "index.json"))
    net = screening_net.begin(start, [RECIPE["classes"][name]["coco"] for name in CLASSES])
    rule, made = RECIPE["train"], {}
    with ThreadPoolExecutor(1) as pool:

        def batch(step: int) -> tuple[Any, ...]:
            for ahead in range(step, step + AHEAD):
                if ahead not in made:
                    made[ahead] = pool.submit(drawer.batch, ahead, screening_net.side_at(rule, ahead))
            return tuple(torch.from_numpy(part) for part in made.pop(step).result())

        average = screening_net.train(net, rule, batch, work / "checkpoint.pt", lambda line: print(line, flush=True))
        for waiting in made.values():
            waiting.cancel()
    torch.save(average, work / "average.pt")


def export(work: Path, saved: Path | None, out: Path, scores: Path | None) -> None:
    """Write the ONNX file from average.pt, or from the running average in a checkpoint.

    With the scores that `evaluate.py --choose` printed it is calibrated, and its row for the manifest is printed.
    """
    import screening_net
    import torch

    held = torch.load(saved or work / "average.pt", weights_only=True)
    net = screening_net.network(len(CLASSES))
    net.load_state_dict(held.get("average", held))
    if scores is not None:
        chosen = yaml.safe_load(scores.read_text(encoding="utf-8"))
        screening_net.calibrate(net, [chosen[n]["a"] for n in CLASSES], [chosen[n]["b"] for n in CLASSES])
        screening_net.only(net, [CLASSES.index(name) for name in SHIPPED])
    screening_net.export(net, out, EXPORT_SIDE)
    if scores is not None:
        print(yaml.safe_dump([row_of(out, chosen)], sort_keys=False, default_flow_style=None, width=120))


def row_of(out: Path, chosen: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The manifest's row of an exported file."""
    scores = {name: chosen[name]["score"] for name in SHIPPED}
    return {
        "name": "screening", "runtime": "yolo", "file": out.name,
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(), "licence": "AGPL-3.0", "labels": list(SHIPPED),
        "score": min(scores.values()), "low_score": round(min(scores.values()) / 2, 3), "scores": scores,
        **RECIPE["row"],
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- sheets


def sheet(data: Path, work: Path, what: str, out: Path) -> None:
    """Write a contact sheet, to be looked at: what is drawn, or the labelled pictures of one source."""
    pictures = read_index(work / "index.json")
    if what == "drawn":
        drawer = Drawer(data, pictures)
        canvases = [drawer.draw(np.random.default_rng([RECIPE["seed"], 10**6, i]), EXPORT_SIDE) for i in range(48)]
        tiles = [shown(c.rgb, np.array(c.boxes).reshape(-1, 5), np.zeros((0, 5))) for c in canvases]
    else:
        chosen = sorted((p for p in pictures if p.source == what), key=lambda p: digest(p.name))[:48]
        tiles = [shown(read_picture(data / p.name), p.boxes, p.doubts) for p in chosen]
    rows = [np.hstack(tiles[i : i + 8]) for i in range(0, len(tiles) // 8 * 8, 8)]
    cv2.imwrite(str(out), np.vstack(rows)[:, :, ::-1])


def shown(rgb: Any, boxes: Any, doubts: Any, side: int = 224) -> Any:
    """A square tile with boxes, doubts thin and white."""
    scale = side / max(rgb.shape[:2])
    tile = np.full((side, side, 3), GREY, np.uint8)
    sized = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:side, :side]
    tile[: sized.shape[0], : sized.shape[1]] = sized
    for label, *box in (*doubts.tolist(), *boxes.tolist()):
        x1, y1, x2, y2 = (round(v * scale) for v in box)
        sure = [label, *box] in boxes.tolist()
        colour = COLOURS[int(label)] if sure else (255, 255, 255)
        cv2.rectangle(tile, (x1, y1), (x2, y2), colour, 2 if sure else 1)
        cv2.putText(tile, CLASSES[int(label)][:10], (x1 + 2, y1 + 10), cv2.FONT_HERSHEY_PLAIN, 0.7, colour)
    return tile


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("index", "sheet", "train", "export"))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "screening")
    parser.add_argument("--start", type=Path, help="yolov8n_int8.onnx: COCO weights under the fused network's names")
    parser.add_argument("--what", default="drawn")
    parser.add_argument("--saved", type=Path)
    parser.add_argument("--scores", type=Path, help="what evaluate.py --choose printed")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.step == "index":
        index(asked.data, asked.work, asked.start)
    elif asked.step == "sheet":
        sheet(asked.data, asked.work, asked.what, asked.out)
    elif asked.step == "train":
        train(asked.data, asked.work, asked.start)
    else:
        export(asked.work, asked.saved, asked.out, asked.scores)


if __name__ == "__main__":
    main()
