"""Clips -> what is still to be seen in the redacted copies, by hand-checked boxes and by another detector's eyes.

    python scripts/evaluate_clips.py                                     # every clip of ../shared/data/faces/clips
    python scripts/evaluate_clips.py --clips FOLDER --eye rfb_640.onnx --out copies

Each clip is screened as `media-screen batch` would. Then source and copy are decoded side by side, every frame. A face
is exposed where most of its fine structure (what lies below the cells of the blur) came through into the copy. Faces
are those of the folder's keyframe_boxes.csv (of clips that are not turned), and in every frame those that Ultra-Light
RFB-640 is sure of: an SSD by other authors, so that it does not share the blind spots of the detector that did the
work. It has false alarms of its own, which count as faces here: the figures err to the bad side.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from media_screen.config import Settings, build_screener  # noqa: E402
from media_screen.decode import Faults, shots  # noqa: E402
from media_screen.probe import probe  # noqa: E402
from media_screen.redact import survival  # noqa: E402
from media_screen.track import Seen, link  # noqa: E402
from media_screen.types import Box, Detection  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.types import Report

SHARED = ROOT.parent / "shared"
SURE = 0.9  # of RFB-640: its false alarms are few here, and its faces are faces
SMALLEST_PX = 16
EXPOSED = 0.72  # likeness of the fine structure: paint leaves up to 0.63, encoding alone 0.80 or more


@dataclass
class Tally:
    """What one clip came to."""

    frames: int = 0
    faces: int = 0
    exposed_faces: int = 0
    exposed_frames: set[int] = field(default_factory=set)
    labelled: int = 0
    exposed_labelled: int = 0
    seen: list[Seen] = field(default_factory=list)
    exposed_seen: list[Seen] = field(default_factory=list)


class Eye:
    """Ultra-Light-Fast-Generic-Face-Detector-1MB, version RFB-640 (MIT)."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def faces(self, rgb: Any) -> list[tuple[Box, float]]:
        """Sure faces, in pixels of the picture."""
        height, width = rgb.shape[:2]
        batch = (cv2.resize(rgb, (640, 480)).astype(np.float32) - 127) / 128
        scores, boxes = self._session.run(None, {self._input: batch.transpose(2, 0, 1)[None]})
        rows = [
            (np.clip(b, 0, 1) * (width, height, width, height), float(s))
            for b, s in zip(boxes[0], scores[0, :, 1], strict=True)
            if s >= SURE
        ]
        sides = [[float(v) for v in (b[0], b[1], b[2] - b[0], b[3] - b[1])] for b, _ in rows]
        kept: Any = np.reshape(cv2.dnn.NMSBoxes(sides, [s for _, s in rows], SURE, 0.4), -1).astype(int) if rows else []
        return [(Box(x1=rows[i][0][0], y1=rows[i][0][1], x2=rows[i][0][2], y2=rows[i][0][3]), rows[i][1]) for i in kept]


def compare(source: Path, copy: Path, eye: Eye, labels: dict[int, list[Box]]) -> Tally:
    """Both decoded side by side."""
    tally = Tally()
    info = probe(source)
    long_side = max(info.width_px, info.height_px)
    for before, after in zip(shots(info, Faults()), shots(probe(copy), Faults()), strict=True):
        a, b = before.frame(long_side), after.frame(long_side)
        tally.frames += 1
        seen = [Detection(label="face", score=s, box=box, detector="eye") for box, s in eye.faces(a.pixels)]
        seen = [d for d in seen if min(d.box.width_px, d.box.height_px) >= SMALLEST_PX]
        exposed = [d for d in seen if is_exposed(a.pixels, b.pixels, d.box)]
        tally.faces += len(seen)
        tally.exposed_faces += len(exposed)
        tally.seen.append(Seen(frame_index=before.index, time_s=before.time_s, detections=tuple(seen)))
        tally.exposed_seen.append(Seen(frame_index=before.index, time_s=before.time_s, detections=tuple(exposed)))
        known = [box for box in labels.get(before.index, []) if min(box.width_px, box.height_px) >= SMALLEST_PX]
        open_known = [box for box in known if is_exposed(a.pixels, b.pixels, box)]
        tally.labelled += len(known)
        tally.exposed_labelled += len(open_known)
        if exposed or open_known:
            tally.exposed_frames.add(before.index)
    return tally


def is_exposed(before: Any, after: Any, box: Box) -> bool:
    """True if the middle of the face came through."""
    x1, y1, x2, y2 = box.grown(-0.1, -0.1, -0.1, -0.1).clipped(before.shape[1], before.shape[0]).pixels()
    if min(x2 - x1, y2 - y1) < 8:
        return False
    return survival(before[y1:y2, x1:x2], after[y1:y2, x1:x2]) > EXPOSED


def tracks_of(seen: list[Seen]) -> int:
    """People, as far as boxes tell: a face seen in fewer than three frames is no track."""
    end_s = seen[-1].time_s if seen else Fraction(0)
    return sum(len(t.sightings) >= 3 for t in link(seen, cuts_s=[], end_s=end_s, score=SURE))


def read_labels(path: Path) -> dict[str, dict[int, list[Box]]]:
    """Clip -> frame -> boxes of faces, in pixels as stored."""
    boxes: dict[str, dict[int, list[Box]]] = defaultdict(lambda: defaultdict(list))
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["label"] == "face":
                    x, y, w, h = (float(row[k]) for k in "xywh")
                    boxes[row["file"]][int(row["frame"])].append(Box(x1=x, y1=y, x2=x + w, y2=y + h))
    return boxes


def clips_in(folder: Path) -> Iterator[Path]:
    """Everything that is no list."""
    yield from sorted(p for p in folder.iterdir() if p.is_file() and p.suffix not in (".csv", ".md"))


def row(name: str, report: Report, tally: Tally | None) -> str:
    """One line of the table."""
    verified = report.verification.renders if report.verification else 0
    if tally is None:
        return f"| {name} | {report.disposition}: {report.error} | | | | | |"
    share = 100 * len(tally.exposed_frames) / tally.frames
    return (
        f"| {name} | {report.disposition}, {verified} renders | {tally.frames} | {tally.faces} / {tally.exposed_faces} "
        f"| {tracks_of(tally.seen)} / {tracks_of(tally.exposed_seen)} | {tally.labelled} / {tally.exposed_labelled} "
        f"| {share:.1f} % |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, default=SHARED / "data" / "faces" / "clips")
    parser.add_argument("--eye", type=Path, default=SHARED / "models" / "face" / "ulfg_rfb_640.onnx")
    parser.add_argument("--out", type=Path, help="keep the copies here")
    parser.add_argument("--only", nargs="*", help="names of clips")
    options = parser.parse_args()
    for needed in (options.clips, options.eye):
        if not needed.exists():
            sys.exit(f"{needed} is not there; name it with --clips or --eye")
    eye, labels = Eye(options.eye), read_labels(options.clips / "keyframe_boxes.csv")
    screener = build_screener(Settings())
    print("| clip | result | frames | faces seen / exposed | tracks / exposed | labelled / exposed | frames exposed |")
    print("|---|---|---|---|---|---|---|")
    total = Tally()
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        for clip in clips_in(options.clips):
            if options.only and clip.name not in options.only:
                continue
            report = screener.screen(clip, out)
            tally = None
            if report.output and report.media:
                known = labels[clip.name] if report.media.orientation == 1 else {}
                tally = compare(clip, out / report.output.name, eye, known)
                total.frames += tally.frames
                total.faces += tally.faces
                total.exposed_faces += tally.exposed_faces
                total.labelled += tally.labelled
                total.exposed_labelled += tally.exposed_labelled
            print(row(clip.name, report, tally), flush=True)
    print(
        f"\nall: {total.frames} frames; {total.faces} faces seen, {total.exposed_faces} exposed; "
        f"{total.labelled} labelled, {total.exposed_labelled} exposed"
    )


if __name__ == "__main__":
    main()
