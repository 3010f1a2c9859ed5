"""Folders -> again and again the items that are new or changed, once they have stopped growing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from media_screen.batch.inputs import gather
from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from threading import Event

    from media_screen.batch.nouns import Item

SETTLE_S = 2.0  # a file of the same size and time for so long is whole
IDLE_S = 30.0  # network drives may tell nothing of a change
State = tuple[int, int, int]


def settled(
    inputs: Sequence[Path], out: Path, exclude: Sequence[str] = (), *, settle_s: float = SETTLE_S, stop: Event
) -> Iterator[tuple[list[Item], list[Item]]]:
    """All items there are, and those of them to be done now; until `stop` is set.

    Raises:
        SettingsError: a folder is not there, or `watchfiles` is not installed.
    """
    try:
        from watchfiles import watch
    except ImportError as error:
        raise SettingsError('--watch needs one library more: pip install "media-screen[watch]"') from error
    if missing := [str(top) for top in inputs if not top.is_dir()]:
        raise SettingsError(f"--watch is for folders; there is none at {', '.join(missing)}")
    seen: dict[str, tuple[State, float]] = {}  # since when each file is as it is
    done: dict[str, State] = {}
    changes = watch(*inputs, watch_filter=None, yield_on_timeout=True, rust_timeout=1000, debounce=400, stop_event=stop)
    is_due, last = True, 0.0
    for changed in changes:
        if not (changed or is_due or time.monotonic() - last > IDLE_S):
            continue
        last = time.monotonic()
        items = _items(inputs, out, exclude)
        now = {item.name: state for item in items if (state := _state(item.path))}
        for name, state in now.items():
            if name not in seen or seen[name][0] != state:
                seen[name] = (state, last)
        whole = {n for n in now if last - seen[n][1] >= settle_s}
        ready = [item for item in items if item.name in whole and done.get(item.name) != now[item.name]]
        is_due = any(n not in whole for n in now)
        if ready:
            done |= {item.name: now[item.name] for item in ready}
            yield items, ready


def _items(inputs: Sequence[Path], out: Path, exclude: Sequence[str]) -> list[Item]:
    try:
        return gather(inputs, out, exclude)
    except SettingsError:  # nothing has arrived yet
        return []


def _state(path: Path) -> State | None:
    try:
        said = path.stat()
    except OSError:
        return None
    return said.st_ino, said.st_size, said.st_mtime_ns
