"""One file, path to Report. The only module that knows every stage.

Examine the file; decide; if it is to be changed, write the changed copy on a workbench beside its target, examine that
copy with the same eyes at other moments, decide again by the same policy, compare, and only then publish; report.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Self

from media_screen import metadata, verify, write
from media_screen.decode import coding_of, stored_box
from media_screen.errors import FileError, LimitExceeded, VerificationFailed
from media_screen.examine import Examined, examine, findings_of, found_again
from media_screen.policy import Policy, decide, waive
from media_screen.policy.labels import GROUPS
from media_screen.probe import probe
from media_screen.recognise import Identifier, recognise
from media_screen.redact import Plane, Redactor, Region, Style, regions_at
from media_screen.second_look import Proof, SecondLook, nothing_left, painted_boxes
from media_screen.thumbnails import thumbnails_of
from media_screen.types import (
    NOBODY,
    Blur,
    BlurMode,
    Decision,
    MediaInfo,
    Output,
    Report,
    Role,
    Track,
    Verdict,
    Verification,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from media_screen.detect import Detector
    from media_screen.types import Detection, EncoderName, Evidence, Fact, Lang

MAX_RENDERS = 4
WAIVED: dict[BlurMode, tuple[Role, ...]] = {
    "policy": (),
    "everyone": (),
    "all-but-officers": ("officer",),
    "nobody": ("officer", "accused", "unknown"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Safe defaults; beyond them a file is an error, never a pass."""

    max_pixels: int = 260_000_000  # of one frame: 200-megapixel phones are honest
    max_animation_pixels: int = 4_000_000_000  # of all frames of a picture that moves
    max_duration_s: Fraction = Fraction(4 * 3600)
    max_memory_mb: int = 6144  # of one worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Screener:
    """Everything built and warm: screen as many files with it as you like."""

    policy: Policy
    detectors: tuple[Detector, ...]
    style: Style = "blur"
    limits: Limits = field(default_factory=Limits)
    keep: frozenset[str] = frozenset()  # words of metadata.WORDS: what is written back into cleaned copies
    threads: int = 0
    on_frame: Callable[[], None] = lambda: None
    declared: Callable[[Path], tuple[Fact, ...]] = lambda _: ()  # of a file: what no picture can tell
    lang: Lang = "en"  # of the pages that are made from a report
    identifier: Identifier | None = None  # None: nobody is known, and nothing is compared
    blur: Blur = field(default_factory=Blur)
    encoder: EncoderName = "software"  # of videos that are encoded as a whole

    @property
    def scores(self) -> dict[str, float]:
        """Operating point of every label that is looked for."""
        return {label: d.spec.score_of(label) for d in self.detectors for label in d.spec.labels}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing outlives a file: a Screener is let go like any object. `with` says for how long it is wanted."""

    def check(self, path: Path, name: str = "") -> Report:
        """Examine and rule; writes nothing."""
        job = _Job(self, path, name or path.name)
        with job.reporting():
            first = job.examine(sparse=True)
            decision = job.decide()
            if decision.verdict == Verdict.PASS and first.evidence.coverage.frames_skipped:
                job.examine()  # nothing passes before every frame was decoded
                job.decide()
        return job.report(disposition="checked")

    def screen(self, path: Path, out: Path, name: str = "", info: MediaInfo | None = None) -> Report:
        """Examine, rule, and write `out`/cleared/name or `out`/held/name if the policy lets the file out.

        Args:
            path: of the file.
            out: the output folder.
            name: below that; the file's own where it is empty.
            info: what `probe` said of the file a moment ago.
        """
        job = _Job(self, path, name or path.name, info)
        with job.reporting():
            first = job.examine(twice=True)
            decision = job.decide()
            if decision.verdict <= Verdict.REVIEW:
                folder = "held" if decision.verdict == Verdict.REVIEW else "cleared"
                job.produce(first, decision, out / folder)
                return job.report(disposition="held" if folder == "held" else "cleared")
        return job.report(disposition="blocked")


class _Job:
    """One file on its way; collects what the report will say."""

    def __init__(self, screener: Screener, path: Path, name: str, info: MediaInfo | None = None) -> None:
        self.screener = screener
        self.path = path
        self.probed = info
        self.timings: dict[str, float] = {}
        self.first: Examined | None = None
        self.tracks: list[Track] = []
        self.identifier = screener.identifier
        self.kept: list[Track] = []  # faces that stay visible because they are known
        self.copied: tuple[range, ...] = ()  # frames of the copy that were not encoded anew
        self.whole = False  # True: encode all of a video, also where nothing is painted
        self.fields = metadata.NOTHING
        self.verified: MediaInfo | None = None  # the copy as the second look found it
        self.error: FileError | None = None
        self.parts = Report(
            name=name,
            source=path,
            verdict=Verdict.ERROR,
            disposition="error",
            policy=screener.policy.name,
            policy_sha256=screener.policy.sha256,
            lang=screener.lang,
            blur=screener.blur,
        )

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """A file that cannot be screened ends in an error report, and nothing else."""
        try:
            yield
        except FileError as error:
            self.error = error

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] = self.timings.get(stage, 0.0) + time.perf_counter() - start

    def examine(self, *, sparse: bool = False, twice: bool = False) -> Examined:
        """Probe, check the limits, look."""
        with self.timed("examine"):
            self.parts = replace(self.parts, facts=self.screener.declared(self.path))
            info = self.probed or probe(self.path)
            self.parts = replace(self.parts, media=info, notes=info.notes)
            _check_limits(info, self.screener.limits)
            if self.identifier is not None:
                self.identifier = self.identifier.fresh()
                self.parts = replace(self.parts, identification=self.identifier.told())
            # single frames can be found again only where none was left out
            found = self._look(info, Fraction(0), sparse=sparse and self.identifier is None, twice=twice)
        with self.timed("identify"):
            self.first = replace(found, evidence=self._identified(found.evidence))
        self.parts = replace(self.parts, evidence=self.first.evidence)
        return self.first

    def decide(self) -> Decision:
        """What the policy says of the evidence."""
        assert self.first is not None  # noqa: S101 - decide() follows examine()
        decision = self._ruled(self.first.evidence)
        self.parts = replace(self.parts, decision=decision, verdict=decision.verdict)
        self.tracks = _to_paint(decision, self.first.evidence)
        painted = {track.track_id for track in self.tracks}
        self.kept = [
            t
            for t in self.first.evidence.tracks
            if t.identity and t.identity.role == "officer" and t.track_id not in painted
        ]
        if decision.verdict == Verdict.ERROR:
            raise FileError("; ".join(r.text for r in decision.reasons if r.action == "error"))
        return decision

    def _ruled(self, evidence: Evidence) -> Decision:
        """What the policy says, but for what a named person let stand."""
        decision = decide(self.screener.policy, evidence, self.parts.facts)
        blur = self.screener.blur
        return waive(decision, evidence, WAIVED[blur.mode]) if blur.by else decision

    def _identified(self, evidence: Evidence) -> Evidence:
        """The same, its faces named and its findings those of what was cut; without a gallery nobody is."""
        if self.identifier is None:
            return evidence
        sure = {f.track_id for f in evidence.findings if f.track_id is not None}
        return found_again(self._named(evidence, self.identifier, sure), self.screener.scores)

    def _named(self, evidence: Evidence, identifier: Identifier, sure: set[int]) -> Evidence:
        named = recognise(evidence, identifier, sure, threads=self.screener.threads)
        if self.screener.blur.mode == "everyone":
            named = replace(named, tracks=tuple(map(_unnamed, named.tracks)))
        return named

    def produce(self, first: Examined, decision: Decision, folder: Path) -> None:
        """Write, verify, publish."""
        target = folder / self.parts.name
        keep, evidence = self.screener.keep, first.evidence
        self.fields, notes = metadata.to_keep(evidence.tags, keep, evidence.media.format)
        with write.workbench(target) as part:
            changed, verification = "redacted", None
            if not self.tracks:
                changed = "stripped" if decision.strips else "copied"
                verification = self._strip(first, part) if decision.strips else self._copy(first, part)
            if verification is None:
                changed, verification = "redacted", self._redact(first, part)
            assert self.verified is not None  # noqa: S101 - each of the three sets it
            with self.timed("publish"):
                write.publish(part, target)
        output = Output(
            name=f"{folder.name}/{self.parts.name}",
            sha256=self.verified.sha256,
            size_bytes=self.verified.size_bytes,
            changed=changed,  # type: ignore[arg-type]
        )
        if changed != "copied":
            removed = tuple(f for f in evidence.findings if f.kind == "tag")
            self.parts = replace(self.parts, removed=removed, notes=(*self.parts.notes, *notes))
        self.parts = replace(self.parts, output=output, verification=verification)

    def report(self, disposition: str) -> Report:
        """What is known by now."""
        timings = tuple((stage, round(seconds, 4)) for stage, seconds in self.timings.items())
        if self.error is not None:
            return replace(
                self.parts,
                verdict=Verdict.ERROR,
                disposition="error",
                error=str(self.error),
                error_type=type(self.error).__name__,
                timings_s=timings,
            )
        thumbnails = thumbnails_of(self.first, self.tracks, self.kept) if self.first else ()
        return replace(self.parts, disposition=disposition, thumbnails=thumbnails, timings_s=timings)  # type: ignore[arg-type]

    # --- the three ways to make an output ---

    def _copy(self, first: Examined, part: Path) -> Verification | None:
        """The same bytes; None where a second look at faces that were kept sees what has to be painted."""
        assert self.parts.media is not None  # noqa: S101
        with self.timed("write"):
            write.copy(self.path, part)
        self.verified = probe(part)
        if self.verified.sha256 != self.parts.media.sha256:
            raise VerificationFailed("the file changed while it was screened")
        looked = 0
        if self.kept:
            self.copied = (range(first.evidence.coverage.frames_decoded),)
            second = self._verify(first, part)
            looked = second.looked
            if self._has_learnt(second):
                return None
        return Verification(passed=True, faults=(), frames_looked=looked, renders=0)

    def _strip(self, first: Examined, part: Path) -> Verification | None:
        """Metadata alone; None where the second look sees what the first one missed and a rule redacts."""
        with self.timed("write"):
            metadata.handler_for(first.evidence.media.format).strip(self.path, part, self.fields)
        frames = first.evidence.coverage.frames_decoded
        if self._holds_the_same_film(first.evidence, part):
            return Verification(
                passed=True, faults=(), frames_looked=0, renders=0, frames_verified=frames, frames_identical=frames
            )
        self.copied = (range(frames),)
        second = self._verify(first, part)
        if self._has_learnt(second):
            return None
        return Verification(passed=True, faults=(), frames_looked=second.looked, renders=0, frames_verified=frames)

    def _holds_the_same_film(self, before: Evidence, part: Path) -> bool:
        """True if nothing was to be seen, and the copy has the very packets that were decoded and looked at.

        A second look would then see the same pictures at moments at which the first has looked, too. What lies around
        the packets is read anew. Wherever it is not quite so, the copy is looked at like any other.

        Raises:
            StripFailed: metadata is left.
        """
        is_empty = not self.kept and not any(f.kind == "track" for f in before.findings)
        if not is_empty or not before.coverage.coding or before.coverage.frames_skipped:
            return False
        with self.timed("verify"):
            self.verified = info = probe(part)
            if coding_of(info) != before.coverage.coding or info.orientation != before.media.orientation:
                return False
            after = replace(
                before, media=info, coverage=replace(before.coverage, audio_tracks=info.audio_tracks), findings=()
            )
            if verify.structure_faults(before, after):
                return False
            tags = metadata.remaining(metadata.read(part, info.format), self.screener.keep)
            nothing_left(findings_of((), tags, {}))
        return True

    def _has_learnt(self, second: Proof) -> bool:
        """True if the second look saw what the first had missed: then it is painted, and said."""
        if second.learnt:
            self.tracks = second.learnt
            missed = f"the second look saw what the first had missed, and it was painted: {'; '.join(second.faults)}"
            self.parts = replace(self.parts, notes=(*self.parts.notes, missed))
        elif second.faults:
            raise VerificationFailed("; ".join(second.faults))
        return bool(second.learnt)

    def _redact(self, first: Examined, part: Path) -> Verification:
        for renders in range(1, MAX_RENDERS + 1):
            with self.timed("write"):
                self._render(first, part)
            second = self._verify(first, part)
            if not second.faults:
                return Verification(
                    passed=True,
                    faults=(),
                    frames_looked=second.looked,
                    renders=renders,
                    tracks=len(self.tracks),
                    frames_verified=first.evidence.coverage.frames_decoded,
                    longest_gap_s=max((t.longest_gap_s for t in self.tracks), default=Fraction(0)),
                )
            if not second.learnt and (self.whole or not self.copied):
                break
            self.whole = self.whole or not second.learnt  # what was spliced is not as it should be: no seams, then
            self.tracks += second.learnt
        raise VerificationFailed("; ".join(second.faults))

    def _render(self, first: Examined, part: Path) -> None:
        info, strip = first.evidence.media, metadata.handler_for(first.evidence.media.format).strip
        redactor, self.copied = Redactor(style=self.screener.style), ()

        def regions(time_s: Fraction) -> list[Region]:
            return regions_at(self.tracks, time_s, info.width_px, info.height_px)

        def paint(planes: list[Plane], time_s: Fraction, orientation: int) -> None:
            redactor.paint(planes, [_stored(r, orientation, info) for r in regions(time_s)])

        if info.kind == "image":
            seen = first.pictures[0].pixels if len(first.pictures) == 1 else None
            write.redact_still(info, paint, part, seen=seen)
            strip(part, part, self.fields)
            return
        raw = part.with_name(f"{part.stem}.raw{part.suffix}")
        try:
            is_painted = None if self.whole else lambda time_s: bool(regions(time_s))
            s = self.screener
            written = write.redact_video(info, paint, raw, is_painted=is_painted, threads=s.threads, encoder=s.encoder)
            self.copied = written.copied
            self.parts = replace(self.parts, notes=(*info.notes, *written.notes))
            strip(raw, part, self.fields)
        finally:
            raw.unlink(missing_ok=True)

    def _verify(self, first: Examined, part: Path) -> Proof:
        """The written file, seen with the same eyes."""
        s = self.screener
        with self.timed("verify"):
            painted_in = painted_boxes(first.evidence, self.tracks)
            self.verified = probe(part)
            copy = self._look(
                self.verified,
                Fraction(1, 2),
                pictures_of={p.index for p in first.pictures},
                is_settled=lambda frame, detection: verify.is_covered(frame, detection, painted_in),
            )
            look = SecondLook(
                first=first,
                copy=copy,
                painted=self.tracks,
                kept=self.kept,
                copied=self.copied,
                painted_in=painted_in,
                detectors=s.detectors,
                scores=s.scores,
                identifier=self.identifier,
                named=self._named,
                ruled=self._ruled,
                threads=s.threads,
            )
            return look.proof()

    def _look(
        self,
        info: MediaInfo,
        phase: Fraction,
        *,
        sparse: bool = False,
        twice: bool = False,
        pictures_of: Collection[int] | None = None,
        is_settled: Callable[[int, Detection], bool] = lambda _frame, _detection: False,
    ) -> Examined:
        s = self.screener
        return examine(
            info,
            s.detectors,
            phase=phase,
            sparse=sparse,
            twice=twice,
            pictures_of=pictures_of,
            is_settled=is_settled,
            threads=s.threads,
            max_duration_s=s.limits.max_duration_s,
            keep=s.keep,
            on_frame=s.on_frame,
        )


def _check_limits(info: MediaInfo, limits: Limits) -> None:
    frame_pixels = info.width_px * info.height_px
    if frame_pixels > limits.max_pixels:
        raise LimitExceeded(
            f"{info.width_px} x {info.height_px} pixels; the limit is {limits.max_pixels} (setting max_pixels)"
        )
    if info.kind == "image" and frame_pixels * (info.frame_count or 1) > limits.max_animation_pixels:
        raise LimitExceeded(
            f"{info.frame_count} frames of {info.width_px} x {info.height_px} pixels; the limit for all of them"
            f" is {limits.max_animation_pixels} (setting max_animation_pixels)"
        )
    if info.duration_s and info.duration_s > limits.max_duration_s:
        raise LimitExceeded(
            f"{float(info.duration_s):.0f} s long; the limit is {float(limits.max_duration_s):.0f} s"
            " (setting max_duration_s)"
        )


def _to_paint(decision: Decision, evidence: Evidence) -> list[Track]:
    """The tracks that a rule redacts, and as a precaution the doubtful ones of the same labels.

    A doubtful track is no finding by itself, but encoding may make it look clearer in the copy than in the source.
    """
    named = [evidence.findings[i] for i in decision.redact_tracks]
    ids, labels = {f.track_id for f in named}, {f.label for f in named}
    certain = {f.track_id for f in evidence.findings}
    painted = [t for t in evidence.tracks if t.track_id in ids or (t.label in labels and t.track_id not in certain)]
    return [*painted, *_figures([t for t in painted if t.identity and t.identity.role == "protected"], evidence, ids)]


def _figures(protected: Sequence[Track], evidence: Evidence, ids: Collection[int | None]) -> list[Track]:
    """The whole figures of whoever is protected, as far as a detector sees them; the head's region is enlarged too."""
    heads = [(s.time_s, s.detection.box) for t in protected for s in t.sightings]
    return [
        figure
        for figure in evidence.tracks
        if figure.label in GROUPS["people"]
        and figure.track_id not in ids
        and any((box := figure.box_at(time_s)) and box.overlap_px(head) > head.area_px / 2 for time_s, head in heads)
    ]


def _unnamed(track: Track) -> Track:
    """An officer as anybody: everyone is to be blurred."""
    is_officer = track.identity is not None and track.identity.role == "officer"
    return replace(track, identity=NOBODY) if is_officer else track


def _stored(region: Region, orientation: int, info: MediaInfo) -> Region:
    return replace(region, box=stored_box(region.box, orientation, info.width_px, info.height_px))
