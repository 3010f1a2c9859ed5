"""Items -> a document each, in their order; writes nothing. A worker that dies costs only its own file."""

from __future__ import annotations

from concurrent.futures import as_completed
from typing import TYPE_CHECKING

from media_screen.batch import worker
from media_screen.report import json_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media_screen.batch.nouns import Item
    from media_screen.batch.running import Workers
    from media_screen.config import Settings
    from media_screen.report.json_report import Document


def look_at(
    items: Sequence[Item], settings: Settings, workers: Workers, on_done: Callable[[Document], None] = lambda _: None
) -> list[Document]:
    """Examine and rule on every item as it stands. Ctrl-C ends it: half an answer is none."""
    running = {workers.executor.submit(worker.look, item, settings): item for item in items}
    found: dict[str, Document] = {}
    try:
        for future in as_completed(running):
            item = running[future]
            try:
                document = future.result()
            except TimeoutError:
                document = _error(item, settings, "took longer than is allowed (--timeout)", "TimedOut")
            except Exception as error:  # noqa: BLE001 - of the worker, not of the file, which it reports itself
                words = f"the worker that screened this file died ({type(error).__name__})"
                document = _error(item, settings, words, "WorkerDied")
            found[item.name] = document
            on_done(document)
    except KeyboardInterrupt:
        workers.stop()
        raise
    return [found[item.name] for item in items]


def _error(item: Item, settings: Settings, words: str, error_type: str) -> Document:
    return json_report.document(worker.error_report(item, settings, words, error_type))
