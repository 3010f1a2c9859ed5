"""An open file -> the sole right to it, until it is let go; the others wait."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def locked(file: BinaryIO) -> Iterator[None]:
    """Nobody else writes meanwhile. The system itself lets go of the lock when a process dies."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 40)  # no byte of the file: a locked one could not be read either
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        try:
            yield
        finally:
            file.seek(1 << 40)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)
