"""Many files -> one Report each, whatever happens to one of them. The only module that catches every exception.

Each worker is a process that builds its own Screener once. A worker that dies costs only its own file: the files that
were in work at that moment are run again, each alone, and the one that kills its worker again becomes an error report.
"""

from __future__ import annotations

import contextlib
import fnmatch
import multiprocessing
import os
import signal
import threading
import unicodedata
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media_screen.config import Settings, build_screener
from media_screen.errors import SettingsError
from media_screen.types import Report, Verdict
from media_screen.write import PART_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from media_screen.pipeline import Screener


MARK = ".media-screen.json"  # lies in every output folder; `batch` writes into no other folder that holds something


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input and the name its output and report will have: relative, unique within the batch."""

    path: Path
    name: str


def gather(inputs: Sequence[Path], out: Path | None = None, exclude: Sequence[str] = ()) -> list[Item]:
    """Files, and all files below folders, in a fixed order. What lies in `out` is never an input.

    A file that does not exist is an item too: it will have an error report, as any file that cannot be screened.
    """
    items, taken = [], set[str]()
    for top in inputs:
        for path in _files(top, out and out.resolve()):
            name = path.relative_to(top).as_posix() if path != top else path.name
            if not any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path.name, pattern) for pattern in exclude):
                items.append(Item(path=path, name=_unique(name, taken)))
    if not items:
        raise SettingsError("there is not one file in what was given")
    return items


def _files(top: Path, out: Path | None) -> Iterator[Path]:
    """Files in a fixed order; a folder that cannot be walked is handed on as it is, to become an error report."""
    if not top.is_dir():
        yield top
        return
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(top, onerror=unreadable.append):
        here = Path(folder)
        links = sorted(f for f in folders if (here / f).is_symlink())  # may lead in a circle, or out of the input
        folders[:] = sorted(f for f in folders if f not in links and not _is_output(here / f, out))
        yield from (here / f for f in sorted((*files, *links)) if not f.startswith(PART_PREFIX))
    yield from (Path(str(error.filename)) for error in unreadable)


def _is_output(folder: Path, out: Path | None) -> bool:
    """Results of this batch or of another are never its inputs."""
    return folder.resolve() == out or os.path.isfile(folder / MARK)  # noqa: PTH113 - is_file() raises for a locked folder


def _unique(name: str, taken: set[str]) -> str:
    """The name itself, or "name (2).jpg": also where a file system ignores case or Unicode composition."""
    stem, dot, suffix = name.rpartition(".") if "." in name.rpartition("/")[2][1:] else (name, "", "")
    candidate, number = name, 1
    while (key := unicodedata.normalize("NFC", candidate).casefold()) in taken:
        number += 1
        candidate = f"{stem} ({number}){dot}{suffix}"
    taken.add(key)
    return candidate


def safely(screen: Callable[[Path, str], Report], item: Item, settings: Settings) -> Report:
    """A report for one item even if the program itself fails on it. Keep going, never keep quiet."""
    try:
        return screen(item.path, item.name)
    except MemoryError:
        words = f"needs more than {settings.limits.max_memory_mb} MB of memory (setting max_memory_mb)"
        return error_report(item, settings, words, "OutOfMemory")
    except Exception as error:  # noqa: BLE001 - the one catcher; its result is an error verdict
        return error_report(item, settings, f"internal error: {type(error).__name__}: {error}")


def error_report(item: Item, settings: Settings, message: str, error_type: str = "FileError") -> Report:
    """The report of a file about which nothing else is known."""
    return Report(
        name=item.name,
        source=item.path,
        verdict=Verdict.ERROR,
        disposition="error",
        policy=settings.policy,
        policy_sha256="",
        error=message,
        error_type=error_type,
    )


def run(
    items: Sequence[Item],
    out: Path,
    settings: Settings,
    *,
    jobs: int,
    on_done: Callable[[Report], None] = lambda _: None,
    frames: Any = None,
) -> list[Report]:
    """Screen every item into `out`; reports in the order of the items. Ctrl-C turns what is left into error reports.

    Args:
        items: from `gather`.
        out: the output folder.
        settings: for the workers.
        jobs: worker processes.
        on_done: called in this process as each report arrives.
        frames: a multiprocessing.Value that counts examined frames, for progress.
    """
    done: dict[str, Report] = {}

    def settle(item: Item, report: Report) -> None:
        _remove_stale(report, out)
        done[item.name] = report
        on_done(report)

    waiting = list(items)
    try:
        while waiting:
            suspects = _run_pool(waiting, out, settings, jobs, settle, frames)
            for item in suspects:
                if _run_pool([item], out, settings, 1, settle, frames):
                    settle(item, error_report(item, settings, "the worker that screened this file died", "WorkerDied"))
            waiting = [item for item in waiting if item.name not in done]
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.terminate()
            child.join(10)
        for item in (i for i in items if i.name not in done):
            settle(item, error_report(item, settings, "interrupted before it was screened", "Interrupted"))
    finally:
        sweep(out)
    return [done[item.name] for item in items]


def sweep(out: Path) -> None:
    """Remove the unfinished files of workers that died."""
    for part in out.rglob(f"{PART_PREFIX}*"):
        part.unlink(missing_ok=True)


def _run_pool(
    items: Sequence[Item],
    out: Path,
    settings: Settings,
    jobs: int,
    settle: Callable[[Item, Report], None],
    frames: Any,
) -> list[Item]:
    """Run items through one pool; if a worker dies, return the items that were in work then."""
    queue = iter(items)
    context = multiprocessing.get_context("spawn")  # fork would copy the threads of onnxruntime and FFmpeg
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(settings, frames)) as pool:
        running: dict[Future[Report], Item] = {}
        try:
            while True:
                while len(running) < jobs and (item := next(queue, None)) is not None:
                    running[pool.submit(_work, item, out, settings)] = item
                if not running:
                    return []
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    item = running[future]
                    settle(item, future.result())
                    del running[future]
        except BrokenProcessPool:
            return list(running.values())
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _remove_stale(report: Report, out: Path) -> None:
    """An earlier run may have cleared a file of this name; what is not so now must not lie there."""
    for folder in ("cleared", "held"):
        if report.disposition != folder:
            with contextlib.suppress(OSError):
                (out / folder / report.name).unlink(missing_ok=True)


# --- inside a worker --------------------------------------------------------------------------------------------

_worker: dict[str, Any] = {}  # of this process alone: its Screener, or why there is none


def _start(settings: Settings, frames: Any) -> None:
    """Once a worker: build the Screener; leave Ctrl-C to the parent, and let its SIGTERM, or its end, clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(settings.limits.max_memory_mb)

    def count() -> None:
        with frames.get_lock():
            frames.value += 1

    _worker["screener"] = build_screener(settings, count if frames is not None else lambda: None)


def _leave(*_: object) -> None:
    raise SystemExit(1)  # runs the `finally` of every open workbench


def _end_with_parent() -> None:
    """A parent that was killed cannot tell its workers, and an executor's worker would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _work(item: Item, out: Path, settings: Settings) -> Report:
    screener: Screener = _worker["screener"]
    try:
        return safely(lambda path, name: screener.screen(path, out, name), item, settings)
    except SystemExit:
        os._exit(1)  # the executor would take it for a result, and go on


def default_jobs(count: int) -> int:
    """As many workers as cores, but no more than files."""
    return max(1, min(os.cpu_count() or 1, count))


def gravest(codes: Iterable[int]) -> int:
    """The exit code of many: error, then blocked, then review, then redaction, then pass."""
    order = (0, 1, 4, 5, 3)
    return max(codes, key=order.index, default=0)
