"""Reports as they arrive -> a bar on a terminal, plain lines elsewhere; or JSON, or nothing."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_screen.report.json_report import Document


def event(kind: str, **said: object) -> str:
    """One line of a log that machines read."""
    head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": kind}
    return json.dumps(head | said, ensure_ascii=False)


def of_file(document: Document) -> str:
    """What a log says of a file: digests and words of the policy, nothing that was in it."""
    output = document["output"] or {}
    return event(
        "file",
        name=document["input"]["name"],
        verdict=document["verdict"],
        disposition=document["disposition"],
        clauses=[reason["clause"] for reason in document["reasons"] if reason["clause"]],
        error=document["error"],
        input_sha256=document["input"].get("sha256"),
        output_sha256=output.get("sha256"),
        seconds=document["timings_s"],
    )


class Progress:
    """Files, frames a second and time left on a terminal; a plain line a file elsewhere."""

    def __init__(self, total: int, frames: Any, *, done: int = 0, voice: str = "text") -> None:
        self._voice = voice
        self._total, self._frames, self._count = total, frames, done
        self._bar: Any = None

    def __enter__(self) -> Callable[[Document], None]:
        if self._voice == "text" and sys.stderr.isatty():
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

    def _say(self, document: Document) -> None:
        from media_screen.report import text_report

        self._count += 1
        if self._voice != "text":
            if self._voice == "json":
                click.echo(of_file(document))
            return
        line = text_report.line(document)
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            self._bar.advance(self._task)
        else:
            click.echo(f"[{self._count}/{self._total}] {line}")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
