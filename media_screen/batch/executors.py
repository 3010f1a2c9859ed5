"""A number of jobs -> Workers: where the files of a batch are screened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from media_screen.batch import worker
from media_screen.batch.lanes import Lanes
from media_screen.batch.memory import WORKER_MB, budget_mb
from media_screen.batch.running import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media_screen.config import Settings


@contextmanager
def local(
    settings: Settings,
    *,
    jobs: int,
    timeout_s: float | None = None,
    memory_mb: int | None = None,
    frames: Any = None,
) -> Iterator[Workers]:
    """Processes on this machine, as many as its memory has room for.

    Args:
        settings: each process builds its Screener from them, once.
        jobs: processes at most.
        timeout_s: a file that takes longer is an error.
        memory_mb: of all together; by default a share of what is free.
        frames: a multiprocessing.Value that counts examined frames, for progress.
    """
    budget = memory_mb or budget_mb()
    slots = max(1, min(jobs, budget // WORKER_MB))
    lanes = Lanes(slots, timeout_s=timeout_s, initializer=worker.start, initargs=(settings, frames))
    try:
        yield Workers(executor=lanes, slots=slots, memory_mb=budget, stop=lanes.stop)
    finally:
        lanes.shutdown()
