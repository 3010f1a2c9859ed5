"""media-screen: rules on photos and videos before they are posted, and makes the copy that may go out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# read when onnxruntime is loaded: since 1.29 its Linux builds, too, send their maker what models run where
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from media_screen.api import check, screen
    from media_screen.config import Settings, build_screener
    from media_screen.errors import FileError, MediaScreenError, SettingsError
    from media_screen.pipeline import Screener
    from media_screen.types import Report, Verdict

__version__ = "0.1.0"

_HOMES = {
    "check": "api",
    "screen": "api",
    "Settings": "config",
    "build_screener": "config",
    "FileError": "errors",
    "MediaScreenError": "errors",
    "SettingsError": "errors",
    "Screener": "pipeline",
    "Report": "types",
    "Verdict": "types",
}
__all__ = [
    "FileError",
    "MediaScreenError",
    "Report",
    "Screener",
    "Settings",
    "SettingsError",
    "Verdict",
    "build_screener",
    "check",
    "screen",
]


def __getattr__(name: str) -> Any:
    """Names are imported when asked for: `--help` and `--version` load no model runtime."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
