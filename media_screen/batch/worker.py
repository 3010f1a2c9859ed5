"""Item -> Outcome, inside a worker: screen it, write its pages. The only place that catches every exception."""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import cv2

from media_screen.batch.memory import estimate_mb
from media_screen.batch.nouns import Heavy, Item, Job, Outcome
from media_screen.config import Settings, build_screener, identity
from media_screen.errors import FileError
from media_screen.heap import keep_freed
from media_screen.probe import probe
from media_screen.report import json_report
from media_screen.report.files import write_pages
from media_screen.types import Report, Verdict
from media_screen.write import copy, missing, publish, workbench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from media_screen.pipeline import Screener
    from media_screen.report.json_report import Document
    from media_screen.types import MediaInfo

_warm = threading.local()  # of this thread alone, a cluster's worker may have several: its Screener, and its settings


def work(item: Item, job: Job, allowed_mb: int | None = None) -> Outcome | Heavy:
    """Screen one file and write its pages; or say that it needs more memory than is allowed."""
    try:
        info = _probed(item) if allowed_mb is not None else None
        if allowed_mb is not None and info and (need_mb := estimate_mb(info)) > allowed_mb:
            return Heavy(estimate_mb=need_mb)
        report = safely(
            lambda path, name: screener_of(job.settings).screen(path, job.out, name, info), item, job.settings
        )
        return conclude(item, json_report.document(report), job)
    except SystemExit:
        os._exit(1)  # the executor would take it for a result, and go on


def readiness(settings: Settings, mark: Path) -> tuple[str, bool, str]:
    """What verdicts here would rest on, whether the output folder is to be seen from here, and what cannot encode."""
    return identity(settings), mark.is_file(), missing(settings.encoder)


def look(item: Item, settings: Settings) -> Document:
    """Examine and rule on one file as it stands; its pictures are left out."""
    try:
        report = safely(lambda path, name: screener_of(settings).check(path, name), item, settings)
        return json_report.slim(json_report.document(report))
    except SystemExit:
        os._exit(1)  # the executor would take it for a result, and go on


def adopt(item: Item, twin: str, job: Job) -> Outcome | None:
    """Report and copy of another file of the same content, under this one's name; None if they are not whole."""
    try:
        document = json.loads((job.out / "reports" / f"{twin}.json").read_text(encoding="utf-8"))
        document["input"] |= {"name": json_report.clean(item.name), "url": json_report.url_of(item.name)}
        if document["output"]:
            name = f"{document['disposition']}/{item.name}"
            document["output"] |= {"name": json_report.clean(name), "url": json_report.url_of(name)}
            _take_copy(job.out / document["disposition"] / twin, job.out / name, document["output"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, FileError):
        return None
    return conclude(item, document, job)


def conclude(item: Item, document: Document, job: Job) -> Outcome:
    """The pages of a document, written; of the outcome its pictures are left out."""
    remove_stale(item.name, job.out, but=document["disposition"])
    pages, unwritten = write_pages(item.name, document, job.out, job.formats)
    return Outcome(name=item.name, document=json_report.slim(document), pages=pages, unwritten=unwritten)


def remove_stale(name: str, out: Path, *, but: str = "") -> None:
    """An earlier run may have cleared a file of this name; what is not so now must not lie there."""
    for folder in ("cleared", "held"):
        if folder != but:
            with contextlib.suppress(OSError):
                (out / folder / name).unlink(missing_ok=True)


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
        lang=settings.lang,
    )


def start(settings: Settings, frames: Any) -> None:
    """Once a process: build the Screener; leave Ctrl-C to the parent, and let its SIGTERM, or its end, clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(settings.limits.max_memory_mb)
    keep_freed()
    if settings.threads:
        cv2.setNumThreads(settings.threads)  # its own pool would wait on every core, and burn it

    def count() -> None:
        with frames.get_lock():
            frames.value += 1

    screener_of(settings, count if frames is not None else lambda: None)
    gc.freeze()  # all that was loaded stays: looking through it for garbage took a hundredth of the time


def screener_of(settings: Settings, on_frame: Callable[[], None] = lambda: None) -> Screener:
    """Built once and kept warm; a worker of a cluster may be asked for other settings later."""
    if getattr(_warm, "settings", None) != settings:
        _warm.screener, _warm.settings = build_screener(settings, on_frame), settings
    screener: Screener = _warm.screener
    return screener


def _probed(item: Item) -> MediaInfo | None:
    try:
        return probe(item.path)
    except Exception:  # noqa: BLE001 - what is wrong with the file will be its report
        return None


def _take_copy(source: Path, target: Path, sha256: str) -> None:
    with workbench(target) as part:
        copy(source, part)
        if probe(part).sha256 != sha256:
            raise FileError("the copy is not the one that was verified")
        publish(part, target)


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
