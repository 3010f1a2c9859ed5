"""Clips and pictures -> what screening costs beside a plain transcode (the limit) and deface (the peer), as ratios.

    make bench                       # sets up the peer in .venv/peers, then runs this
    python scripts/bench.py --quick  # without the slow peer
    python scripts/bench.py --long   # memory alone: ten seconds beside half an hour, or --minutes of it
    python scripts/bench.py --sizes 1080p --rounds 1 --quick --no-pictures

Whole processes, total CPU time (user and system, all threads), each command once per round and the median of the
rounds; machines are noisy, so only ratios within one run say anything. The clips are made on the spot from data/samples
at 360p, 720p and 1080p: a portrait wanders over a photograph, with camera shake and grain, and sound; it is there all
the time, or in the middle third, or never. "Every frame": the cost of looking at each frame with the same network.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data" / "samples"
POLICIES = ("minimal", "up-police-2023")  # faces alone; all that ships
PEERS = ROOT / ".venv" / "peers" / "bin"
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
RATE = 24
# as media_screen/write/encoders.py: the same work for both
TRANSCODE = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "copy"]


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def measured(command: Sequence[str], rounds: int, *, fresh: Path | None = None) -> Cost:
    """The median of several runs of a whole process and its children."""
    costs = []
    for _ in range(rounds):
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1, 3, 4, 5):  # any verdict; 2 is a mistake of ours
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        costs.append(
            Cost(
                cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                wall_s=wall_s,
                peak_mb=after.ru_maxrss / 1024,
            )
        )
    return sorted(costs, key=lambda c: c.cpu_s)[len(costs) // 2]


def ffmpeg() -> str:
    """The binary that the peer brings, or the one on the PATH."""
    asked = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    if (PEERS / "python").is_file():
        return subprocess.run(
            [PEERS / "python", "-c", asked], capture_output=True, text=True, check=True
        ).stdout.strip()
    found = shutil.which("ffmpeg")
    if found is None:
        sys.exit("no ffmpeg: run `make bench`, which brings one")
    return found


def make_clip(path: Path, size: tuple[int, int], seconds: int, *, face: range) -> None:
    """A shaking photograph with grain, a portrait wandering over it in some frames, and a tone."""
    rng = np.random.default_rng(7)
    width, height = size
    scene = np.asarray(Image.open(SAMPLES / "गश्त patrol.jpg").convert("RGB").resize((width + 32, height + 32)))
    side = height // 3
    head = np.asarray(
        Image.open(SAMPLES / "wrong name.jpg").convert("RGB").crop((60, 0, 220, 160)).resize((side, side))
    )
    grain = rng.integers(-5, 6, (8, height, width, 1), dtype=np.int16)
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast", "g": str(RATE)})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = target.add_stream("aac", rate=44100, layout="mono")
        for number in range(seconds * RATE):
            dx, dy = 16 + round(8 * np.sin(number / 5)), 16 + round(8 * np.cos(number / 7))
            picture = scene[dy : dy + height, dx : dx + width].copy()
            if number in face:
                x = round((width - side) * (0.5 + 0.45 * np.sin(number / 40)))
                y = round((height - side) * (0.5 + 0.4 * np.cos(number / 55)))
                picture[y : y + side, x : x + side] = head
            noisy = np.clip(picture.astype(np.int16) + grain[number % 8], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        for start in range(0, seconds * 44100, 1024):
            wave = 0.1 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 44100)
            tone = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 44100, start
            target.mux(sound.encode(tone))
        target.mux(sound.encode(None))


def video_table(work: Path, sizes: Sequence[str], *, seconds: int, rounds: int, quick: bool) -> None:
    """Redaction, screening and the peer, by size."""
    tool = [sys.executable, "-m", "media_screen"]
    binary, count, out = ffmpeg(), seconds * RATE, work / "out"
    faces = {"all": range(count), "third": range(count // 3, count * 2 // 3), "none": range(0)}
    print(f"\nVideo, {seconds} s at {RATE} frames/s; CPU seconds, and in brackets how many times the transcode\n")
    titles = ["clip", "transcode", "decode only", "redact", "face in a third", "no face", "check", "every frame"]
    print(f"| {' | '.join(titles)} | deface | peak MB |\n{'|---' * (len(titles) + 2)}|")
    for name, size in ((name, SIZES[name]) for name in sizes):
        clips = {kind: work / f"{name} {kind}.mp4" for kind in faces}
        for kind, path in clips.items():
            make_clip(path, size, seconds, face=faces[kind])
        clip = str(clips["all"])
        plain = measured([binary, "-v", "error", "-y", "-i", clip, *TRANSCODE, str(work / "t.mp4")], rounds)
        decode = measured([binary, "-v", "error", "-i", clip, "-map", "0:v", "-f", "null", "-"], rounds)
        batch = [*tool, "batch", "--out", str(out)]
        redact, third, stripped = (measured([*batch, str(path)], rounds, fresh=out) for path in clips.values())
        check = measured([*tool, "check", clip], rounds)
        every = measured([*tool, "detect", clip, "--json", "--every", "0"], 1)
        cells = [f"{c.cpu_s:.1f} ({c.cpu_s / plain.cpu_s:.2f})" for c in (decode, redact, third, stripped)]
        cells += [f"{check.cpu_s:.1f} ({check.cpu_s / every.cpu_s:.2f} of every frame)", f"{every.cpu_s:.1f}"]
        if not quick and (PEERS / "deface").is_file():
            peer = measured([str(PEERS / "deface"), clip, "--keep-audio", "-o", str(work / "d.mp4")], 1)
            times = f"{peer.cpu_s / redact.cpu_s:.1f}, {peer.cpu_s / third.cpu_s:.1f} x ours"
            cells.append(f"{peer.cpu_s:.1f} ({peer.cpu_s / plain.cpu_s:.2f}; {times})")
        else:
            cells.append("-")
        print(f"| {name} | {plain.cpu_s:.1f} | {' | '.join(cells)} | {redact.peak_mb:.0f} |", flush=True)


def memory_table(work: Path, minutes: int) -> None:
    """Peak memory must not grow with length: the same ten seconds once, and six times a minute on end."""
    tool, out = [sys.executable, "-m", "media_screen"], work / "out"
    short, long = work / "10 s.mp4", work / f"{minutes} min.mp4"
    make_clip(short, (320, 180), 10, face=range(80, 160))
    loop = ["-stream_loop", str(6 * minutes - 1), "-i", str(short), "-c", "copy", str(long)]
    subprocess.run([ffmpeg(), "-v", "error", "-y", *loop], check=True)
    print("\nMemory\n\n| clip of 320 x 180 | CPU s | wall s | peak MB |\n|---|---|---|---|")
    for path in (short, long):
        cost = measured([*tool, "batch", "--jobs", "1", "--out", str(out), str(path)], 1, fresh=out)
        print(f"| {path.stem} | {cost.cpu_s:.1f} | {cost.wall_s:.1f} | {cost.peak_mb:.0f} |", flush=True)


def picture_table(work: Path, rounds: int) -> None:
    """A cold process on one small picture, and a folder of them."""
    tool = [sys.executable, "-m", "media_screen"]
    one = {
        policy: measured([*tool, "check", "--policy", policy, str(SAMPLES / "wrong name.jpg")], rounds)
        for policy in POLICIES
    }
    folder = work / "pictures"
    folder.mkdir()
    count = 100
    with Image.open(SAMPLES / "wrong name.jpg") as image:
        for number in range(count):
            image.convert("RGB").resize((1280, 1280)).rotate(number / 8).save(folder / f"{number}.jpg", quality=85)
    out = work / "many"
    many = {
        policy: measured([*tool, "batch", str(folder), "--policy", policy, "--out", str(out)], 1, fresh=out)
        for policy in POLICIES
    }
    print("\nPictures\n\n| | policy | CPU s | wall s |\n|---|---|---|---|")
    for policy, cost in one.items():
        print(f"| check of one picture of 320 px, cold process | {policy} | {cost.cpu_s:.2f} | {cost.wall_s:.2f} |")
    for policy, cost in many.items():
        print(f"| batch of {count} photos of 1280 px, each with a face, {os.cpu_count()} workers: a photo ", end="")
        print(f"| {policy} | {cost.cpu_s / count:.3f} | {cost.wall_s / count:.3f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="length of each clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="leave out the peer")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--no-pictures", action="store_true", help="films alone")
    parser.add_argument("--long", action="store_true", help="memory alone, on half an hour of film")
    parser.add_argument("--minutes", type=int, default=30, help="of film, with --long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.long:
            memory_table(Path(folder), options.minutes)
            return
        lengths = {"seconds": options.seconds, "rounds": options.rounds}
        video_table(Path(folder), options.sizes, **lengths, quick=options.quick)
        if not options.no_pictures:
            picture_table(Path(folder), options.rounds)
    load = statistics.mean(os.getloadavg()) if hasattr(os, "getloadavg") else float("nan")
    print(f"\n{os.cpu_count()} cores, load {load:.1f}: trust the ratios.")


if __name__ == "__main__":
    main()
