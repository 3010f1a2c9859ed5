"""Calls -> results from processes, one a lane: a worker that dies or hangs takes nothing with it but its own call."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")
GRACE_S = 2.0  # for a worker that is told to stop to clear its workbench


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """An executor of one process, and that process."""

    executor: ProcessPoolExecutor
    pid: int


class Lanes(ThreadPoolExecutor):
    """An executor whose threads each keep one process warm, and open another when that one is gone.

    A call whose process dies raises BrokenProcessPool; one that takes longer than `timeout_s` raises TimeoutError,
    and its process is ended. The other calls notice nothing.
    """

    def __init__(
        self, count: int, *, timeout_s: float | None = None, initializer: Callable[..., None], initargs: tuple[Any, ...]
    ) -> None:
        super().__init__(count, thread_name_prefix="lane")
        self._timeout_s, self._start = timeout_s, (initializer, initargs)
        self._mine = threading.local()
        self._open: set[_Lane] = set()
        self._stopped = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run in a free lane, or in the next that comes free."""
        return super().submit(self._through_lane, fn, *args, **kwargs)

    def stop(self) -> None:
        """End every process now; what they had in work is lost."""
        self._stopped = True
        _end(*(lane.pid for lane in tuple(self._open)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As every executor; the processes end with it."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        for lane in tuple(self._open):
            lane.executor.shutdown(wait=wait)

    def _through_lane(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        lane: _Lane | None = getattr(self._mine, "lane", None)
        lane = lane or self._opened()
        try:
            return lane.executor.submit(fn, *args, **kwargs).result(self._timeout_s)
        except TimeoutError:
            _end(lane.pid)
            self._closed(lane)
            raise
        except BrokenProcessPool:
            self._closed(lane)
            raise

    def _opened(self) -> _Lane:
        if self._stopped:
            raise BrokenProcessPool("stopped")
        context = multiprocessing.get_context("spawn")  # fork would copy the threads of onnxruntime and FFmpeg
        initializer, initargs = self._start
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=initializer, initargs=initargs)
        try:
            lane = _Lane(executor=executor, pid=executor.submit(os.getpid).result())
        except BaseException:
            executor.shutdown(wait=False)
            raise
        self._open.add(lane)
        self._mine.lane = lane
        return lane

    def _closed(self, lane: _Lane) -> None:
        self._mine.lane = None
        self._open.discard(lane)
        lane.executor.shutdown(wait=False)


def _end(*pids: int) -> None:
    """Ask, then insist; when this returns none of them writes any more."""
    import psutil

    processes = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
            processes[-1].terminate()
    _, left = psutil.wait_procs(processes, GRACE_S)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, GRACE_S)
