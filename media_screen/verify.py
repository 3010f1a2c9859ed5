"""Evidence before + evidence after + what was painted -> what is wrong with the output. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from media_screen.types import Box, Evidence, Sighting, Track

    RegionsAt = Callable[[Fraction], Sequence[Box]]

TIME_TOLERANCE_US = 2_000  # Matroska keeps whole milliseconds, rounded once on each side
CORE_MARGIN = -0.12  # the middle of a detection is what must be covered: its rim may lie beside a painted head
MIN_COVERED = 0.75
GRID = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A track of the output, cut down to the sightings that no painted region covers."""

    track: Track
    frames: tuple[int, ...]


def structure_faults(before: Evidence, after: Evidence) -> list[str]:
    """Frames, times, sound and picture size must be those of the input."""
    a, b = before.coverage, after.coverage
    faults = [f"the output does not decode: {error}" for error in b.decode_errors]
    if a.frames_decoded != b.frames_decoded:
        faults.append(f"{a.frames_decoded} frames became {b.frames_decoded}")
    else:
        shift = max((abs(x - y) for x, y in zip(a.times_us, b.times_us, strict=True)), default=0)
        if shift > TIME_TOLERANCE_US and before.media.kind == "video":
            faults.append(f"a frame moved by {shift / 1000:.0f} ms")
    if a.audio_tracks != b.audio_tracks:
        faults.append(f"{a.audio_tracks} audio tracks became {b.audio_tracks}")
    sizes = [(m.width_px, m.height_px) for m in (before.media, after.media)]
    if sizes[0] != sizes[1]:
        faults.append("a picture of {}x{} became {}x{}".format(*sizes[0], *sizes[1]))
    return faults


def exposed(after: Evidence, regions_at: RegionsAt, scores: dict[str, float]) -> list[Exposed]:
    """Tracks of the output with a clear sighting (`scores`: label -> operating point) outside every painted region."""
    found = []
    for track in after.tracks:
        open_sightings = tuple(s for s in track.sightings if not _covered(s, regions_at))
        clear = [s for s in open_sightings if s.detection.score >= scores[track.label]]
        if clear:
            found.append(
                Exposed(
                    track=replace(track, sightings=open_sightings),
                    frames=tuple(s.frame_index for s in clear),
                )
            )
    return found


def remaining(after: Evidence, open_tracks: Sequence[Exposed]) -> Evidence:
    """The output's evidence as its policy should see it: what is painted over is no finding any more."""
    ids = {e.track.track_id for e in open_tracks}
    findings = tuple(f for f in after.findings if f.kind == "tag" or f.track_id in ids)
    return replace(after, findings=findings, tracks=tuple(e.track for e in open_tracks))


def in_ranges(numbers: Sequence[int]) -> str:
    """[3, 4, 5, 9] -> "3-5, 9"."""
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _covered(sighting: Sighting, regions_at: RegionsAt) -> bool:
    core = sighting.detection.box.grown(*[CORE_MARGIN] * 4)
    near = [box for box in regions_at(sighting.time_s) if box.overlap_px(core) > 0]
    if not near:
        return False
    inside = 0
    for row in range(GRID):
        y = core.y1 + core.height_px * (row + 0.5) / GRID
        for column in range(GRID):
            x = core.x1 + core.width_px * (column + 0.5) / GRID
            inside += any(b.x1 <= x < b.x2 and b.y1 <= y < b.y2 for b in near)
    return inside >= MIN_COVERED * GRID * GRID
