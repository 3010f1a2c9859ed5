"""A target path -> a temporary file beside it, and that file moved into place when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from media_screen.errors import WriteFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART_PREFIX = ".media-screen-"  # of every file that is not finished


@contextmanager
def workbench(target: Path) -> Iterator[Path]:
    """A fresh temporary path beside the target, same extension; whatever lies there at the end is removed."""
    part = target.with_name(f"{PART_PREFIX}{uuid4().hex}{target.suffix}")
    with writing():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def publish(part: Path, target: Path) -> None:
    """Move a finished file into place so that even a power cut leaves the old state or the new one."""
    with writing():
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
        if os.name == "posix":  # Windows cannot open folders
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def copy(source: Path, part: Path) -> None:
    """Byte for byte; only the content, not the times and rights of the original."""
    with writing():
        shutil.copyfile(source, part)


@contextmanager
def writing() -> Iterator[None]:
    """What goes wrong while a file is written, as WriteFailed."""
    try:
        yield
    except OSError as error:  # PyAV's errors with a number of the system derive from it
        raise WriteFailed(_words(error)) from error


def _words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room to write the output ({error.strerror}): free some space and run again"
    return f"the output cannot be written: {error.strerror or error}"
