"""This machine -> what really works on it: each model is loaded, each codec encodes and decodes."""

from __future__ import annotations

import io
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from media_screen.config import (
    DEFAULT_EMBEDDING,
    RESOURCES,
    Settings,
    build_detector,
    build_screener,
    load_embedder,
    load_manifest,
    load_policy,
    policy_names,
)
from media_screen.errors import MediaScreenError
from media_screen.policy import required_labels
from media_screen.probe import FORMATS
from media_screen.types import Frame
from media_screen.write import ENCODERS, HARDWARE, fault_of, faults_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_screen.detect import ModelSpec

RUNTIMES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pillow-heif", "pyyaml", "click", "rich")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried."""

    group: str
    name: str
    works: bool
    detail: str


def examine_machine() -> list[Check]:
    """Try everything; nothing is read from or written to disk but the shipped models."""
    return [_python(), *_runtimes(), *_models(), *_embeddings(), *_policies(), *_videos(), *_hardware(), *_stills()]


def _python() -> Check:
    return Check(
        group="runtime", name="python", works=True, detail=f"{sys.version.split()[0]} on {platform.platform()}"
    )


def _runtimes() -> list[Check]:
    checks = []
    for name in RUNTIMES:
        try:
            checks.append(Check(group="runtime", name=name, works=True, detail=version(name)))
        except PackageNotFoundError:
            checks.append(Check(group="runtime", name=name, works=False, detail="not installed"))
    return checks


def _models() -> list[Check]:
    checks = []
    blank = np.zeros((64, 96, 3), np.uint8)
    for spec in load_manifest():
        try:
            detector = build_detector(spec, threads=1)
            (found,) = detector.detect(
                [Frame(index=0, time_s=Fraction(0), pixels=blank, width_px=96, height_px=64)], spec.score
            )
            works = not found
            detail = (
                f"{detector.model.provider}, sha256 {spec.sha256[:16]}..."
                if works
                else "sees things in a black picture"
            )
        except MediaScreenError as error:
            works, detail = False, str(error)
        checks.append(Check(group="model", name=f"{spec.name} ({', '.join(spec.labels)})", works=works, detail=detail))
    return checks


def _embeddings() -> list[Check]:
    """What a gallery would be compared with; an extra, so that its absence is no fault."""
    try:
        spec = load_embedder(DEFAULT_EMBEDDING, threads=1).spec
        works, detail = True, f"{spec.licence}, sha256 {spec.sha256[:16]}..."
    except ImportError as error:
        works, detail = False, f"{error}: everyone is blurred; pip install 'media-screen[identify]'"
    except MediaScreenError as error:
        works, detail = False, str(error)
    return [Check(group="embedding", name=DEFAULT_EMBEDDING, works=works, detail=detail)]


def _policies() -> list[Check]:
    have = {label for spec in load_manifest() if (RESOURCES / "models" / spec.file).is_file() for label in spec.labels}
    checks = []
    for name in policy_names():
        policy = load_policy(name)
        missing = sorted(required_labels(policy) - have)
        detail = f"needs a detector for {', '.join(missing)}" if missing else f"sha256 {policy.sha256[:16]}..."
        checks.append(Check(group="policy", name=name, works=not missing, detail=detail))
    return checks


def _videos() -> list[Check]:
    return [_video(codec, encoder, options) for codec, (encoder, options) in ENCODERS.items()]


def _video(codec: str, encoder: str, options: dict[str, str]) -> Check:
    """A few frames through the encoder and back."""
    fault = fault_of(encoder, "yuvj420p" if codec == "mjpeg" else "yuv420p", options)
    said = fault or "what was encoded came back"
    return Check(group="video", name=codec, works=not fault, detail=f"{encoder}: {said}")


def _hardware() -> list[Check]:
    """What --encoder may name on this machine; software encodes without, so that its absence is no fault."""
    checks = []
    for name, family in HARDWARE.items():
        faults = faults_of(family)
        works = [codec for codec, fault in faults.items() if not fault]
        detail = "; ".join(dict.fromkeys(fault or f"encodes {codec}" for codec, fault in faults.items()))
        checks.append(Check(group="hardware encoder", name=name, works=bool(works), detail=detail))
    return checks


def _stills() -> list[Check]:
    import pillow_heif
    from PIL import Image, UnidentifiedImageError

    pillow_heif.register_heif_opener()
    checks = []
    for name in [n for n, (media_type, _) in FORMATS.items() if media_type.startswith("image/")]:
        buffer = io.BytesIO()
        try:
            Image.new("RGB", (64, 48), (200, 60, 20)).save(buffer, format=name.upper())
            buffer.seek(0)
            with Image.open(buffer) as image:
                image.load()
                works = image.size == (64, 48)
            detail = "written and read back"
        except (OSError, KeyError, ValueError, UnidentifiedImageError) as error:
            works, detail = False, str(error)
        checks.append(Check(group="picture", name=name, works=works, detail=detail))
    return checks


def bench(*, seconds: float = 2.0) -> list[Check]:
    """How fast this machine is: a look of each detector, and a photo from file to verified copy."""
    return [*(_look_speed(spec, seconds) for spec in load_manifest()), _photo_speed(seconds)]


def _look_speed(spec: ModelSpec, seconds: float) -> Check:
    name = f"{spec.name}, a look at 640 x 480"
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    frame = Frame(index=0, time_s=Fraction(0), pixels=noise, width_px=640, height_px=480)
    try:
        detector = build_detector(spec, threads=0)
    except MediaScreenError as error:
        return Check(group="speed", name=name, works=False, detail=str(error))
    return Check(
        group="speed", name=name, works=True, detail=_rate(lambda: detector.detect([frame], spec.score), seconds)
    )


def _photo_speed(seconds: float) -> Check:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (72, 128, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory(prefix="media-screen-") as made, build_screener(Settings()) as screener:
        photo = Path(made) / "photo.jpg"
        Image.fromarray(noise).resize((1280, 720)).save(photo, comment=b"to be removed")
        detail = _rate(lambda: screener.screen(photo, Path(made) / "out"), seconds)
    return Check(group="speed", name="a photo of 1280 x 720, screened and verified", works=True, detail=detail)


def _rate(work: Callable[[], object], seconds: float) -> str:
    work()  # the first time allocates
    start, times = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        times += 1
    each_ms = (time.perf_counter() - start) / times * 1000
    return f"{each_ms:.1f} ms, {1000 / each_ms:.0f} a second"
