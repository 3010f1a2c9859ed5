"""Kills a batch at random moments, again and again, and says what was half written, lost, or passed unverified.

    python scripts/kill_test.py --kills 1000

Each round: a fresh output folder, the same batch started and killed until it finishes by itself. After every kill
each copy that lies in cleared/ must be the one of an undisturbed run, and each page must be whole; at the end copies,
reports and summary must be those of the undisturbed run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from media_screen.report.json_report import Document

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
UNFINISHED = ".media-screen-"
VOLATILE = ("timings_s",)


def main() -> None:
    """Kill, look, kill again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        inputs(top / "in", np.random.default_rng(given.seed))
        length_s = length_of(top, "whole")
        whole = state(top / "whole")
        faults: list[str] = []
        kills = rounds = 0
        while kills < given.kills:
            rounds += 1
            if rounds % 5 == 0:
                length_s = length_of(top, "again")  # the machine may be busier, or less
            shutil.rmtree(top / "out", ignore_errors=True)
            while killed(start(top, "out"), chance.uniform(0.2, 1.0) * length_s):
                kills += 1
                faults += [f"kill {kills}: {fault}" for fault in between(top / "out", whole)]
                if kills % 50 == 0:
                    print(f"{kills} kills, {rounds} rounds, {len(faults)} faults", flush=True)
            faults += [f"round {rounds}: {fault}" for fault in at_the_end(top / "out", whole)]
    print("\n".join(faults))
    print(f"{kills} kills over {rounds} batches of {len(whole)} files: {len(faults)} faults")
    sys.exit(bool(faults))


def length_of(top: Path, out: str) -> float:
    """Seconds of an undisturbed batch."""
    shutil.rmtree(top / out, ignore_errors=True)
    began = time.perf_counter()
    finish(start(top, out))
    return time.perf_counter() - began


def inputs(folder: Path, rng: np.random.Generator) -> None:
    """Small files that are redacted, stripped, and cannot be screened."""
    folder.mkdir()
    with Image.open(SAMPLES / "portrait, held upright.jpg") as portrait:
        portrait.thumbnail((240, 240))
        for quality in (80, 90):
            portrait.save(folder / f"face {quality}.jpg", quality=quality, exif=portrait.getexif())
    for n in range(3):
        picture = Image.fromarray(rng.integers(0, 255, (60, 90, 3), dtype=np.uint8))
        picture.save(folder / f"noise {n}.png", dpi=(72, 72))
    (folder / "broken.jpg").write_bytes((SAMPLES / "broken upload.jpg").read_bytes()[:5000])


def start(top: Path, out: str) -> subprocess.Popen[bytes]:
    """The batch, as the leader of a group that dies with it."""
    command = [sys.executable, "-m", "media_screen", "batch", str(top / "in"), "--out", str(top / out), "--jobs", "2"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)


def killed(process: subprocess.Popen[bytes], after_s: float) -> bool:
    """SIGKILL to the whole group; False if it had ended by then."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    finish(process)
    return False


def finish(process: subprocess.Popen[bytes]) -> None:
    """One of the inputs is broken, so 3 is the code to come."""
    if process.wait() != 3:
        sys.exit(f"the batch ended with {process.returncode}")


def copies(out: Path) -> dict[str, str]:
    """Every finished file that could be uploaded, by its digest."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("cleared", "held")
        for path in (out / folder).rglob("*")
        if path.is_file() and not path.name.startswith(UNFINISHED)
    }


def documents(out: Path) -> dict[str, Document]:
    """Every JSON report, but for what differs each time."""
    read = (json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "reports").rglob("*.json")))
    return {doc["input"]["name"]: {k: v for k, v in doc.items() if k not in VOLATILE} for doc in read}


def state(out: Path) -> dict[str, tuple[Document, str | None]]:
    """Name -> report, and the digest of its copy."""
    there = copies(out)
    return {name: (doc, there.get((doc["output"] or {}).get("name", ""))) for name, doc in documents(out).items()}


def between(out: Path, whole: dict[str, tuple[Document, str | None]]) -> list[str]:
    """What must not be there after a kill."""
    due = {doc["output"]["name"]: digest for doc, digest in whole.values() if doc["output"]}
    faults = [f"{name} is not the verified copy" for name, digest in copies(out).items() if due.get(name) != digest]
    try:
        said = documents(out)
    except ValueError:
        return [*faults, "half a report"]
    unverified = [
        name for name, doc in said.items() if doc["disposition"] == "cleared" and not doc["verification"]["passed"]
    ]
    faults += [f"{name} passed unverified" for name in unverified]
    for page in out.glob("reports/*.html"):
        if not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            faults.append(f"half a page: {page.name}")
    return faults


def at_the_end(out: Path, whole: dict[str, tuple[Document, str | None]]) -> list[str]:
    """What differs from an undisturbed batch."""
    now = state(out)
    faults = [f"lost report: {name}" for name in whole.keys() - now.keys()]
    faults += [f"{name} differs" for name in whole.keys() & now.keys() if whole[name] != now[name]]
    left = [p.name for p in out.rglob("*") if p.name.startswith(UNFINISHED) and p.is_file() and p.suffix != ".json"]
    faults += [f"left behind: {name}" for name in left]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    if summary["files"] != len(whole):
        faults.append("the summary lacks files")
    return faults


if __name__ == "__main__":
    main()
