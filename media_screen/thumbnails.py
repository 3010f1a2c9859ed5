"""Examined + what is painted -> a small redacted picture of each finding, for the report."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from media_screen.decode import scaled_down
from media_screen.redact import OBJECT_MARGINS, Plane, Redactor, regions_at
from media_screen.types import Box, Thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.examine import Examined
    from media_screen.types import Frame, Track

THUMBNAIL_PX = 240
RIM = 0.02  # of the thumbnail: its edges are rounded outwards


def thumbnails_of(first: Examined, painted: Sequence[Track], kept: Sequence[Track]) -> tuple[Thumbnail, ...]:
    """Small pictures of the findings. Every face is painted in them but the kept ones, whatever the policy says."""
    known = {id(t) for t in kept}
    faces = [t for t in first.evidence.tracks if t.label == "face" and id(t) not in known]
    tracks = list({id(t): t for t in (*painted, *faces)}.values())
    by_id: dict[int | None, Track] = {t.track_id: t for t in first.evidence.tracks}
    pictures = {p.index: p for p in first.pictures}
    made = []
    for number, finding in enumerate(first.evidence.findings):
        track = by_id.get(finding.track_id)
        shown = [s for s in track.sightings if s.frame_index in pictures] if track else []
        if shown:
            clearest = max(shown, key=lambda s: s.detection.score)
            jpeg = _thumbnail(pictures[clearest.frame_index], clearest.detection.box, tracks)
            made.append(Thumbnail(finding=number, jpeg=jpeg))
    return tuple(made)


def _thumbnail(picture: Frame, subject: Box, painted: Sequence[Track]) -> bytes:
    """The subject and what is around it, made small first and painted then: no cell is finer than if painted large."""
    from PIL import Image

    height, width = picture.pixels.shape[:2]
    x, y = picture.scale
    shown = subject.grown(*[max(1.0, m * 4) for m in OBJECT_MARGINS]).scaled(1 / x, 1 / y).clipped(width, height)
    regions = regions_at(painted, picture.time_s, picture.width_px, picture.height_px)
    regions = [replace(r, box=r.box.scaled(1 / x, 1 / y)) for r in regions]
    near = [r for r in regions if r.box.overlap_px(shown.grown(*[RIM] * 4)) > 0]
    # whole regions: of one that is cut first, the cells would be finer
    left, top, right, bottom = reduce(Box.union, [r.box for r in near], shown).clipped(width, height).pixels()
    share = min(1.0, THUMBNAIL_PX / max(shown.width_px, shown.height_px))
    samples = scaled_down(picture.pixels[top:bottom, left:right], share).copy()
    across, down = samples.shape[1] / (right - left), samples.shape[0] / (bottom - top)

    def placed(box: Box) -> Box:
        return Box(x1=box.x1 - left, y1=box.y1 - top, x2=box.x2 - left, y2=box.y2 - top).scaled(across, down)

    Redactor().paint([Plane(samples=samples)], [replace(r, box=placed(r.box)) for r in near])
    x1, y1, x2, y2 = placed(shown).clipped(samples.shape[1], samples.shape[0]).pixels()
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples[y1:y2, x1:x2])).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
