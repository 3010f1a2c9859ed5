"""A folder of files that hide something, and their judge -> what we and the peers leave, lose and cost, as Markdown.

    python scripts/bench_metadata.py                # the corpus beside the checkout: ../shared/data/leaks
    python scripts/bench_metadata.py --corpus DIR   # any folder of files that holds leak_oracle.py
    python scripts/bench_metadata.py --only ours,exiftool

The judge is not ours: it reads every copy with exiftool and with a byte scan of its own. A tool is given the files
whose names it says it can clean; ours is given all. A peer that is not installed is left out with a note.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from PIL import Image

from media_screen import metadata
from media_screen.decode import DEMUXERS, main_video, open_still
from media_screen.errors import FileError
from media_screen.probe import sniff

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "data" / "leaks"
DEFACE = ROOT / ".venv" / "peers" / "bin" / "deface"
CLASSES = ("loc", "pic", "id", "text", "junk")
LIMIT_S = 300
STILL_NAMES = {*(".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".mpo", ".heic", ".hif", ".avif")}
FILM_NAMES = {*(".mp4", ".mov", ".m4v", ".3gp", ".avi", ".mkv", ".webm", ".mts", ".ts", ".ogv")}
MAT2_NAMES = {*(".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".avi", ".mp4", ".wmv")}
LOSSES = ("pixels", "orientation", "colour profile", "pages or frames", "sound", "colours")


class Refused(Exception):
    """The tool made no copy; the message is its reason."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A cleaner: which names it is given, and how it makes a copy."""

    name: str
    names: set[str] | None  # None: all
    clean: Callable[[Path, Path], None]
    needs: str = ""  # a program


@dataclass(kw_only=True)
class Tally:
    """What became of the files that one tool was given."""

    given: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Path] = field(default_factory=dict)  # file -> copy
    damaged: set[str] = field(default_factory=set)
    lost: Counter[str] = field(default_factory=Counter)
    had: Counter[str] = field(default_factory=Counter)  # of classes and kinds, in the originals of the copies
    left: Counter[str] = field(default_factory=Counter)
    clean: int = 0


# --- the cleaners -------------------------------------------------------------------------------------------------


def ours(source: Path, target: Path) -> None:
    """As a batch does where nothing is blurred: written by the allow-list, then read by both readers."""
    with source.open("rb") as file:
        name = sniff(file.read(4096))
    if name is None:
        raise Refused("not a picture or video that can be examined")
    try:
        metadata.handler_for(name).strip(source, target)
        left = metadata.read(target, name)
    except FileError as error:
        raise Refused(str(error)) from error
    if left:
        raise Refused(f"would still be there: {', '.join(tag.name for tag in left)}")


def with_piexif(source: Path, target: Path) -> None:
    """Removes EXIF from JPEG and WebP."""
    import piexif

    try:
        piexif.remove(str(source), str(target))
    except Exception as error:
        raise Refused(str(error) or type(error).__name__) from error


def with_pillow(source: Path, target: Path) -> None:
    """Opened and saved, as most advice on the web has it."""
    try:
        with source.open("rb") as file:
            name = sniff(file.read(4096)) or ""
        with open_still(source, name) as image:
            image.save(target, format="JPEG" if image.format == "MPO" else image.format)
    except Exception as error:
        raise Refused(str(error) or type(error).__name__) from error


def program(*command: str) -> Callable[[Path, Path], None]:
    """A command line in which IN and OUT stand for the two files."""

    def clean(source: Path, target: Path) -> None:
        line = [str({"IN": source, "OUT": target}.get(part, part)) for part in command]
        try:
            done = subprocess.run(line, capture_output=True, check=False, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Refused(f"more than {LIMIT_S} s") from error
        if not target.is_file() or not target.stat().st_size:
            said = (done.stderr + done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise Refused(said[-1] if said else f"exit code {done.returncode}")

    return clean


def with_mat2(source: Path, target: Path) -> None:
    """It writes beside its input."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        shutil.copyfile(source, copy)
        done = subprocess.run(["mat2", "--", str(copy)], capture_output=True, check=False, timeout=LIMIT_S)
        made = [p for p in Path(folder).iterdir() if p != copy]
        if not made:
            said = (done.stderr + done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise Refused(said[-1] if said else f"exit code {done.returncode}")
        shutil.move(made[0], target)


TOOLS = (
    Tool(name="ours", names=None, clean=ours),
    Tool(name="piexif.remove", names={".jpg", ".jpeg", ".webp"}, clean=with_piexif),
    Tool(name="Pillow, saved anew", names=STILL_NAMES, clean=with_pillow),
    Tool(
        name="exiftool -all=", names=None, clean=program("exiftool", "-all=", "-o", "OUT", "--", "IN"), needs="exiftool"
    ),
    Tool(name="mat2", names=MAT2_NAMES, clean=with_mat2, needs="mat2"),
    Tool(
        name="ffmpeg -map_metadata -1 -c copy",
        names=FILM_NAMES,
        clean=program(*["ffmpeg", "-v", "error", "-y", "-i", "IN", "-map_metadata", "-1", "-c", "copy", "OUT"]),
        needs="ffmpeg",
    ),
    Tool(
        name="deface",
        names=STILL_NAMES | FILM_NAMES,
        clean=program(str(DEFACE), "IN", "--keep-audio", "-o", "OUT"),
        needs=str(DEFACE),
    ),
    Tool(
        name="deface -m",
        names=STILL_NAMES,
        clean=program(str(DEFACE), "IN", "--keep-metadata", "-o", "OUT"),
        needs=str(DEFACE),
    ),
)


# --- what is shown and heard --------------------------------------------------------------------------------------


def facts(path: Path) -> dict[str, Any] | None:
    """All that must not change, by the names of LOSSES; None where nothing opens the file."""
    with path.open("rb") as file:
        name = sniff(file.read(4096))
    try:
        return (_film_facts(path, name) if name in DEMUXERS else _still_facts(path, name)) if name else None
    except (FileError, OSError, ValueError, SyntaxError, IndexError, EOFError):
        return None


def _still_facts(path: Path, name: str) -> dict[str, Any]:
    with open_still(path, name) as image:
        stated = Image.Exif()
        stated.load(image.info.get("exif", b""))
        # the further pictures in such files are not shown
        count = 1 if name in ("jpeg", "heif") else getattr(image, "n_frames", 1)
        pages = []
        for number in range(count):
            image.seek(number)
            if number and name == "tiff" and image.tag_v2.get(254, 0) & 1:  # a reduced copy
                continue
            pages.append(hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest())
        turned = image.getexif().get(0x0112, 1) if name == "tiff" else stated.get(0x0112, 1)
        return {
            "pixels": pages[:1],
            "pages or frames": len(pages),
            "orientation": turned if turned in range(2, 9) else 1,
            "colour profile": hashlib.sha256(image.info.get("icc_profile") or b"").hexdigest(),
        }


def _film_facts(path: Path, name: str) -> dict[str, Any]:
    digest, frames, sound, turned = hashlib.sha256(), 0, Counter[int](), set()
    with av.open(f"file:{path}", format=DEMUXERS[name], metadata_errors="ignore") as container:
        video = main_video(container)
        for packet in container.demux([video, *container.streams.audio]):
            if packet.stream is not video:
                sound[packet.stream.index] += packet.size
                continue
            for frame in packet.decode():
                frames += 1
                turned |= {bytes(s) for s in frame.side_data if s.type.name == "DISPLAYMATRIX"}
                for plane in frame.planes:
                    digest.update(bytes(plane))
        context = video.codec_context
        return {
            "pixels": digest.hexdigest(),
            "pages or frames": frames,
            "orientation": turned,
            "sound": sorted(sound.values()),
            "colours": (context.pix_fmt, context.color_primaries, context.color_trc, context.colorspace),
        }


# --- running and judging ------------------------------------------------------------------------------------------


def oracle_of(corpus: Path) -> Callable[[list[str]], dict[str, Any]]:
    """The judge that lies beside the files."""
    spec = importlib.util.spec_from_file_location("leak_oracle", corpus / "leak_oracle.py")
    if spec is None or spec.loader is None:
        sys.exit(f"no leak_oracle.py in {corpus}")
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    judge: Callable[[list[str]], dict[str, Any]] = module.oracle
    return judge


def run(tool: Tool, files: list[Path], folder: Path, before: dict[str, Any]) -> Tally:
    """Every file that the tool is given."""
    tally = Tally()
    folder.mkdir()
    for source in files:
        if tool.names is not None and source.suffix.lower() not in tool.names:
            continue
        tally.given += 1
        target = folder / source.name
        try:
            tool.clean(source, target)
        except (Refused, OSError) as error:
            target.unlink(missing_ok=True)
            tally.refused[source.name] = str(error)
            continue
        tally.outputs[source.name] = target
        was, now = before[source.name], facts(target)
        if was is not None and now is None:
            tally.damaged.add(source.name)
        elif was is not None and now is not None:
            tally.lost.update(name for name in LOSSES if was.get(name) != now.get(name))
    return tally


def judged(tally: Tally, originals: dict[str, Any], judge: Callable[[list[str]], dict[str, Any]], files: Path) -> None:
    """Which classes and kinds each copy still has."""
    verdicts = judge([str(path) for path in tally.outputs.values()])
    for name, path in tally.outputs.items():
        was, now = originals[str(files / name)], verdicts[str(path)]
        had, left = _leaks(was), _leaks(now)
        tally.had.update(had)
        tally.left.update(leak for leak in had if leak in left)
        tally.clean += now["verdict"] == "clean"


def _leaks(verdict: dict[str, Any]) -> set[str]:
    return {*verdict.get("kinds", ()), *(c for c in verdict.get("classes", ()) if c in CLASSES)}


# --- tables -------------------------------------------------------------------------------------------------------


def row(*cells: object) -> str:
    """One line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> str:
    """The first two."""
    return f"{row(*cells)}\n{row(*['---'] * len(cells))}"


def print_tables(tallies: dict[str, Tally], kinds: dict[str, str]) -> None:
    """Left of had: copies that still have what their original had."""
    print(head("tool", "given", "refused", "copies", "damaged", "fully clean", *(f"{c} left/had" for c in CLASSES)))
    for name, t in tallies.items():
        shares = (f"{t.left[c]}/{t.had[c]}" for c in CLASSES)
        print(row(f"`{name}`", t.given, len(t.refused), len(t.outputs), len(t.damaged), t.clean, *shares))
    print(f"\nCopies in which something is no longer as it was:\n\n{head('tool', *LOSSES)}")
    for name, t in tallies.items():
        print(row(f"`{name}`", *(f"{t.lost[loss]}/{len(t.outputs) - len(t.damaged)}" for loss in LOSSES)))
    print(f"\nBy kind of leak, left/had:\n\n{head('kind', 'class', *(f'`{name}`' for name in tallies))}")
    for kind, name in kinds.items():
        if any(t.had[kind] for t in tallies.values()):
            print(row(kind, name, *(f"{t.left[kind]}/{t.had[kind]}" if t.had[kind] else "-" for t in tallies.values())))


def print_costs(files: list[Path], work: Path) -> None:
    """One process for a whole batch, CPU seconds, the median of three; and what each further file adds."""
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    own = [sys.executable, __file__, "--strip"]
    commands = {
        "exiftool -all=": ["exiftool", "-q", "-q", "-all=", "-o", f"{work / 'batch'}/", "--"],
        "ours, cleaning only": [*own, "only", str(work / "batch")],
        "ours, and both readers on every copy": [*own, "verified", str(work / "batch")],
    }
    if not shutil.which("exiftool"):
        del commands["exiftool -all="]
    print(
        f"\nA batch of the {len(files)} files that both clean ({size_mb:.0f} MB) in one process, CPU seconds a file:\n"
    )
    print(head("tool", "with start-up", "of exiftool's", "each further file", "of exiftool's"))
    first: tuple[float, float] | None = None
    for name, command in commands.items():
        one, whole = (_median_cost([*command, *map(str, part)], work / "batch") for part in (files[:1], files))
        costs = (whole / len(files), (whole - one) / (len(files) - 1))
        first = first or costs
        print(
            row(
                f"`{name}`", *(cell for c, f in zip(costs, first, strict=True) for cell in (f"{c:.4f}", f"{c / f:.2f}"))
            )
        )


def _median_cost(command: list[str], out: Path) -> float:
    costs = []
    for _ in range(3):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(costs)[1]


def strip_all(how: str, out: Path, files: list[str]) -> None:
    """What `print_costs` times."""
    for path in map(Path, files):
        if how == "verified":
            ours(path, out / path.name)
        else:
            with path.open("rb") as file:
                metadata.handler_for(sniff(file.read(4096)) or "").strip(path, out / path.name)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--only", help="tools between commas")
    parser.add_argument("--strip", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    av.logging.set_level(None)
    if options.strip:
        strip_all(options.strip[0], Path(options.strip[1]), options.strip[2:])
        return
    judge = oracle_of(options.corpus)
    files = sorted(p for p in options.corpus.iterdir() if p.is_file() and p.suffix not in (".py", ".csv", ".pyc"))
    originals = judge([str(path) for path in files])
    before = {path.name: facts(path) for path in files}
    wanted = options.only.split(",") if options.only else [tool.name for tool in TOOLS]
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        for tool in TOOLS:
            if not any(tool.name.startswith(name) for name in wanted):
                continue
            if tool.needs and not shutil.which(tool.needs):
                print(f"{tool.name}: not installed, left out\n")
                continue
            start = time.perf_counter()
            tallies[tool.name] = run(tool, files, Path(folder) / str(len(tallies)), before)
            judged(tallies[tool.name], originals, judge, options.corpus)
            print(f"{tool.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
        print_tables(tallies, judge.__globals__["KINDS"])
        rivals = [tally for name, tally in tallies.items() if name in ("ours", "exiftool -all=")]
        both = [path for path in files if all(path.name in tally.outputs for tally in rivals)]
        print_costs(both, Path(folder))
    if "ours" in tallies:
        print(f"\nRefused by ours, with the reason:\n\n{head('file', 'reason')}")
        print("\n".join(row(name, reason) for name, reason in tallies["ours"].refused.items()))


if __name__ == "__main__":
    main()
