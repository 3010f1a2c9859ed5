"""A few words -> Evidence and Reports for tests of the rooms that see no files."""

from __future__ import annotations

import hashlib
from array import array
from fractions import Fraction
from pathlib import Path

from media_screen.types import (
    Box,
    Coverage,
    Decision,
    Evidence,
    Finding,
    Look,
    MediaInfo,
    ModelInfo,
    Output,
    Reason,
    Report,
    Tag,
    Thumbnail,
    Verdict,
    Verification,
)

SECRET = "26.8467N 80.9462E Gomti Nagar"  # noqa: S105 - a planted tag value: no report may hold it
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

ASKING = """
name: asking
version: 1
title: {en: A, hi: अ}
source: a test
include: [minimal]
rules:
  - {id: ours, clause: 1, action: review, unless: {rights: held}, text: {en: whose is it, hi: किसका}}
"""  # a policy that holds what nobody has answered for


def media(*, name: str = "patrol.mp4", kind: str = "video", width_px: int = 1920, height_px: int = 1080) -> MediaInfo:
    is_video = kind == "video"
    return MediaInfo(
        path=Path("/somewhere/private") / name,
        sha256=hashlib.sha256(b"input").hexdigest(),
        size_bytes=4_718_592,
        kind=kind,
        format="mp4" if is_video else "jpeg",
        media_type="video/mp4" if is_video else "image/jpeg",
        width_px=width_px,
        height_px=height_px,
        frame_count=300 if is_video else 1,
        duration_s=Fraction(12) if is_video else None,
        codec="h264" if is_video else "mjpeg",
        audio_tracks=int(is_video),
    )


def seen(
    label: str = "face", *, score: float = 0.9, first_s: str = "2.44", last_s: str = "5", box: Box | None = None
) -> Finding:
    return Finding(
        kind="track",
        label=label,
        score=score,
        track_id=1,
        first_s=Fraction(first_s),
        last_s=Fraction(last_s),
        box=box or Box(x1=100, y1=100, x2=292, y2=208),  # a hundredth of 1920 x 1080
        best_frame=61,
        sightings=12,
    )


def tagged(kind: str = "location", name: str = "EXIF: GPSLatitude") -> Finding:
    return Finding(kind="tag", label=kind, name=name)


def look(*labels: str, frames: int = 25, detector: str = "faces") -> Look:
    return Look(detector=detector, labels=labels, frames=frames, largest_gap_s=Fraction(1, 2))


def evidence(
    *findings: Finding,
    info: MediaInfo | None = None,
    looks: tuple[Look, ...] = (look("face"),),
    frames: int = 300,
    decode_errors: tuple[str, ...] = (),
    cuts_s: tuple[Fraction, ...] = (),
) -> Evidence:
    info = info or media()
    return Evidence(
        media=info,
        tracks=(),
        tags=tuple(Tag(kind=f.label, name=f.name, place="EXIF", value=SECRET) for f in findings if f.kind == "tag"),
        findings=findings,
        coverage=Coverage(
            frames_decoded=frames,
            times_us=array("q", range(frames)),
            duration_s=Fraction(12) if frames > 1 else Fraction(0),
            audio_tracks=info.audio_tracks,
            cuts_s=cuts_s,
            looks=looks,
            decode_errors=decode_errors,
        ),
        models=(ModelInfo(name="faces", sha256=hashlib.sha256(b"model").hexdigest()),),
    )


def full_report(name: str = "beat 7/patrol.mp4", *, disposition: str = "cleared", note: str = "") -> Report:
    """A report with something in every field; the given text is put wherever a text from outside can come in."""
    found = (
        seen(),
        seen(score=0.71, first_s="7.2", last_s="11.96"),
        tagged(name=f"EXIF: GPSLatitude{note}"),
        tagged("device", "EXIF: Model"),
    )
    return Report(
        name=name,
        source=Path("/somewhere/private") / "source.mp4",
        verdict=Verdict.REDACT,
        disposition=disposition,
        policy="minimal",
        policy_sha256=hashlib.sha256(b"policy").hexdigest(),
        media=media(),
        evidence=evidence(*found),
        decision=Decision(verdict=Verdict.REDACT, reasons=reasons(note)),
        removed=found[2:],
        thumbnails=(Thumbnail(finding=0, jpeg=JPEG), Thumbnail(finding=1, jpeg=JPEG)),
        verification=Verification(passed=True, faults=(), frames_looked=26, renders=1, tracks=2),
        output=Output(
            name=f"cleared/{name}",
            sha256=hashlib.sha256(b"output").hexdigest(),
            size_bytes=4_501_000,
            changed="redacted",
        ),
        timings_s=(("examine", 2.125), ("write", 3.5)),
        notes=(f"the name says .mp4, the content is MP4{note}",),
    )


def reasons(note: str = "") -> tuple[Reason, ...]:
    return (
        Reason(
            rule="faces",
            clause="27, 30",
            text=f"2 faces, first at 0:02.4; accused persons may be shown only with their faces blurred{note}",
            action="redact",
            findings=(0, 1),
            todo=f"Upload only the redacted copy.{note}",
        ),
        Reason(
            rule="location",
            clause="29",
            text="1 location tag; pictures from patrols must not tell where they were taken",
            action="strip",
            findings=(2,),
            todo="Upload only the copy without location.",
        ),
    )


def error_report(name: str = "broken.jpg", message: str = "the bytes do not decode: 0 bytes") -> Report:
    """Of a file about which nothing else is known."""
    return Report(
        name=name,
        source=Path("/somewhere/private") / "broken.jpg",
        verdict=Verdict.ERROR,
        disposition="error",
        policy="minimal",
        policy_sha256="",
        error=message,
        error_type="CorruptMedia",
    )
