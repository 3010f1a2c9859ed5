"""A process of ours -> the same, its C library keeping the memory that pictures leave behind for the next picture."""

from __future__ import annotations

import sys

# mallopt(3) of the GNU C library
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 << 20  # bytes of one block; the most that mallopt takes
MOST_KEPT = 256 << 20  # bytes free at the heap's end


def keep_freed() -> bool:
    """Ask for it; False where the C library cannot.

    By default each array of some megabytes is fetched from the kernel, zeroed page by page, and given back.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library than GNU's
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(M_TRIM_THRESHOLD, MOST_KEPT))
