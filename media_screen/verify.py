"""Evidence before + evidence after + what was painted -> what is wrong with the output. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from media_screen.types import Box, Detection, Evidence, Sighting, Track

    PaintedIn = Callable[[int], Sequence[Box]]  # frame index -> regions that were painted

TIME_TOLERANCE_US = 2_000  # Matroska keeps whole milliseconds, rounded once on each side
CORE_MARGIN = -0.12  # the middle of a detection is what must be covered: its rim may lie beside a painted head
MIN_COVERED = 0.75
SAME_OBJECT_IOU = 0.2  # generous: whatever the source has near there counts
GRID = 12
MAX_STEP = 20  # of 255, mean luma of a patch: encoding changes it by one or two, another sample format by up to 16
MOST_PAINTED = 0.4


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


def picture_faults(
    before: Evidence, after: Evidence, *, copied: Sequence[range] = (), painted_share: Callable[[int], float]
) -> list[str]:
    """The frames of a film must still show what they showed, by the mean luma of a few patches.

    Args:
        before: of the source.
        after: of the copy, which has as many frames.
        copied: frames that were not encoded anew: they must decode to the very same.
        painted_share: of a frame's area; beyond MOST_PAINTED, too little of it is left to tell.
    """
    count = before.coverage.frames_decoded
    lights = [np.asarray(e.coverage.lights, np.int16).reshape(count, -1) for e in (before, after) if count]
    if before.media.kind != "video" or not lights:
        return []
    steps = np.abs(lights[0] - lights[1])
    changed = [n for frames in copied for n in frames if steps[n].any()]
    strange = np.flatnonzero(np.median(steps, axis=1) > MAX_STEP)
    other = [int(n) for n in strange if painted_share(int(n)) < MOST_PAINTED]
    return [
        f"frames {in_ranges(numbers)} of the output {fault}"
        for numbers, fault in ((changed, "were copied and are not the same"), (other, "show something else"))
        if numbers
    ]


def exposed(after: Evidence, painted_in: PaintedIn, scores: dict[str, float]) -> list[Exposed]:
    """Tracks of the output with a clear sighting (`scores`: label -> operating point) outside every painted region."""
    found = []
    for track in after.tracks:
        open_sightings = tuple(s for s in track.sightings if not is_covered(s.frame_index, s.detection, painted_in))
        clear = [s for s in open_sightings if s.detection.score >= scores[track.label]]
        if clear:
            found.append(
                Exposed(
                    track=replace(track, sightings=open_sightings),
                    frames=tuple(s.frame_index for s in clear),
                )
            )
    return found


def without(
    tracks: Sequence[Track], may_stay: Callable[[Track, Sighting], bool], scores: Mapping[str, float]
) -> list[Exposed]:
    """The tracks cut down to the sightings that may not stay, if one of those is clear."""
    found = []
    for track in tracks:
        left = tuple(s for s in track.sightings if not may_stay(track, s))
        frames = tuple(s.frame_index for s in left if s.detection.score >= scores[track.label])
        if frames:
            found.append(Exposed(track=replace(track, sightings=left), frames=frames))
    return found


def to_confirm(open_tracks: Sequence[Exposed], looked: Mapping[int, Sequence[Detection]]) -> set[int]:
    """Frames of the source that are still to be looked at, the decisive ones first.

    A track falls with its clear sightings: only where the source confirms one of those do its others matter.
    """
    clear = {f for e in open_tracks for f in e.frames}
    if missing := clear.difference(looked):
        return missing
    shown = {e.track.track_id for e in shown_by_source(open_tracks, looked)}
    sightings = {s.frame_index for e in open_tracks if e.track.track_id in shown for s in e.track.sightings}
    return sightings.difference(looked)


def shown_by_source(open_tracks: Sequence[Exposed], source: Mapping[int, Sequence[Detection]]) -> list[Exposed]:
    """The exposed tracks without what the copy alone looks like.

    Half a blurred head beside half a collar can look like a face to a detector, and so can what encoding does to a
    lattice. Whatever the source's own frame has nothing of (`source`: frame index -> detections down to the
    lowest score that counts) was not there to be hidden; anything like it in the source, however weak, stays.
    """
    kept = []
    for exposed_track in open_tracks:
        sightings = tuple(
            s
            for s in exposed_track.track.sightings
            if any(d.box.iou(s.detection.box) >= SAME_OBJECT_IOU for d in source.get(s.frame_index, ()))
        )
        left = {s.frame_index for s in sightings}
        frames = tuple(f for f in exposed_track.frames if f in left)
        if frames:
            kept.append(Exposed(track=replace(exposed_track.track, sightings=sightings), frames=frames))
    return kept


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


def is_covered(frame_index: int, detection: Detection, painted_in: PaintedIn) -> bool:
    """True if the middle of a detection lies in the painted regions of its frame, together."""
    core = detection.box.grown(*[CORE_MARGIN] * 4)
    near = [box for box in painted_in(frame_index) if box.overlap_px(core) > 0]
    if not near:
        return False
    inside = 0
    for row in range(GRID):
        y = core.y1 + core.height_px * (row + 0.5) / GRID
        for column in range(GRID):
            x = core.x1 + core.width_px * (column + 0.5) / GRID
            inside += any(b.x1 <= x < b.x2 and b.y1 <= y < b.y2 for b in near)
    return inside >= MIN_COVERED * GRID * GRID
