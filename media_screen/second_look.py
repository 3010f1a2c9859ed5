"""A source as it was examined + its copy, examined with the same eyes -> what still shows there that must not.

The copy has to hold the same frames, unchanged outside the paint and destroyed within it; and what the policy redacts
may not be found in it again. What is found is confirmed in the source, and told so that it can be painted as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from media_screen import verify
from media_screen.decode import scaled_down
from media_screen.errors import StripFailed
from media_screen.examine import PICTURE_PX, Examined, found_again, look_again
from media_screen.recognise import Identifier, contradicted
from media_screen.redact import regions_at, survival

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media_screen.detect import Detector
    from media_screen.types import Box, Decision, Detection, Evidence, Finding, Frame, Sighting, Track

LEARNT_LEAD_S = Fraction(1, 2)  # what was missed once is covered more widely the second time
MAX_SURVIVAL = 0.72  # likeness of a painted region's fine structure: paint leaves up to 0.63, encoding 0.80 and more
INSIDE = -0.12  # of a region's width and height
JUDGED_PX = 128  # of a region: as large it is judged where the picture is kept that large
LEAST_JUDGED_PX = 16  # smaller, a region has no fine structure to judge by
FACE = "face"
SAME_FACE_IOU = 0.4  # of a face of the copy and one that was kept
NEAR_S = Fraction(1, 2)  # around a look that shows somebody else, nothing is accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a copy may go out, or what is at fault; `learnt` is what to paint as well if there are faults."""

    faults: list[str]
    looked: int
    learnt: list[Track] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """Everything that a copy is judged by."""

    first: Examined  # of the source
    copy: Examined
    painted: Sequence[Track]
    kept: Sequence[Track]  # faces that stay visible because they are known
    copied: tuple[range, ...]  # frames of the copy that were not encoded anew
    painted_in: Callable[[int], list[Box]]
    detectors: Sequence[Detector]
    scores: dict[str, float]  # operating points
    identifier: Identifier | None
    named: Callable[[Evidence, Identifier, set[int]], Evidence]  # as in the source; the set is of tracks that are sure
    ruled: Callable[[Evidence], Decision]
    threads: int = 0

    def proof(self) -> Proof:
        """What is at fault, the simplest first.

        Raises:
            StripFailed: metadata is left.
        """
        before, after = self.first.evidence, self.copy.evidence
        looked = sum(look.frames for look in after.coverage.looks)
        if faults := verify.structure_faults(before, after):
            return Proof(faults=faults, looked=looked)  # frames cannot be told from one another
        if faults := verify.picture_faults(before, after, copied=self.copied, painted_share=self._painted_share):
            return Proof(faults=faults, looked=looked)
        if unpainted := self._unpainted():
            words = f"what was to be painted is still there in frames {verify.in_ranges(unpainted)}"
            return Proof(faults=[words], looked=looked)
        open_tracks = self._exposed()
        left = verify.remaining(after, open_tracks)
        if self.identifier is not None:  # tracks were cut
            left = found_again(left, self.scores)
        nothing_left(left.findings)
        must_go = {left.findings[i].track_id for i in self.ruled(left).redact_tracks}
        missed = [e for e in open_tracks if e.track.track_id in must_go]
        faults = [f"{e.track.label} visible in frames {verify.in_ranges(e.frames)}" for e in missed]
        return Proof(faults=faults, looked=looked, learnt=self._learnt(missed))

    def _painted_share(self, frame_index: int) -> float:
        media = self.first.evidence.media
        return sum(box.area_px for box in self.painted_in(frame_index)) / (media.width_px * media.height_px)

    def _unpainted(self) -> list[int]:
        """Frames in which a region that should have been destroyed still shows the source's fine structure."""
        left = []
        for before, after in zip(self.first.pictures, self.copy.pictures, strict=True):
            regions = regions_at(self.painted, before.time_s, before.width_px, before.height_px)
            if any(_is_left(before, after, region.box) for region in regions):
                left.append(before.index)
        return left

    def _exposed(self) -> list[verify.Exposed]:
        """Tracks of the output that show an object outside the paint, as the source confirms."""
        open_tracks = self._open(self.scores)
        if not open_tracks:
            return []
        source: dict[int, list[Detection]] = {}
        while frames := verify.to_confirm(open_tracks, source):
            seen = look_again(self.first.evidence, self.detectors, frames, threads=self.threads)
            source |= {frame: seen.get(frame, []) for frame in frames}
        return verify.shown_by_source(open_tracks, source)

    def _open(self, scores: dict[str, float]) -> list[verify.Exposed]:
        """What lies outside the paint, but for the faces of those who are known, and known again in the copy."""
        after = self.copy.evidence
        found = verify.exposed(after, self.painted_in, scores)
        if self.identifier is None or not found:
            return found
        shown = replace(after, tracks=tuple(e.track for e in found))
        named = self.named(shown, self.identifier, {t.track_id for t in shown.tracks}).tracks
        doubted = [t for t in named if not (t.identity and t.identity.role == "officer")]
        whose = {t.track_id: name for t in doubted if (name := self._kept_where(t))}
        near = [t for t in named if t.track_id in whose]
        against = contradicted(after, near, whose, self.identifier, threads=self.threads) if near else {}

        def may_stay(track: Track, sighting: Sighting) -> bool:
            if track.identity and track.identity.role == "officer":
                return True
            is_other = any(abs(s - sighting.time_s) <= NEAR_S for s in against.get(track.track_id, ()))
            return not is_other and bool(self._kept_at(sighting))

        return verify.without(named, may_stay, scores)

    def _kept_where(self, track: Track) -> str:
        """The name of whoever was kept where a track of the copy stands; empty for nobody."""
        return next((name for s in track.sightings if (name := self._kept_at(s))), "")

    def _kept_at(self, sighting: Sighting) -> str:
        """The name of whoever was kept in that place of that frame."""
        times_us, box = self.first.evidence.coverage.times_us, sighting.detection.box
        if sighting.frame_index >= len(times_us) or sighting.detection.label != FACE:
            return ""
        time_s = Fraction(times_us[sighting.frame_index], 1_000_000)
        for track in self.kept:
            place = track.box_at(time_s)
            if place is not None and place.iou(box) >= SAME_FACE_IOU and track.identity:
                return track.identity.name
        return ""

    def _learnt(self, missed: Sequence[verify.Exposed]) -> list[Track]:
        """The missed tracks, and with them the doubtful ones of their labels: so that the next look ends it."""
        labels = {e.track.label for e in missed}
        if not labels:
            return []
        doubtful = [e for e in self._open(dict.fromkeys(self.scores, 0.0)) if e.track.label in labels]
        return _renumbered([e.track for e in doubtful], self.painted)


def painted_boxes(before: Evidence, painted: Sequence[Track]) -> Callable[[int], list[Box]]:
    """Frame index -> what was painted in it."""
    media, times_us = before.media, before.coverage.times_us

    @cache
    def painted_in(frame_index: int) -> list[Box]:
        if frame_index >= len(times_us):  # a frame too many: nothing was painted there
            return []
        time_s = Fraction(times_us[frame_index], 1_000_000)
        return [r.box for r in regions_at(painted, time_s, media.width_px, media.height_px)]

    return painted_in


def nothing_left(findings: Sequence[Finding]) -> None:
    """Of metadata, that is.

    Raises:
        StripFailed: what is left, by name.
    """
    if names := sorted({f.name for f in findings if f.kind == "tag"}):
        raise StripFailed(f"metadata would not go: {', '.join(names)}")


def _is_left(before: Frame, after: Frame, painted: Box) -> bool:
    """True if a painted region still shows the source's fine structure."""
    x, y = before.scale
    inside = painted.grown(*[INSIDE] * 4)  # what stands at the rim is not painted, and may be bright
    x1, y1, x2, y2 = inside.scaled(1 / x, 1 / y).pixels()
    share = min(1.0, max(PICTURE_PX / max(before.pixels.shape), JUDGED_PX / max(x2 - x1, y2 - y1, 1)))
    parts = [scaled_down(frame.pixels[y1:y2, x1:x2], share) for frame in (before, after)]
    if min(parts[0].shape[:2]) < LEAST_JUDGED_PX:
        return False
    return survival(*parts, size_px=(round(inside.height_px), round(inside.width_px))) > MAX_SURVIVAL


def _renumbered(tracks: Sequence[Track], known: Sequence[Track]) -> list[Track]:
    """Tracks of the second look, numbered on from the known ones, and held longer than those were."""
    first = max((t.track_id for t in known), default=-1) + 1
    return [
        replace(
            track,
            track_id=first + n,
            start_s=max(track.start_s - LEARNT_LEAD_S, Fraction(0)),
            end_s=track.end_s + LEARNT_LEAD_S,
        )
        for n, track in enumerate(tracks)
    ]
