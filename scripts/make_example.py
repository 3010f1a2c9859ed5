"""Samples, screened -> docs/example.jpg: a portrait and a frame of a film, before and after.

.venv/bin/python scripts/make_example.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import av
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from media_screen import screen  # noqa: E402

SAMPLES = ROOT / "data" / "samples"
HEIGHT_PX, GAP_PX, FRAME = 300, 6, 34


def main() -> None:
    """Screen, and paste side by side."""
    names = ("portrait, held upright.jpg", "walk past 🚔.mp4")
    with tempfile.TemporaryDirectory() as out:
        pictures = []
        for name in names:
            report = screen(SAMPLES / name, out)
            assert report.output is not None  # noqa: S101
            pictures += [still(SAMPLES / name), still(Path(out) / report.output.name)]
    scaled = [p.resize((round(p.width * HEIGHT_PX / p.height), HEIGHT_PX)) for p in pictures]
    sheet = Image.new("RGB", (sum(p.width + GAP_PX for p in scaled) - GAP_PX, HEIGHT_PX), "white")
    left = 0
    for picture in scaled:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    sheet.save(ROOT / "docs" / "example.jpg", quality=82)


def still(path: Path) -> Image.Image:
    """The picture, upright, or one frame of the film."""
    if path.suffix == ".jpg":
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with av.open(str(path)) as container:
        picture: Image.Image = next(f for n, f in enumerate(container.decode(video=0)) if n == FRAME).to_image()
        return picture


if __name__ == "__main__":
    main()
