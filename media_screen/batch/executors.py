"""A number of jobs, or an address -> Workers: where the files of a batch are screened."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from media_screen.batch import worker
from media_screen.batch.lanes import Lanes
from media_screen.batch.memory import WORKER_MB, budget_mb
from media_screen.batch.running import Workers
from media_screen.config import identity
from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from media_screen.config import Settings

ANSWERS_S = 20.0  # within which a scheduler and its first worker answer
AHEAD = 2  # files at a worker: one in work, one that waits, so that it is never idle


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


@contextmanager
def cluster(address: str, settings: Settings, *, mark: Path) -> Iterator[Workers]:
    """The workers of a Dask cluster, which see the same files under the same paths.

    The scheduler gives a lost worker's files to another, and cares for memory (`dask worker --memory-limit`).

    Args:
        address: "dask://HOST:PORT", of the scheduler.
        settings: each worker builds its Screener from them, once.
        mark: lies in the output folder; a worker that does not see it has other storage.

    Raises:
        SettingsError: nobody answers there, or a worker is not like this machine.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError('a cluster needs one library more: pip install "media-screen[cluster]"') from error
    scheme, _, place = address.partition("://")
    if scheme != "dask" or not place:
        raise SettingsError(f"--executor {address}: write dask://HOST:PORT")
    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(f"tcp://{place}", timeout=ANSWERS_S))  # type: ignore[no-untyped-call]
            client.wait_for_workers(1, timeout=ANSWERS_S)
            said = client.run(worker.readiness, settings, mark)
        except (OSError, TimeoutError) as error:
            raise SettingsError(f"no Dask scheduler with a worker answers at {place}: {error}") from error
        _alike(said, identity(settings))
        threads = sum(client.nthreads().values())
        with client.get_executor(pure=False) as executor:
            yield Workers(executor=executor, slots=AHEAD * threads, stop=client.restart)


def _alike(said: Mapping[str, tuple[str, bool, str]], mine: str) -> None:
    for name, (theirs, sees, missing) in said.items():
        if not sees:
            raise SettingsError(f"worker {name} does not see the output folder: it needs the same storage")
        if theirs != mine:
            raise SettingsError(f"worker {name} has another version, policy or model than this machine")
        if missing:
            raise SettingsError(f"worker {name}: {missing}")
