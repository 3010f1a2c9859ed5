"""Memory that pictures leave behind is kept for the next: the kernel is asked for it once."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import numpy as np
if sys.argv[1] == "kept":
    from media_screen.heap import keep_freed
    assert keep_freed()
np.ones(4 << 20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(4 << 20, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asked of the GNU C library alone")
def test_pages_are_fetched_once_and_not_for_every_picture():
    faults = {}
    for way in ("kept", "given back"):
        done = subprocess.run([sys.executable, "-c", COUNT, way], capture_output=True, text=True, check=True)
        faults[way] = int(done.stdout)
    assert faults["kept"] < 200  # pages of 4 kB: one array alone has a thousand, or a few large ones
    assert faults["kept"] * 5 < max(faults["given back"], 1000)
