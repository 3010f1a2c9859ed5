"""Portraits of faces -> vectors that tell people apart, and who a track shows.

One file per embedding; a new one is a file and a line in EMBEDDINGS. An embedder turns portraits into vectors: the
nearer two of them, the likelier one person. Arrays stop at this room's edge, and nothing here opens a medium.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from media_screen.types import Portrait

    Vector = NDArray[np.float32]

# runtime named by an embedding -> class, built as Class(spec, path=..., threads=...)
EMBEDDINGS = {
    "dlib": "media_screen.identify.dlib_resnet:DlibResnet",
    "onnx": "media_screen.identify.onnx_network:OnnxNetwork",
}
BOX = (0.14, 0.1, 0.86, 0.98)  # of the detector's box in an aligned chip, measured on one of 128 px


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSpec:
    """One embedding, and the distances that were measured for it (docs/identity.md)."""

    name: str
    runtime: str
    distance: float  # of a look to an enrolled person at most this much, or it is not that person
    margin: float  # so much farther away at least is everybody else who is enrolled
    other: float  # a good look farther away than this is somebody else
    take: float = 0.0  # of a look to the same person where the same film shows them for certain; 0: not asked
    smeared: float = 0.0  # of a smeared look to a person's smeared photos; 0: nobody is known by a smeared look
    file: str = ""  # of the weights, for runtimes that are given one
    sha256: str = ""
    licence: str = ""
    box: tuple[float, float, float, float] = BOX  # where the input wants the face's box, shares
    bgr: bool = True
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """What an embedder makes of one portrait, and how much it is worth."""

    vector: Vector
    size_px: float  # longer side of the face in the full-size frame
    sharpness: float  # variance of the Laplacian of the face at 112 px
    turn: float  # 0 looking into the camera, 1 and more in profile
    evenness: float  # about 1 where it is as fine along every direction, near 0 where it moved along one (smear.py)


class Embedder(Protocol):
    """What the identifier asks of an embedding. It keeps no state between calls."""

    @property
    def spec(self) -> EmbeddingSpec:
        """Its name, digest and distances."""
        ...

    def encode(self, portraits: Sequence[Portrait]) -> list[Encoding]:
        """One encoding a portrait, in order; alone the same as among others."""
        ...


def build(spec: EmbeddingSpec, *, path: Any = None, threads: int = 0) -> Embedder:
    """The embedder that a spec names.

    Raises:
        ImportError: what it needs is not installed.
        SettingsError: its weights are absent or not the ones that are named.
    """
    from importlib import import_module

    module, _, class_name = EMBEDDINGS[spec.runtime].partition(":")
    made: Embedder = getattr(import_module(module), class_name)(spec, path=path, threads=threads)
    return made
