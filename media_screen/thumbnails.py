"""Examined + what is painted -> a small redacted picture of each finding, for the report."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from media_screen.redact import OBJECT_MARGINS, Plane, Redactor, regions_at
from media_screen.types import Thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_screen.examine import Examined
    from media_screen.types import Box, Frame, Track

THUMBNAIL_PX = 240


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
    from PIL import Image

    samples = picture.pixels.copy()
    x, y = picture.scale
    regions = regions_at(painted, picture.time_s, picture.width_px, picture.height_px)
    Redactor().paint([Plane(samples=samples)], [replace(r, box=r.box.scaled(1 / x, 1 / y)) for r in regions])
    box = subject.grown(*[max(1.0, m * 4) for m in OBJECT_MARGINS]).scaled(1 / x, 1 / y)
    crop = Image.fromarray(samples).crop(box.clipped(samples.shape[1], samples.shape[0]).pixels())
    crop.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
