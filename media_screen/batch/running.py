"""Items -> one Outcome each, whatever happens to one of them: what is done already, what runs now, what comes next."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from stat import S_ISREG
from typing import TYPE_CHECKING

from media_screen import ledger
from media_screen.batch import worker
from media_screen.batch.nouns import Heavy, Item, Job, Outcome
from media_screen.config import facts_of, identity
from media_screen.errors import SidecarInvalid, WriteFailed
from media_screen.journal import Entry, Journal, key_of
from media_screen.report import FORMATS, json_report
from media_screen.write import PART_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from media_screen.report.json_report import Document

TRIES = 2  # a file whose worker dies is run again, alone; once more, and it is an error
READERS = 4  # threads that hash: more would only make a disk seek
# said of the content, so the same again tomorrow; every other error is the machine's, and is tried again
LASTING_ERRORS = ("CorruptMedia", "UnsupportedMedia", "LimitExceeded", "StripFailed", "VerificationFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Any executor, and how much it may be given."""

    executor: Executor
    slots: int  # files at once
    memory_mb: int | None = None  # of all together; None: the executor's own care
    stop: Callable[[], None] = lambda: None  # end what is in work, now

    @property
    def share_mb(self) -> int | None:
        """What a file may need to run beside as many others as there are slots."""
        return None if self.memory_mb is None else self.memory_mb // self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """What an earlier batch did and what there is to do."""

    old: tuple[Outcome, ...]
    fresh: tuple[Item, ...]
    keys: Mapping[str, str]  # name -> key, of files whose content another may share
    twins: Mapping[str, str]  # key -> name of a file that is done
    stale: tuple[str, ...]  # pages of what has changed since
    identity: str  # of everything that a verdict rests on but the file


def sift(items: Sequence[Item], job: Job, journal: Journal) -> Sifted:
    """Tell what is done, and still there as it was written, from what is new or changed.

    Only files that could be the same as another, by their size, are read.
    """
    mine = identity(job.settings)
    entries = {entry.name: entry for entry in journal.entries()}
    sizes = {item.name: _size(item.path) for item in items}
    shared = Counter(sizes.values()) + Counter(entry.size_bytes for entry in entries.values())
    alike = [item for item in items if sizes[item.name] and shared[sizes[item.name]] > 1]
    with ThreadPoolExecutor(READERS) as readers:
        digests = readers.map(lambda item: _digest(item.path), alike)
        keys = {
            item.name: key_of(digest, item.path.suffix, mine, facts)
            for item, digest in zip(alike, digests, strict=True)
            if digest and (facts := _facts(item, job)) is not None
        }
        named = set(keys.values())
        wanted = [entry for entry in entries.values() if entry.key in named]
        whole = {
            entry.name: entry
            for entry, holds in zip(wanted, readers.map(lambda entry: _holds(entry, job), wanted), strict=True)
            if holds
        }
    old = [i for i in items if i.name in whole and whole[i.name].key == keys.get(i.name)]
    names = {item.name for item in old}
    fresh = tuple(item for item in items if item.name not in names)
    return Sifted(
        old=tuple(
            Outcome(name=i.name, document=whole[i.name].document, pages=whole[i.name].pages, is_old=True) for i in old
        ),
        fresh=fresh,
        keys=keys,
        twins={whole[name].key: name for name in names if _lends(whole[name].document)},
        identity=mine,
        stale=tuple(page for i in fresh if i.name in entries for page, _ in entries[i.name].pages),
    )


def run(
    sifted: Sifted,
    job: Job,
    workers: Workers,
    journal: Journal,
    on_done: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Do what there is to do. Ctrl-C turns what is left into error reports.

    Args:
        sifted: from `sift`.
        job: what is the same for all.
        workers: any executor.
        journal: of the output folder; a file is recorded when its copy and its pages are in place.
        on_done: called in this process as each outcome arrives.
    """
    running = _Run(sifted, job, workers, journal, on_done)
    try:
        running.to_the_end()
    except KeyboardInterrupt:
        running.interrupt()
    finally:
        sweep(job.out)
    return list(running.done.values())


def sweep(out: Path) -> None:
    """Remove the unfinished files of workers that died."""
    for part in (*out.rglob(f"{PART_PREFIX}*"), *(out / "reports").rglob("*.part"), *out.glob("*.part")):
        part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    """What is in work, and what it may use."""

    item: Item
    memory_mb: int
    is_alone: bool = False
    twin: str | None = None


class _Run:
    """One batch on its way."""

    def __init__(
        self, sifted: Sifted, job: Job, workers: Workers, journal: Journal, on_done: Callable[[Outcome], None]
    ) -> None:
        self.job, self.workers, self.journal, self.on_done = job, workers, journal, on_done
        self.done: dict[str, Outcome] = {}
        self.identity = sifted.identity
        self.keys = dict(sifted.keys) if "json" in job.formats else {}  # a twin's report is made from the JSON
        self.twins = dict(sifted.twins)
        self.waiting = deque(sifted.fresh)
        self.heavy: deque[_Lease] = deque()
        self.followers: dict[str, list[Item]] = {}  # key -> items that wait for the first of their content
        self.running: dict[Future[Outcome | Heavy | None], _Lease] = {}
        self.tries: Counter[str] = Counter()
        journal.forget([item.name for item in sifted.fresh])
        for item in sifted.fresh:  # what an earlier batch made of a file that has changed since
            worker.remove_stale(item.name, job.out)
        for page in sifted.stale:
            with contextlib.suppress(OSError):
                (job.out / page).unlink(missing_ok=True)

    def to_the_end(self) -> None:
        """Until everything has an outcome."""
        while self._fill() or self.running:
            for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                self._take(future, self.running.pop(future))

    def interrupt(self) -> None:
        """End the workers; what is left has an error report."""
        self.workers.stop()
        left = [lease.item for lease in (*self.running.values(), *self.heavy)]
        left += [*self.waiting, *(item for items in self.followers.values() for item in items)]
        for item in left:
            self._fail(item, "interrupted before it was screened", "Interrupted")

    def _fill(self) -> bool:
        """Hand out as much as fits."""
        while len(self.running) < self.workers.slots and (lease := self._next()) is not None:
            self._submit(lease)
        return bool(self.waiting or self.heavy)

    def _next(self) -> _Lease | None:
        """Ordinary files first come, first served; one that needs more than its share when there is room, or alone."""
        share_mb = self.workers.share_mb or 0
        free_mb = (self.workers.memory_mb or 0) - sum(lease.memory_mb for lease in self.running.values())
        if self.heavy and (self.heavy[0].memory_mb <= free_mb or not self.running):
            return self.heavy.popleft()
        while self.waiting and (free_mb >= share_mb or not self.running):
            item = self.waiting.popleft()
            key = self.keys.get(item.name)
            if key in self.twins:
                return _Lease(item=item, memory_mb=share_mb, twin=self.twins[key])
            if key is None or key not in self.followers:
                if key is not None:
                    self.followers[key] = []
                return _Lease(item=item, memory_mb=share_mb)
            self.followers[key].append(item)
        return None

    def _submit(self, lease: _Lease) -> None:
        executor = self.workers.executor
        try:
            if lease.twin is not None:
                future: Future[Outcome | Heavy | None] = executor.submit(worker.adopt, lease.item, lease.twin, self.job)
            else:
                allowed_mb = None if lease.is_alone else self.workers.share_mb
                future = executor.submit(worker.work, lease.item, self.job, allowed_mb)
        except RuntimeError as error:  # an executor that is broken, or was shut down
            self._fail(lease.item, f"no worker takes it: {error}", "WorkerDied")
        else:
            self.running[future] = lease

    def _take(self, future: Future[Outcome | Heavy | None], lease: _Lease) -> None:
        try:
            result = future.result()
        except TimeoutError:
            self._fail(lease.item, "took longer than is allowed (--timeout)", "TimedOut")
        except Exception as error:  # noqa: BLE001 - not of the file, which the worker reports itself: of the worker
            self._again(lease, error)
        else:
            if isinstance(result, Outcome):
                self._settle(lease.item, result)
            elif isinstance(result, Heavy):
                self.heavy.append(replace(lease, memory_mb=result.estimate_mb, is_alone=True))
            else:  # the twin is not whole
                self.keys.pop(lease.item.name, None)
                self.waiting.appendleft(lease.item)

    def _again(self, lease: _Lease, error: Exception) -> None:
        """Once more, with the whole memory to itself; a second death is the file's own doing."""
        self.tries[lease.item.name] += 1
        if self.tries[lease.item.name] >= TRIES:
            words = f"the worker that screened this file died, {TRIES} times ({type(error).__name__})"
            self._fail(lease.item, words, "WorkerDied")
        else:
            self.heavy.append(replace(lease, memory_mb=self.workers.memory_mb or 0, is_alone=True))

    def _fail(self, item: Item, words: str, error_type: str) -> None:
        report = worker.error_report(item, self.job.settings, words, error_type)
        self._settle(item, worker.conclude(item, json_report.document(report), self.job))

    def _settle(self, item: Item, outcome: Outcome) -> None:
        """Record what lasts, tell it, and let those go that waited for it."""
        key = self.keys.get(item.name)
        lasts = outcome.error_type is None or outcome.error_type in LASTING_ERRORS
        try:
            ledger.append(self.job.out / ledger.FILE, ledger.of_verdict(outcome.document))
            if lasts and not outcome.unwritten:
                self._record(item, outcome)
        except WriteFailed as error:
            outcome = replace(outcome, unwritten=(*outcome.unwritten, f"{self.job.out}: {error}"))
        if key is not None and outcome.disposition != "error":
            self.twins.setdefault(key, item.name)
        self._release(key)
        self.done[item.name] = outcome
        self.on_done(outcome)

    def _release(self, key: str | None) -> None:
        if key is not None:
            followers = self.followers.pop(key, [])
            self.waiting.extendleft(reversed(followers))
            if key not in self.twins:  # what has no copy is screened each by itself
                for follower in followers:
                    self.keys.pop(follower.name, None)

    def _record(self, item: Item, outcome: Outcome) -> None:
        """Under the content that was screened, not the one that lay there before."""
        digest = outcome.document["input"].get("sha256") or _digest(item.path)
        if digest:
            entry = Entry(
                name=item.name,
                key=key_of(digest, item.path.suffix, self.identity, told(outcome.document["facts"])),
                size_bytes=outcome.document["input"].get("size_bytes") or _size(item.path),
                document=outcome.document,
                pages=outcome.pages,
            )
            self.journal.record(entry)


def _holds(entry: Entry, job: Job) -> bool:
    """True if what was written for it is still there: the copy by its digest, the pages by their length."""
    pages = dict(entry.pages)
    due = {f"reports/{entry.name}.{name}" for name in job.formats if name in FORMATS}
    if not due <= pages.keys() or any(_size(job.out / page) != length for page, length in pages.items()):
        return False
    output = entry.document["output"]
    return output is None or _digest(job.out / entry.document["disposition"] / entry.name) == output["sha256"]


def _lends(document: Document) -> bool:
    """True if another file of the same content may take it over; what a person released was that one file."""
    return document["disposition"] != "error" and document["release"] is None


def _facts(item: Item, job: Job) -> str | None:
    """What is declared of a file, as its key names it; None where that cannot be read: it is screened, and says so."""
    try:
        return told(map(json_report.fact, facts_of(item.path, job.settings.facts)))
    except SidecarInvalid:
        return None


def told(facts: Iterable[Document]) -> str:
    """Facts of a report as one line; another declaration, another line."""
    return json.dumps([[fact[part] for part in ("name", "value", "reference", "by")] for fact in facts])


def _size(path: Path) -> int:
    """Of a regular file; 0 for everything else."""
    try:
        said = path.stat()
    except OSError:
        return 0
    return said.st_size if S_ISREG(said.st_mode) else 0


def _digest(path: Path) -> str:
    """Of a regular file's content; empty where there is none to read."""
    try:
        if not S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - one name for both calls
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def default_jobs(count: int) -> int:
    """As many workers as cores, but no more than files."""
    return max(1, min(os.cpu_count() or 1, count))


def gravest(codes: Iterable[int]) -> int:
    """The exit code of many: error, then blocked, then review, then redaction, then pass."""
    order = (0, 1, 4, 5, 3)
    return max(codes, key=order.index, default=0)
