"""Frames -> a file, whole or not at all: under a temporary name beside the target, then moved into place."""

from media_screen.write.encoders import ENCODERS, open_encoder
from media_screen.write.files import PART_PREFIX, copy, publish, workbench
from media_screen.write.stills import redact_still
from media_screen.write.videos import Written, redact_video

__all__ = [
    "ENCODERS",
    "PART_PREFIX",
    "Written",
    "copy",
    "open_encoder",
    "publish",
    "redact_still",
    "redact_video",
    "workbench",
]
