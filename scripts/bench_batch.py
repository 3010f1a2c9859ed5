"""Batch and hook against their floors: what decoding and detecting the same files costs, and nothing else.

    python scripts/bench_batch.py --files 1000
    python scripts/bench_batch.py --files 500 --policy up-police-2023 --only redacted

Seconds are of the processor, all processes together, so that a busy machine gives nearly the same figures as an idle
one; where they are by the clock it says so. A look is decoding and detecting, with the same network, threads and number
of processes. The floor of a file that goes out as it is is one look; a copy that was changed is looked at again before
it may go out, so the floor of such files is two. Everything else counts as the batch's or the hook's own: start-up,
reading metadata twice, painting, coding, comparing, hashing, reports, journal, ledger, index.
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

import cv2
import numpy as np
from PIL import Image

from media_screen.config import DEFAULT_POLICY, Settings, build_screener, load_detectors
from media_screen.errors import EXIT_PASS, EXIT_REVIEW
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
    parser.add_argument("--policy", default=DEFAULT_POLICY, help="Which detectors look is its matter.")
    parser.add_argument("--only", choices=("single", "clean", "redacted"), help="A part, where time is short.")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody who installs it compiles it anew at every start
    print("| what | figure |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        if given.only in (None, "single"):
            singles(top)
        if given.only in (None, "clean"):
            folder(top / "clean", "nothing to change", given, faces=False, looks=1)
        if given.only in (None, "redacted"):
            folder(top / "redacted", "a face redacted in each", given, faces=True, looks=2)


def singles(top: Path) -> None:
    """One file, cold and warm."""
    small = photos(top / "small", 1, faces=False)[0]
    used, took = cold(small)
    print(f"| `check` of one small JPEG, cold process | {used:.2f} s, by the clock {took:.2f} s |", flush=True)
    for words, path in (("metadata removed", small), ("a face redacted", photos(top / "face", 1, faces=True)[0])):
        above, total = warm(path, looks=2)
        print(f"| warm hook, {words}: above two looks, by the clock | {above:.0f} ms of {total:.0f} ms |", flush=True)


def folder(top: Path, words: str, given: argparse.Namespace, *, faces: bool, looks: int) -> None:
    """Many files: their floor, the batch, and the batch again.

    The floor is measured before and after the batch, and the mean is taken: machines drift.
    """
    count = given.files
    files = photos(top / "in", count, faces=faces, tagged=faces)
    before, _ = spent(lambda: floor(files, given, looks))
    batch, took = spent(lambda: batched(files, top / "out", given))
    after, _ = spent(lambda: floor(files, given, looks))
    base = (before + after) / 2
    share = f"{base / batch:.0%} ({base:.1f} of {batch:.1f} s; by the clock {took:.0f} s)"
    print(f"| {count} photos, {words}: floor of {looks} look{'s' * (looks > 1)} / batch | {share} |", flush=True)
    again, took = spent(lambda: batched(files, top / "out", given))
    print(f"| the finished batch of {count} again | {again:.1f} s, by the clock {took:.1f} s |", flush=True)


def photos(folder: Path, count: int, *, faces: bool, tagged: bool = True) -> list[Path]:
    """Different pictures of 1280 x 960; tagged: with a comment that has to go."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    with Image.open(SAMPLES / ("portrait, held upright.jpg" if faces else "nothing to hide.png")) as sample:
        base = sample.convert("RGB").resize((1280, 960))
    files = []
    for n in range(count):
        picture = base.copy()
        grain = rng.integers(0, 8, (60, 80, 3), dtype=np.uint8)  # so faint that no detector takes it for anything
        picture.paste(Image.fromarray(np.asarray(base)[:60, :80] // 2 + grain), (0, 0))
        files.append(folder / f"{n:04d}.jpg")
        picture.save(files[-1], quality=88, comment=b"to be removed" if tagged else b"")
    return files


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor that a call's processes took, and seconds by the clock."""
    before, start = os.times(), time.perf_counter()
    work()
    after, took = os.times(), time.perf_counter() - start
    return after.children_user - before.children_user + after.children_system - before.children_system, took


def cold(path: Path) -> tuple[float, float]:
    """The best of five processes: of the processor, by the clock."""
    command = [*MEDIA_SCREEN, "check", str(path)]
    runs = [spent(lambda: subprocess.run(command, capture_output=True, check=False)) for _ in range(5)]
    return min(used for used, _ in runs), min(took for _, took in runs)


def warm(path: Path, looks: int) -> tuple[float, float]:
    """Milliseconds above so many looks, and all: medians over answers of one warm process.

    Before each answer this process looks itself, so that both were as busy.
    """
    detectors = load_detectors(["face"])
    process = subprocess.Popen([*MEDIA_SCREEN, "hook", "--serve-stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None  # noqa: S101 - pipes were asked for
    assert process.stdout is not None  # noqa: S101
    above, total = [], []
    for n in range(WARM):
        start = time.perf_counter()
        for _ in range(looks):
            list(look(probe(path), detectors, every_s=None, score=None))
        asked = time.perf_counter()
        process.stdin.write(json.dumps({"path": str(path)}).encode() + b"\n")
        process.stdin.flush()
        code = json.loads(process.stdout.readline())["code"]
        took = time.perf_counter() - asked
        if code:
            raise SystemExit(f"the hook did not clear {path}")
        if n >= WARM // 4:
            total.append(took * 1000)
            above.append((took - (asked - start)) * 1000)
    process.stdin.close()
    process.wait()
    return statistics.median(above), statistics.median(total)


def floor(files: list[Path], given: argparse.Namespace, looks: int) -> None:
    """Decode and detect, in as many processes."""
    start = (given.policy, max(1, (os.cpu_count() or 1) // given.jobs))
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), initializer=_load, initargs=start) as pool:
        list(pool.map(_look, files * looks, chunksize=4))


def batched(files: list[Path], out: Path, given: argparse.Namespace) -> None:
    """The command."""
    command = [*MEDIA_SCREEN, "batch", str(files[0].parent), "--out", str(out), "--jobs", str(given.jobs), "--quiet"]
    code = subprocess.run([*command, "--policy", given.policy], check=False).returncode
    if code not in (EXIT_PASS, EXIT_REVIEW):  # copies that a person must release were made, too
        raise SystemExit(f"the batch ended with {code}")


def _load(policy: str, threads: int) -> None:
    cv2.setNumThreads(threads)  # as in a worker
    globals()["detectors"] = build_screener(Settings(policy=policy, threads=threads)).detectors


def _look(path: Path) -> int:
    return sum(len(found) for _, found in look(probe(path), globals()["detectors"], every_s=None, score=None))


if __name__ == "__main__":
    main()
