"""Reports as they arrive -> a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Files, frames a second and time left on a terminal; a plain line a file elsewhere."""

    def __init__(self, total: int, frames: Any, *, done: int = 0) -> None:
        self._total, self._frames, self._count = total, frames, done
        self._bar: Any = None

    def __enter__(self) -> Callable[[str], None]:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
            from rich.text import Text

            frames = self._frames

            class Speed(ProgressColumn):
                def render(self, task: Any) -> Text:
                    rate = frames.value / task.elapsed if task.elapsed else 0.0
                    return Text(f"{rate:.0f} frames/s")

            self._bar = Progress(
                BarColumn(), MofNCompleteColumn(), "files", Speed(), TimeRemainingColumn(), console=Console(stderr=True)
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total, completed=self._count)
        return self._say

    def _say(self, line: str) -> None:
        self._count += 1
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            self._bar.advance(self._task)
        else:
            click.echo(f"[{self._count}/{self._total}] {line}")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
