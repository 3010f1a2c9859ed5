"""Frames -> a file, whole or not at all: under a temporary name beside the target, then moved into place."""

from media_screen.write.encoders import ENCODERS
from media_screen.write.files import PART_PREFIX, copy, publish, workbench
from media_screen.write.hardware import HARDWARE, fault_of, faults_of, missing, require
from media_screen.write.stills import redact_still
from media_screen.write.videos import Written, redact_video

__all__ = [
    "ENCODERS",
    "HARDWARE",
    "PART_PREFIX",
    "Written",
    "copy",
    "fault_of",
    "faults_of",
    "missing",
    "publish",
    "redact_still",
    "redact_video",
    "require",
    "workbench",
]
