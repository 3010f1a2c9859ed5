"""`detect`: files -> raw detections, for tuning and measuring."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.errors import EXIT_ERROR, EXIT_PASS, FileError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--every", type=click.FloatRange(0), help="Seconds between looks at a video.  [default: each detector's own]"
)
@click.option("--score", type=click.FloatRange(0, 1), help="Lowest score to print.  [default: operating point]")
def detect(inputs: tuple[Path, ...], as_json: bool, every: float | None, score: float | None) -> None:
    """Print raw detections, for tuning and measuring.

    Boxes are x1, y1, x2, y2 in pixels of the upright full-size frame.
    """
    from media_screen.batch import gather
    from media_screen.config import load_detectors
    from media_screen.examine import look
    from media_screen.probe import probe

    detectors = load_detectors(None)
    every_s = None if every is None else Fraction(str(every))
    failed = False
    for item in gather(inputs):
        try:
            info = probe(item.path)
            for frame, found in look(info, detectors, every_s=every_s, score=score):
                click.echo(_detections(item.path, info.kind, frame, found, as_json=as_json))
        except FileError as error:
            failed = True
            click.echo(f"{item.path}: {error}", err=True)
    sys.exit(EXIT_ERROR if failed else EXIT_PASS)


def _detections(path: Path, kind: str, frame: Any, found: Sequence[Any], *, as_json: bool) -> str:
    time_s = None if kind == "image" else round(float(frame.time_s), 6)
    boxes = [
        {
            "label": d.label,
            "score": round(d.score, 4),
            "box": [round(v, 2) for v in (d.box.x1, d.box.y1, d.box.x2, d.box.y2)],
            "detector": d.detector,
        }
        for d in found
    ]
    if as_json:
        head = {"path": str(path), "time_s": time_s, "frame": frame.index}
        size = {"width_px": frame.width_px, "height_px": frame.height_px}
        return json.dumps({**head, **size, "detections": boxes}, ensure_ascii=False)
    where = str(path) if time_s is None else f"{path} at {time_s:.3f} s"
    return "\n".join([f"{where}: {len(boxes)} found", *(f"  {b['label']} {b['score']:.2f} {b['box']}" for b in boxes)])
