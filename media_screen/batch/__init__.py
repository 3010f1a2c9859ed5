"""Many files -> one Outcome each. Any executor runs them, the journal remembers; one bad file costs only itself."""

from media_screen.batch.executors import cluster, local
from media_screen.batch.inputs import MARK, gather
from media_screen.batch.looking import look_at
from media_screen.batch.nouns import Item, Job, Outcome
from media_screen.batch.running import Sifted, Workers, default_jobs, gravest, run, sift, sweep
from media_screen.batch.watching import settled
from media_screen.batch.worker import error_report, safely

__all__ = [
    "MARK",
    "Item",
    "Job",
    "Outcome",
    "Sifted",
    "Workers",
    "cluster",
    "default_jobs",
    "error_report",
    "gather",
    "gravest",
    "local",
    "look_at",
    "run",
    "safely",
    "settled",
    "sift",
    "sweep",
]
