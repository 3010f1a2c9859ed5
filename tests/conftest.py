"""For all tests: Ctrl-C reaches what they start.

A shell starts what runs in the background with SIGINT ignored, and that is inherited: the tests of an interrupted batch
would wait in vain.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
