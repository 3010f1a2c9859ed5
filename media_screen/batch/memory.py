"""MediaInfo -> megabytes that screening it may need; this machine -> megabytes that a batch may use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media_screen.types import MediaInfo

# measured peaks of a worker, rounded up: docs/benchmarks.md
WORKER_MB = 250  # interpreter, libraries, a warm detector
STILL_MB_PER_MPX = 14
HEIF_MB_PER_MPX = 32  # libheif and its encoder keep several pictures
VIDEO_MB_PER_MPX = 130  # frames on their way through decoder, detector and an encoder that looks ahead
USABLE = 0.8  # of what is free: the rest is the system's file cache and whatever else is at work
CGROUP = Path("/sys/fs/cgroup")


def estimate_mb(info: MediaInfo) -> int:
    """An upper bound, by kind and size of one frame; a film's length adds nothing."""
    megapixels = info.width_px * info.height_px / 1e6
    if info.kind == "video" or (info.frame_count or 1) > 1:
        return WORKER_MB + round(megapixels * VIDEO_MB_PER_MPX)
    is_heif = info.format in ("heif", "avif")
    return WORKER_MB + round(megapixels * (HEIF_MB_PER_MPX if is_heif else STILL_MB_PER_MPX))


def budget_mb() -> int:
    """What all workers together may use: a share of the memory that is free, in a container of its own."""
    import psutil

    free = psutil.virtual_memory().available
    limit, used = _bytes(CGROUP / "memory.max"), _bytes(CGROUP / "memory.current")
    if limit is not None and used is not None:
        free = min(free, max(limit - used, 0))
    return max(WORKER_MB, int(free * USABLE) >> 20)


def _bytes(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return None
