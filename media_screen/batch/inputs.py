"""Files and folders -> the items of a batch, in a fixed order; results and declared facts are never inputs."""

from __future__ import annotations

import fnmatch
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from media_screen.batch.nouns import Item
from media_screen.config import is_sidecar
from media_screen.errors import SettingsError
from media_screen.write import PART_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK = ".media-screen.json"  # lies in every output folder; `batch` writes into no other folder that holds something


def gather(inputs: Sequence[Path], out: Path | None = None, exclude: Sequence[str] = ()) -> list[Item]:
    """Files, and all files below folders, in a fixed order. What lies in `out` is never an input.

    A file that does not exist is an item too: it will have an error report, as any file that cannot be screened.
    """
    items, taken = [], set[str]()
    for top in inputs:
        for path in _files(top, out and out.resolve()):
            if is_sidecar(path):
                continue
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
