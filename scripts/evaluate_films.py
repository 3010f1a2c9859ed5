"""Films made of labelled pictures -> what the screening detector finds by tracks, as a policy sees them.

    python scripts/evaluate_films.py                  # of test pictures, the shipped weights
    python scripts/evaluate_films.py --fold val --model other.onnx

A camera that wanders over a picture for four seconds, shaken, sometimes blurred by its own movement, written as H.264:
no film of what packs rule on is at hand whose objects are labelled. Each is examined as any file is. Printed, for a
track that counts from its first, second or third sighting on: the share of the films with such an object in which one
is found, and of the ordinary films, in which there is none, where one is told all the same. Real clips of streets and
people (--clips) are counted as ordinary for what is known not to be in them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from evaluate import ASKED, ORDINARY, ROOT, UNLABELLED, asked_for, detector_of, pictures_of
from screening_data import CLASSES, Labelled, digest, read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECONDS, RATE = 4, 10
SIDE = 640
CRF = "30"
MOST_SIGHTINGS = 3
NOT_IN_CLIPS = ("handgun", "long_gun", "cash", "drug_packet", "jewellery", "police_vehicle")  # seen by eye


def chosen(pictures: Iterable[Labelled], most: int) -> list[Labelled]:
    """As many with each class, and as many ordinary ones of each source, by digest of their names."""
    in_order = sorted(pictures, key=lambda p: digest(p.name))
    taken: dict[str, Labelled] = {}
    for names in ASKED.values():
        wanted = [CLASSES.index(n) for n in names]
        with_it = [p for p in in_order if asked_for(p, names) and np.isin(p.boxes[:, 0], wanted).any()]
        taken |= {p.name: p for p in with_it[:most]}
    for source in (*ORDINARY, *UNLABELLED):
        taken |= {p.name: p for p in [q for q in in_order if q.source == source][:most]}
    return list(taken.values())


def film(path: Path, rgb: Any, rng: Any) -> None:
    """A camera that wanders over a picture; all of it is in view at the beginning."""
    scale = SIDE / max(rgb.shape[:2])
    width, height = (round(n * scale) // 2 * 2 for n in rgb.shape[1::-1])
    drift, zoom = rng.uniform(-0.15, 0.15, 2) * (width, height), rng.uniform(0.8, 1.25)
    blurred = rng.random() < 0.5
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": CRF, "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(SECONDS * RATE):
            done = n / (SECONDS * RATE - 1)
            shift = drift * done + rng.normal(0, 1.5, 2)
            matrix = cv2.getRotationMatrix2D((rgb.shape[1] / 2, rgb.shape[0] / 2), rng.normal(0, 0.4), scale)
            matrix = matrix * (1 + (zoom - 1) * done)
            matrix[:, 2] = (width / 2, height / 2) - matrix[:, :2] @ (rgb.shape[1] / 2, rgb.shape[0] / 2) + shift
            view = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
            if blurred and n % 3:
                view = cv2.blur(view, (7, 1) if abs(drift[0]) > abs(drift[1]) else (1, 7))
            for packet in stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def told_in(path: Path, detector: Any) -> dict[str, int]:
    """Of each class the most sightings that a track of it had, with its best at the operating point; 0 for none."""
    from media_screen.examine import examine
    from media_screen.probe import probe

    most = dict.fromkeys(CLASSES, 0)
    for track in examine(probe(path), (detector,)).evidence.tracks:
        if track.score >= detector.spec.score_of(track.label):
            most[track.label] = max(most[track.label], len(track.sightings))
    return most


def tell(films: Sequence[tuple[Labelled, dict[str, int]]], clips: Sequence[dict[str, int]]) -> None:
    """The table."""
    ordinary = (*ORDINARY, *UNLABELLED)
    counts = range(1, MOST_SIGHTINGS + 1)
    print(
        "\n| Class | Films with it | found from sighting",
        *counts,
        "| Ordinary films | told",
        *counts,
        "| Clips | told",
        *counts,
        "|",
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for group, names in ASKED.items():
        wanted = [CLASSES.index(n) for n in names]
        judged = [(p, max(told[n] for n in names)) for p, told in films if asked_for(p, names)]
        with_it = np.array([n for p, n in judged if np.isin(p.boxes[:, 0], wanted).any()])
        without = np.array([n for p, n in judged if not np.isin(p.boxes[:, 0], wanted).any() and p.source in ordinary])
        real = np.array([max(told[n] for n in names) for told in clips if set(names) <= set(NOT_IN_CLIPS)])
        cells = [
            f"{len(a)} | " + (", ".join(f"{np.mean(a >= n):.3f}" for n in counts) if len(a) else "-")
            for a in (with_it, without, real)
        ]
        print(f"| {group} |", " | ".join(cells), "|")


def main() -> None:
    """Make the films, look at each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--index", type=Path, help="of scripts/train/screening.py; written where it is not there")
    parser.add_argument("--fold", choices=("val", "test"), default="test")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--side", type=int)
    parser.add_argument("--films", type=int, default=40, help="of each class, and of each source of ordinary pictures")
    asked = parser.parse_args()
    detector = detector_of(asked.model, asked.side)
    films = []
    with tempfile.TemporaryDirectory(prefix="media-screen-") as folder:
        path = Path(folder) / "film.mp4"
        pictures = chosen([p for p in pictures_of(asked.data, asked.index) if p.fold == asked.fold], asked.films)
        for picture in pictures:
            rng = np.random.default_rng(int(digest(picture.name)[:8], 16))
            film(path, read_picture(asked.data / picture.name), rng)
            films.append((picture, told_in(path, detector)))
    clips = [
        told_in(path, detector)
        for path in sorted((asked.data / "faces" / "clips").glob("*.*"))
        if path.suffix != ".csv"
    ]
    print(f"# {len(films)} films of {asked.fold} pictures, {len(clips)} clips")
    tell(films, clips)


if __name__ == "__main__":
    main()
