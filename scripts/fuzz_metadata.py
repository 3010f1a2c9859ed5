"""Small files of every format -> what the metadata parsers do with damaged ones: findings, or so many files without.

    python scripts/fuzz_metadata.py --seconds 600           # ten minutes of each parser
    python scripts/fuzz_metadata.py --format heif --seed 7  # one parser, other damage

A finding is anything but a clean copy or an error of ours with a reason: a crash, a strange exception, more than ten
CPU seconds or two gigabytes for a file of a few kilobytes, or a copy in which our reader still finds something. The
file that did it is kept in the folder `--out`. The same seed damages in the same way.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # where small files of every kind are made

import av  # noqa: E402
import films  # noqa: E402
import planted  # noqa: E402

from media_screen import metadata  # noqa: E402
from media_screen.errors import FileError  # noqa: E402
from media_screen.metadata import second  # noqa: E402
from media_screen.probe import sniff  # noqa: E402

if TYPE_CHECKING:
    from types import FrameType

MAX_CASE_S = 10
MAX_MEMORY_BYTES = 2 << 30  # on top of what the libraries take
MAX_CHANGES = 8
WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FIELDS = metadata.Fields(copyright="c", creator="A. Sharma", description="noon", date="2023-05-06 07:08:09", make="m")
COLUMNS = ("cleaned", "refused", "caught by the second reader", "findings")
SHORT = {"size": (48, 32), "frames": 6}
H264 = {"codec": "libx264", "options": {**films.B_FRAMES, "g": "4"}, "sound": ("mp2",), **SHORT}
FILMS = (
    films.Film(muxer="mp4", metadata={"comment": films.NAME.decode()}, chapters=("one", "two"), **H264),
    films.Film(muxer="mp4", container_options={"movflags": "faststart"}, **H264),
    films.Film(muxer="mp4", container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}, **H264),
    films.Film(muxer="mov", codec="libx265", options=films.QUIET_265, sound=("pcm_s16le",), frames=4),
    films.Film(muxer="mov", codec="mjpeg", pixel_format="yuvj420p", **SHORT),
    films.Film(muxer="mp4", codec="libsvtav1", options={"preset": "11"}, **SHORT),
    films.Film(muxer="matroska", metadata={"title": films.NAME.decode()}, chapters=("one",), **H264),
    films.Film(muxer="webm", codec="libvpx-vp9", sound=("libopus",), **SHORT),
    films.Film(muxer="avi", metadata={"comment": films.NAME.decode()}, **{**H264, "options": {"bf": "0"}}),
    films.Film(muxer="avi", codec="mpeg4", sound=("libmp3lame",), **SHORT),
    films.Film(muxer="mpegts", **H264),
    films.Film(muxer="mpegts", codec="mpeg2video", sound=("mp2",), **SHORT),
)


class TooSlow(BaseException):
    """Not an Exception: no parser may catch it."""


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Small files by format, each with something planted."""
    av.logging.set_level(None)
    made: dict[str, list[bytes]] = {}
    for case in planted.cases():
        made.setdefault(sniff(case.data[:4096]) or "", []).append(case.data)
    for number, film in enumerate(FILMS):
        path = films.make(folder / f"{number}.{film.muxer}", film)
        made.setdefault(film.format, []).append(path.read_bytes())
    return made


def damaged(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A few changes of the sort that parsers fall over."""
    out = bytearray(data)
    for _ in range(rng.randint(1, MAX_CHANGES)):
        at = rng.randrange(len(out)) if rng.random() < 0.5 else min(int(rng.expovariate(1 / 200)), len(out) - 1)
        length = min(int(rng.expovariate(1 / 40)) + 1, len(out) - at)
        kind = rng.randrange(8)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + length] = rng.randbytes(length)
        elif kind == 2:  # a length or a count that lies
            order, width = rng.choice("<>"), rng.choice("BHIQ")
            word = struct.pack(order + width, rng.choice(WORDS) & (1 << 8 * struct.calcsize(width)) - 1)
            out[at : at + len(word)] = word
        elif kind == 3:  # one that nearly tells the truth
            out[at] = (out[at] + rng.choice((-2, -1, 1, 2))) % 256
        elif kind == 4:
            del out[at : at + length]
        elif kind == 5:  # the same again, as in a loop
            out[at:at] = out[at : at + length] * rng.choice((1, 2, 50))
        elif kind == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            out[at:at] = other[start : start + length * 4]
        else:
            del out[rng.randrange(len(out)) :]
        if not out:
            return data[:1]
    return mended(bytes(out)) if rng.random() < 0.5 else bytes(out)


def mended(data: bytes) -> bytes:
    """With the check sums of a PNG put right, for most damage would go no further than these."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out) and (end := at + 12 + struct.unpack_from(">I", out, at)[0]) <= len(out):
        struct.pack_into(">I", out, end - 4, zlib.crc32(out[at + 4 : end - 4]))
        at = end
    return bytes(out)


def tried(path: Path, target: Path, format_name: str) -> str:
    """What became of one file, in a word; one that begins with "finding" is one."""
    signal.setitimer(signal.ITIMER_PROF, MAX_CASE_S)
    try:
        return outcome(path, target, format_name)
    except TooSlow:
        return "finding: too slow"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"finding: {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def outcome(path: Path, target: Path, format_name: str) -> str:
    """Both readers on the damaged file, the writer with and without kept fields, and both readers on the copy."""
    handler = metadata.handler_for(format_name)
    with suppress(FileError):
        second.read(path, format_name)
    try:
        handler.read(path)
        handler.strip(path, target, FIELDS.only(handler.KEEPS))
        left = metadata.remaining(handler.read(target), metadata.WORDS)
        handler.strip(path, target)
        left += handler.read(target)
    except FileError as error:
        return "refused" if str(error) else "finding: refused without a reason"
    if left:
        return f"finding: left {sorted({tag.name for tag in left})}"
    try:
        return "caught by the second reader" if second.read(target, format_name) else "cleaned"
    except FileError:
        return "cleaned"  # as damaged as it came: decoding will say so


def fuzz(format_name: str, files: list[bytes], seconds: float, seed: str, out: Path, results: Any) -> None:
    """One parser for so long; in a process of its own, for what it meets may kill it."""
    resource.setrlimit(resource.RLIMIT_AS, (_memory_bytes() + MAX_MEMORY_BYTES,) * 2)
    signal.signal(signal.SIGPROF, _too_slow)
    av.logging.set_level(None)
    rng = random.Random(f"{seed} {format_name}")
    case, target = out / f"{format_name}.now", out / f"{format_name}.copy"
    counts: Counter[str] = Counter()
    slowest_s, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        case.write_bytes(damaged(rng.choice(files), files, rng))
        start = time.process_time()
        word = tried(case, target, format_name)
        slowest_s = max(slowest_s, time.process_time() - start)
        if word.startswith("finding"):
            kept = out / f"{format_name} {counts.total()}"
            shutil.copyfile(case, kept)
            print(f"{format_name}: {word} ({kept})", flush=True)
            word = "findings"
        counts[word] += 1
    case.unlink()
    target.unlink(missing_ok=True)
    results.put((counts, slowest_s))


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def main() -> int:
    """Every parser in turn; 1 if there was a finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each parser")
    parser.add_argument("--format", action="append", choices=sorted(metadata.BUILTIN), help="only this one")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "media-screen-fuzz")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        files = seeds(Path(folder))
    print(f"| parser | seeds | damaged files | {' | '.join(COLUMNS)} | slowest, CPU s |\n{'| --- ' * 8}|")
    context = multiprocessing.get_context("spawn")
    failed = False
    for name in options.format or sorted(files):
        results = context.Queue()
        arguments = (name, files[name], options.seconds, options.seed, options.out, results)
        worker = context.Process(target=fuzz, args=arguments)
        worker.start()
        worker.join()
        if worker.exitcode:
            failed = True
            print(f"{name}: finding: the process died ({worker.exitcode}); {options.out / f'{name}.now'} killed it")
            continue
        counts, slowest_s = results.get()
        failed = failed or bool(counts["findings"])
        cells = (counts.total(), *(counts[column] for column in COLUMNS))
        print(f"| {name} | {len(files[name])} | {' | '.join(map(str, cells))} | {slowest_s:.2f} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
