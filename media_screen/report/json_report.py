"""Report -> the JSON document that schema.json describes. Names and kinds of metadata, never a value; no paths."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from media_screen import __version__

if TYPE_CHECKING:
    from fractions import Fraction

    from media_screen.types import Coverage, Decision, Fact, Finding, Identity, Question, Reason, Report

SCHEMA_VERSION = 1
Document = dict[str, Any]
PICTURE = ".thumbnail.jpg"  # after the input's name: what the index shows
_JPEG = "data:image/jpeg;base64,"


def render(report: Report) -> str:
    """The document as text."""
    return dumps(document(report))


def dumps(doc: Document) -> str:
    """The text of a document; the same document gives the same bytes."""
    return json.dumps(doc, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def document(report: Report) -> Document:
    """All that is said of one input, as plain JSON values."""
    decision, evidence = report.decision, report.evidence
    doc = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "media-screen", "version": __version__},
        "lang": report.lang,
        "input": _input(report),
        "verdict": str(report.verdict),
        "disposition": report.disposition,
        "reasons": [_reason(reason) for reason in decision.reasons] if decision else [],
        "questions": [_question(question) for question in decision.questions] if decision else [],
        "facts": [fact(each) for each in report.facts],
        "identification": _identification(report),
        "blur": _blur(report),
        "findings": _findings(report),
        "removed": [{"kind": finding.label, "name": finding.name} for finding in report.removed],
        "coverage": _coverage(evidence.coverage, decision) if evidence else None,
        "verification": _verification(report),
        "output": _output(report),
        "release": None,
        "models": [
            {"name": model.name, "sha256": model.sha256, "provider": model.provider}
            for model in (evidence.models if evidence else ())
        ],
        "policy": {"name": report.policy, "sha256": report.policy_sha256 or None},
        "error": None if report.error is None else {"type": report.error_type or "", "message": report.error},
        "notes": list(dict.fromkeys((*report.notes, *(report.media.notes if report.media else ())))),
        "timings_s": {stage: _rounded(seconds, 4) for stage, seconds in report.timings_s},
    }
    cleaned: Document = clean(doc)
    return cleaned


def slim(doc: Document) -> Document:
    """The same at a tenth of the size: its one picture by address, as the index shows it."""
    shown = _picture_of(doc)
    address = f"reports/{doc['input']['url']}{PICTURE}"
    findings = [finding | {"thumbnail": address if n == shown else None} for n, finding in enumerate(doc["findings"])]
    return doc | {"findings": findings}


def picture(doc: Document) -> bytes | None:
    """The thumbnail of the gravest reason that has one."""
    shown = _picture_of(doc)
    return None if shown is None else base64.b64decode(doc["findings"][shown]["thumbnail"].removeprefix(_JPEG))


def _picture_of(doc: Document) -> int | None:
    findings = doc["findings"]
    named = [n for reason in doc["reasons"] for n in reason["findings"] if n < len(findings)]
    return next((n for n in named if (findings[n]["thumbnail"] or "").startswith(_JPEG)), None)


def url_of(name: str) -> str:
    """A relative path as a relative URL. Exact, too, for a name that is not valid Unicode."""
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which only Windows lets a name have
        raw = name.encode("utf-8", "surrogatepass")
    return quote(raw, safe="/")


def _input(report: Report) -> Document:
    media, coverage = report.media, report.evidence.coverage if report.evidence else None
    named = {"name": report.name, "url": url_of(report.name)}
    if media is None:
        return named
    duration_s = media.duration_s or (coverage.duration_s if coverage else None) or None
    return named | {
        "sha256": media.sha256,
        "size_bytes": media.size_bytes,
        "kind": media.kind,
        "format": media.format,
        "media_type": media.media_type,
        "width_px": media.width_px,
        "height_px": media.height_px,
        "orientation": media.orientation,
        "duration_s": _seconds(duration_s),
        "frames": coverage.frames_decoded + coverage.frames_skipped if coverage else media.frame_count,
        "codec": media.codec,
        "audio_tracks": media.audio_tracks,
    }


def _reason(reason: Reason) -> Document:
    return {
        "rule": reason.rule,
        "clause": reason.clause,
        "text": reason.text,
        "text_hi": reason.text_hi or reason.text,
        "action": reason.action,
        "todo": reason.todo,
        "todo_hi": reason.todo_hi or reason.todo,
        "findings": list(reason.findings),
        "questions": list(reason.questions),
    }


def _question(question: Question) -> Document:
    return {
        "name": question.name,
        "text": question.text,
        "text_hi": question.text_hi,
        "answer": question.answer,
        "clauses": list(question.clauses),
    }


def fact(fact: Fact) -> Document:
    """What was declared."""
    return {
        "name": fact.name,
        "value": fact.value,
        "reference": fact.reference,
        "by": fact.by,
        "text": fact.text,
        "text_hi": fact.text_hi,
    }


def _findings(report: Report) -> list[Document]:
    if report.evidence is None:
        return []
    pictures = {thumbnail.finding: thumbnail.jpeg for thumbnail in report.thumbnails}
    return [_finding(finding, pictures.get(n)) for n, finding in enumerate(report.evidence.findings)]


def _identification(report: Report) -> Document | None:
    told = report.identification
    return (
        None
        if told is None
        else {
            "embedding": told.embedding,
            "gallery_sha256": told.gallery_sha256,
            "people": dict(told.counts),
            "expired": told.expired,
            "distance": _rounded(told.distance, 4),
            "smeared": _rounded(told.smeared, 4),
            "margin": _rounded(told.margin, 4),
            "absent": told.absent,
        }
    )


def _blur(report: Report) -> Document | None:
    blur = report.blur
    return None if blur.mode == "policy" else {"mode": blur.mode, "by": blur.by, "reason": blur.reason}


def _identity(identity: Identity | None) -> Document | None:
    """Names of those alone who may be seen: whoever is hidden is not named either."""
    return (
        None
        if identity is None
        else {
            "name": identity.name if identity.role == "officer" else "",
            "distance": None if identity.distance is None else _rounded(identity.distance, 4),
            "margin": None if identity.margin is None else _rounded(identity.margin, 4),
            "take": None if identity.take is None else _rounded(identity.take, 4),
            "smeared": identity.smeared,
            "looks": identity.looks,
            "agreeing": identity.agreeing,
            "unsure": identity.unsure,
        }
    )


def _finding(finding: Finding, jpeg: bytes | None) -> Document:
    box = finding.box
    return {
        "kind": finding.kind,
        "label": finding.label,
        "name": finding.name,
        "score": _rounded(finding.score, 4),
        "first_s": _seconds(finding.first_s),
        "last_s": _seconds(finding.last_s),
        "box": None if box is None else [_rounded(side, 2) for side in (box.x1, box.y1, box.x2, box.y2)],
        "best_frame": finding.best_frame,
        "sightings": finding.sightings,
        "role": finding.role,
        "identity": _identity(finding.identity),
        "thumbnail": None if jpeg is None else _JPEG + base64.b64encode(jpeg).decode("ascii"),
    }


def _coverage(coverage: Coverage, decision: Decision | None) -> Document:
    return {
        "frames_decoded": coverage.frames_decoded,
        "frames_skipped": coverage.frames_skipped,
        "duration_s": _seconds(coverage.duration_s),
        "audio_tracks": coverage.audio_tracks,
        "cuts_s": [_seconds(cut) for cut in coverage.cuts_s],
        "detectors": [
            {
                "detector": look.detector,
                "labels": list(look.labels),
                "frames_looked": look.frames,
                "largest_gap_s": _seconds(look.largest_gap_s),
            }
            for look in coverage.looks
        ],
        "unseen": list(decision.unseen) if decision else [],
        "decode_errors": list(coverage.decode_errors),
    }


def _verification(report: Report) -> Document | None:
    verification = report.verification
    return (
        None
        if verification is None
        else {
            "passed": verification.passed,
            "faults": list(verification.faults),
            "frames_looked": verification.frames_looked,
            "renders": verification.renders,
            "tracks": verification.tracks,
            "frames_verified": verification.frames_verified,
            "frames_identical": verification.frames_identical,
            "longest_gap_s": _seconds(verification.longest_gap_s),
        }
    )


def _output(report: Report) -> Document | None:
    output = report.output
    return (
        None
        if output is None
        else {
            "name": output.name,
            "url": url_of(output.name),
            "sha256": output.sha256,
            "size_bytes": output.size_bytes,
            "changed": output.changed,
        }
    )


def _seconds(time_s: Fraction | None) -> float | None:
    return None if time_s is None else _rounded(float(time_s), 6)


def _rounded(number: float, digits: int) -> float:
    return round(float(number), digits) + 0.0  # -0.0 + 0.0 is 0.0: the sign of nothing says nothing


def clean(value: Any) -> Any:
    """Lone surrogates, which file names may hold, become visible escapes: the text stays valid UTF-8 and valid JSON."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [clean(entry) for entry in value]
    if isinstance(value, dict):
        return {clean(key): clean(entry) for key, entry in value.items()}
    return value
