"""The nouns. Frozen, slotted, keyword-only; imports nothing of ours.

Conventions, everywhere:
  pictures   RGB uint8 (height, width, 3), upright, read-only, possibly scaled down; the frame knows its full size
  boxes      x1 y1 x2 y2 in pixels of the upright full-size frame, origin top left, x2/y2 exclusive
  time       exact seconds since the first frame, as a Fraction
  scores     floats in 0..1
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

MediaKind = Literal["image", "video"]
TagKind = Literal["location", "time", "device", "person", "picture", "text", "unknown"]
KeepWord = Literal["copyright", "creator", "description", "date", "device"]  # metadata that may be asked to stay
Lang = Literal["en", "hi"]
EncoderName = Literal["software", "nvenc", "qsv", "videotoolbox", "amf"]  # what encodes videos; the rest is hardware
ENCODER_NAMES: tuple[str, ...] = get_args(EncoderName)
Role = Literal["officer", "accused", "protected", "unknown"]
BlurMode = Literal["policy", "everyone", "all-but-officers", "nobody"]


class Verdict(IntEnum):
    """From mild to strict; the strictest reason wins."""

    PASS = 0
    REDACT = 1
    REVIEW = 2
    BLOCK = 3
    ERROR = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels of the upright full-size frame; x2 and y2 are exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x1 + self.y1 + self.x2 + self.y2) and self.x1 <= self.x2 and self.y1 <= self.y2):
            raise ValueError(f"not a box: {self.x1}, {self.y1}, {self.x2}, {self.y2}")

    @property
    def width_px(self) -> float:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height_px(self) -> float:
        """Height in pixels."""
        return self.y2 - self.y1

    @property
    def area_px(self) -> float:
        """Area in square pixels."""
        return self.width_px * self.height_px

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def pixels(self) -> tuple[int, int, int, int]:
        """The whole pixels the box touches, rounded outwards."""
        return math.floor(self.x1), math.floor(self.y1), math.ceil(self.x2), math.ceil(self.y2)

    def scaled(self, x: float, y: float) -> Box:
        """Every coordinate multiplied, for a picture of another size."""
        return Box(x1=self.x1 * x, y1=self.y1 * y, x2=self.x2 * x, y2=self.y2 * y)

    def grown(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Larger by these shares of the box's own width and height."""
        w, h = self.width_px, self.height_px
        return Box(x1=self.x1 - left * w, y1=self.y1 - top * h, x2=self.x2 + right * w, y2=self.y2 + bottom * h)

    def clipped(self, width_px: float, height_px: float) -> Box:
        """Cut to the frame; a box wholly outside becomes empty, on the frame's edge."""
        return Box(
            x1=min(max(self.x1, 0), width_px),
            y1=min(max(self.y1, 0), height_px),
            x2=min(max(self.x2, 0), width_px),
            y2=min(max(self.y2, 0), height_px),
        )

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            x1=min(self.x1, other.x1),
            y1=min(self.y1, other.y1),
            x2=max(self.x2, other.x2),
            y2=max(self.y2, other.y2),
        )

    def overlap_px(self, other: Box) -> float:
        """Area in square pixels shared with the other box."""
        w = min(self.x2, other.x2) - max(self.x1, other.x1)
        h = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(w, 0.0) * max(h, 0.0)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        shared = self.overlap_px(other)
        total = self.area_px + other.area_px - shared
        return shared / total if total > 0 else 0.0

    def between(self, other: Box, share: float) -> Box:
        """The box `share` of the way (0..1) from this one to the other."""
        return Box(
            x1=self.x1 + (other.x1 - self.x1) * share,
            y1=self.y1 + (other.y1 - self.y1) * share,
            x2=self.x2 + (other.x2 - self.x2) * share,
            y2=self.y2 + (other.y2 - self.y2) * share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What the file says of itself: headers and digest."""

    path: Path
    sha256: str
    size_bytes: int
    kind: MediaKind
    format: str  # one of probe.FORMATS: jpeg png webp tiff bmp gif heif avif, mp4 matroska avi mpegts
    media_type: str  # IANA, from the content: "image/jpeg"
    width_px: int  # upright
    height_px: int  # upright
    orientation: int = 1  # EXIF 1..8; for a video the equivalent of its display matrix
    frame_count: int | None = None  # as the header states; None where it does not
    duration_s: Fraction | None = None
    codec: str = ""
    pixel_format: str = ""
    bit_depth: int = 8
    pixel_aspect: Fraction = Fraction(1)  # of a stored pixel, width to height
    audio_tracks: int = 0
    notes: tuple[str, ...] = ()  # "the name says .jpg, the content is PNG"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One upright picture at one exact time, scaled down to what the detectors asked for."""

    index: int
    time_s: Fraction
    pixels: Picture
    width_px: int  # of the full-size upright frame
    height_px: int

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or str(self.pixels.dtype) != "uint8":
            raise ValueError(f"a picture is uint8 (h, w, 3), not {self.pixels.dtype} {self.pixels.shape}")
        self.pixels.setflags(write=False)

    @property
    def scale(self) -> tuple[float, float]:
        """Full-size pixels per picture pixel, (x, y); the two differ where pixels are not square."""
        return self.width_px / self.pixels.shape[1], self.height_px / self.pixels.shape[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that looked: enough to say which weights a verdict rests on."""

    name: str
    sha256: str
    provider: str = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One object in one frame."""

    label: str
    score: float
    box: Box
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Where and when a track was seen."""

    frame_index: int
    time_s: Fraction
    detection: Detection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portrait:
    """A face cut out of its frame with some of what surrounds it: what an embedding is made from."""

    pixels: Picture
    box: Box  # of the face, in pixels of this cut-out
    size_px: float  # longer side of the face in the full-size frame


Unsure = Literal["", "too-poor", "nobody-near", "in-between", "two-alike", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a track shows, by comparison with a gallery. Whoever is not known for certain is unknown.

    Distances are the embedding's own; `margin` is by how much every other enrolled person is farther away. `take` is
    how far the face is from where the same film shows the person for certain, if only that tells: None otherwise.
    `smeared`: most looks are so, by motion, and were compared with smeared photos, at the distance that holds for them.
    """

    role: Role = "unknown"
    name: str = ""  # as enrolled
    distance: float | None = None
    margin: float | None = None
    take: float | None = None
    smeared: bool = False
    looks: int = 0  # sightings good enough to be compared
    agreeing: int = 0  # those of them that say so each by itself
    unsure: Unsure = ""  # why nobody


NOBODY = Identity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """With what faces were compared, so that a report can say it."""

    embedding: str
    gallery_sha256: str
    counts: tuple[tuple[Role, int], ...]  # people whose enrolment holds today, by role
    expired: int = 0  # people whose enrolment does not hold any more
    distance: float = 0.0  # farther away, nobody is known
    smeared: float = 0.0  # the same of looks that are smeared by motion
    margin: float = 0.0
    absent: str = ""  # why nothing was compared, so that everyone is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """Whose faces are blurred, where somebody asked for another rule than the policy's; who signed that, and why."""

    mode: BlurMode = "policy"
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One object through time.

    Between two sightings its box is interpolated; before the first and after the last it is held
    until `start_s` / `end_s` (lead-in and lead-out, cut at scene changes).
    """

    track_id: int
    label: str
    sightings: tuple[Sighting, ...]
    start_s: Fraction
    end_s: Fraction
    identity: Identity | None = None  # None: it was not compared with anybody

    @property
    def best(self) -> Sighting:
        """The sighting with the highest score."""
        return max(self.sightings, key=lambda s: s.detection.score)

    @property
    def score(self) -> float:
        """The highest score of any sighting."""
        return self.best.detection.score

    @property
    def longest_gap_s(self) -> Fraction:
        """The longest time between two sightings, in which the box is interpolated."""
        times_s = [s.time_s for s in self.sightings]
        return max((b - a for a, b in pairwise(times_s)), default=Fraction(0))

    def box_at(self, time_s: Fraction) -> Box | None:
        """Interpolated box at a time, or None where the track is not present."""
        if not self.start_s <= time_s <= self.end_s:
            return None
        # bisect by hand: a key function over Fractions is slow, and tracks are walked once per frame
        low, high = 0, len(self.sightings) - 1
        if time_s <= self.sightings[low].time_s:
            return self.sightings[low].detection.box
        if time_s >= self.sightings[high].time_s:
            return self.sightings[high].detection.box
        while high - low > 1:
            middle = (low + high) // 2
            if self.sightings[middle].time_s <= time_s:
                low = middle
            else:
                high = middle
        a, b = self.sightings[low], self.sightings[high]
        return a.detection.box.between(b.detection.box, float((time_s - a.time_s) / (b.time_s - a.time_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One piece of metadata. The value is for the eyes of `metadata --values` only and never enters a report."""

    kind: TagKind
    name: str  # "GPSLatitude", "com.apple.quicktime.location.ISO6709", "thumbnail"
    place: str  # where it stands: "EXIF", "XMP", "udta", "track 3", "after end"
    value: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact a policy may rule on: a track (label) or a tag (tag kind), never a tag's value."""

    kind: Literal["track", "tag"]
    label: str  # detector label, or tag kind
    score: float = 1.0
    name: str = ""  # tag name and place; empty for a track
    track_id: int | None = None
    first_s: Fraction | None = None
    last_s: Fraction | None = None
    box: Box | None = None  # at its best sighting
    best_frame: int | None = None
    sightings: int = 0
    identity: Identity | None = None

    @property
    def role(self) -> Role:
        """Of the person whom it shows; unknown, too, where nobody compared."""
        return self.identity.role if self.identity else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How much one detector saw."""

    detector: str
    labels: tuple[str, ...]
    frames: int
    largest_gap_s: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Proof of work. "Nothing found" without it means nothing."""

    frames_decoded: int
    frames_skipped: int = 0  # those to which no other refers, where a ruling alone was asked for
    times_us: array[int]  # presentation time of every frame, microseconds since the first
    duration_s: Fraction
    audio_tracks: int
    cuts_s: tuple[Fraction, ...] = ()
    looks: tuple[Look, ...] = ()
    decode_errors: tuple[str, ...] = ()
    lights: array[int] = field(default_factory=lambda: array("B"))  # of a film: mean luma of each patch of each frame
    coding: str = ""  # digest of all that the decoder was given, where a film was read to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a policy sees."""

    media: MediaInfo
    tracks: tuple[Track, ...]
    tags: tuple[Tag, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    models: tuple[ModelInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a person declared, because no picture can tell it. The policy room knows the names and their values."""

    name: str
    value: str
    reference: str = ""  # of an approval
    by: str = ""  # who vouches for it
    text: str = ""  # the same in plain words
    text_hi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What nobody has answered yet, and how to answer it. Until then the stricter reading holds."""

    name: str  # of the fact; "sight" where a person has to look because no detector does
    text: str
    text_hi: str
    answer: str  # the option that declares it; empty where only a release answers
    clauses: tuple[str, ...]


Action = Literal["redact", "strip", "review", "block", "note", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: one rule that fired, in words a person can act on."""

    rule: str
    clause: str
    text: str
    action: Action
    findings: tuple[int, ...]  # positions in Evidence.findings
    todo: str = ""
    text_hi: str = ""
    todo_hi: str = ""
    questions: tuple[str, ...] = ()  # names of the open questions that could settle it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The policy's answer; the verdict is the strictest of its reasons."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    questions: tuple[Question, ...] = ()
    unseen: tuple[str, ...] = ()  # labels that some rule asks a person about, for no detector looks for them

    @property
    def redact_tracks(self) -> frozenset[int]:
        """Positions in Evidence.findings whose track is to be painted over."""
        return frozenset(i for r in self.reasons if r.action == "redact" for i in r.findings)

    @property
    def strips(self) -> bool:
        """True if metadata has to go."""
        return any(r.action == "strip" for r in self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small JPEG of a finding, everything that is redacted in it already redacted."""

    finding: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the second look at the written file said."""

    passed: bool
    faults: tuple[str, ...]
    frames_looked: int
    renders: int
    tracks: int = 0
    frames_verified: int = 0  # compared with the source's: decoded anew, or by their packets
    frames_identical: int = 0  # those of them whose very packets were examined already, in the source
    longest_gap_s: Fraction = Fraction(0)  # between two sightings of a painted track, covered all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The file that was written."""

    name: str  # relative to the output folder, "/" between parts
    sha256: str
    size_bytes: int
    changed: Literal["copied", "stripped", "redacted"]


Disposition = Literal["cleared", "held", "blocked", "error", "checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything said of one input. JSON is made from it, HTML from the JSON.

    `verdict` is of the input as it stands; `disposition` says where it went ("checked": nothing was written).
    """

    name: str  # as the user knows it: relative to its input folder
    source: Path
    verdict: Verdict
    disposition: Disposition
    policy: str
    policy_sha256: str
    media: MediaInfo | None = None
    evidence: Evidence | None = None
    decision: Decision | None = None
    removed: tuple[Finding, ...] = ()  # metadata that had to go: names and kinds
    thumbnails: tuple[Thumbnail, ...] = ()
    verification: Verification | None = None
    output: Output | None = None
    error: str | None = None
    error_type: str | None = None
    timings_s: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    identification: Identification | None = None  # None: no gallery was given
    blur: Blur = field(default_factory=Blur)
    lang: Lang = "en"  # of the pages that are made from it; the JSON has both
