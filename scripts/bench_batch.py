"""Batch and hook against their floors: what decoding and detecting the same files costs, and nothing else.

    python scripts/bench_batch.py --files 1000

Seconds are of the processor, all processes together, so that a busy machine gives the same figures as an idle one. A
copy that was changed is looked at again before it may go out: the floor of such files is two looks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from media_screen.config import load_detectors
from media_screen.examine import look
from media_screen.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
MEDIA_SCREEN = [sys.executable, "-m", "media_screen"]
WARM = 40


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    print("| what | figure |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        small = photos(top / "small", 1, faces=False)[0]
        print(f"| `check` of one small JPEG, cold process | {cold(small):.2f} s |", flush=True)
        for words, path in (("nothing found", small), ("a face redacted", photos(top / "face", 1, faces=True)[0])):
            above, total = warm(path)
            print(f"| warm hook, {words}: above decode and detect | {above:.0f} ms of {total:.0f} ms |", flush=True)
        for words, faces, looks in (("nothing to change", False, 1), ("a face redacted in each", True, 2)):
            files = photos(top / words / "in", given.files, faces=faces, tagged=faces)
            out = top / words / "out"
            base = spent(lambda files=files, looks=looks: floor(files, given.jobs, looks))
            batch = spent(lambda files=files, out=out: batched(files, out, given.jobs))
            again = spent(lambda files=files, out=out: batched(files, out, given.jobs))
            print(
                f"| {given.files} photos, {words}: floor / batch | {base / batch:.0%} ({base:.0f} of {batch:.0f} s) |"
            )
            print(f"| the finished batch again | {again:.1f} s |", flush=True)


def photos(folder: Path, count: int, *, faces: bool, tagged: bool = True) -> list[Path]:
    """Different pictures of 1280 x 960; tagged: with a comment that has to go."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    with Image.open(SAMPLES / ("portrait, held upright.jpg" if faces else "nothing to hide.png")) as sample:
        base = sample.convert("RGB").resize((1280, 960))
    files = []
    for n in range(count):
        picture = base.copy()
        noise = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        picture.paste(Image.fromarray(noise), (0, 0))
        files.append(folder / f"{n:04d}.jpg")
        picture.save(files[-1], quality=88, comment=b"to be removed" if tagged else b"")
    return files


def spent(work: Callable[[], object]) -> float:
    """Seconds of the processor that a call's processes took."""
    before = os.times()
    work()
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def cold(path: Path) -> float:
    """The best of five processes."""
    command = [*MEDIA_SCREEN, "check", str(path)]
    return min(spent(lambda: subprocess.run(command, capture_output=True, check=False)) for _ in range(5))


def warm(path: Path) -> tuple[float, float]:
    """Milliseconds above decode and detect, and all: medians over answers of one warm process."""
    process = subprocess.Popen([*MEDIA_SCREEN, "hook", "--serve-stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    above, total = [], []
    for n in range(WARM):
        start = time.perf_counter()
        process.stdin.write(json.dumps({"path": str(path)}).encode() + b"\n")
        process.stdin.flush()
        report = json.loads(process.stdout.readline())["report"]
        took = time.perf_counter() - start
        looks = report["timings_s"]
        if n >= WARM // 4:
            total.append(took * 1000)
            above.append((took - looks["examine"] - looks.get("verify", 0.0)) * 1000)
    process.stdin.close()
    process.wait()
    return statistics.median(above), statistics.median(total)


def floor(files: list[Path], jobs: int, looks: int) -> None:
    """Decode and detect, in as many processes."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_load, initargs=(threads,)) as pool:
        list(pool.map(_look, files * looks, chunksize=4))


def batched(files: list[Path], out: Path, jobs: int) -> None:
    """The command."""
    command = [*MEDIA_SCREEN, "batch", str(files[0].parent), "--out", str(out), "--jobs", str(jobs), "--quiet"]
    subprocess.run(command, check=True)


def _load(threads: int) -> None:
    globals()["detectors"] = load_detectors(["face"], threads=threads)


def _look(path: Path) -> int:
    return sum(len(found) for _, found in look(probe(path), globals()["detectors"], every_s=None, score=None))


if __name__ == "__main__":
    main()
