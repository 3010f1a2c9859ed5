"""One public portrait -> several people: an embedder for tests that tells them apart by colour, and their gallery.

The detector finds the faces as it always does. Only what an embedding of faces would say is replaced: by the hue of
the face, which survives scaling and encoding. The real embedding is held to its promises in test_dlib_resnet.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from media_screen.config import build_screener
from media_screen.identify import EmbeddingSpec, Encoding
from media_screen.identify.gallery import Gallery, Person
from media_screen.recognise import Identifier

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
SPEC = EmbeddingSpec(name="hue", runtime="test", distance=0.25, margin=0.1, other=0.35, sha256="0" * 64)
TODAY = date(2026, 11, 25)
TINTS = {"green": (0.55, 1.1, 0.5), "blue": (0.5, 0.6, 1.2), "red": (1.15, 0.45, 0.45), "plain": (1.0, 1.0, 1.0)}
TINTS["dusk"] = (0.685, 1.07, 0.65)  # green in another light


class Hue:
    """An embedder: the direction of a face's mean colour. `size_px` and the rest as a good sighting has them."""

    spec = SPEC

    def __init__(self):
        self.asked = 0

    def encode(self, portraits):
        self.asked += len(portraits)
        return [self._encode(p) for p in portraits]

    def _encode(self, portrait):
        x1, y1, x2, y2 = portrait.box.grown(-0.2, -0.2, -0.2, -0.2).pixels()
        return Encoding(
            vector=direction(portrait.pixels[max(y1, 0) : y2, max(x1, 0) : x2]),
            size_px=portrait.size_px,
            sharpness=500.0,
            turn=0.0,
            evenness=1.0,
        )


def direction(pixels):
    colour = pixels.reshape(-1, 3).mean(axis=0)
    return np.asarray(colour / np.linalg.norm(colour), np.float32)


def head(tint, height_px=200):
    """The portrait in a person's own colour, RGB (h, w, 3)."""
    with Image.open(PORTRAIT) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright = upright.crop((100, 0, 330, 230)).resize((height_px, height_px))
    return np.clip(np.asarray(upright, np.float32) * TINTS[tint], 0, 255).astype(np.uint8)


def side_by_side(*tints, height_px=200):
    """A picture of several people in front of a wall."""
    wall = np.full((height_px + 80, 80, 3), (120, 118, 112), np.uint8)
    parts = [wall]
    for tint in tints:
        column = np.full((height_px + 80, height_px, 3), (120, 118, 112), np.uint8)
        column[40 : 40 + height_px] = head(tint, height_px)
        parts += [column, wall]
    return np.concatenate(parts, axis=1)


def person(name, tint, role="officer", expires=date(2027, 11, 25)):
    face = head(tint)[50:130, 70:150]
    vector = tuple(float(v) for v in direction(face))
    return Person(name=name, role=role, reason="consent", added=TODAY, expires=expires, vectors=(vector,))


def identifier(*people, embedder=None, today=TODAY):
    return Identifier(
        gallery=Gallery(embedding="hue", embedding_sha256="0" * 64, people=people, sha256="1" * 64),
        embedder=embedder or Hue(),
        today=lambda: today,
    )


def screener(settings, *people, **more):
    """As the settings build it, with these people known."""
    return replace(build_screener(settings), identifier=identifier(*people, **more))
