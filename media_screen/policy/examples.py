"""An example beside the rules (what is declared, what is found) -> the Decision that the pack comes to on it.

No pixels and no files: the evidence is made up of the few words of the example.
"""

from __future__ import annotations

from array import array
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, get_args

from media_screen.policy import facts
from media_screen.policy.conditions import ROLES, TAG_KINDS, labels
from media_screen.policy.nouns import Expected, Found
from media_screen.policy.ruling import decide, required_labels
from media_screen.types import Coverage, Evidence, Finding, Identity, Look, MediaInfo, MediaKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from media_screen.policy.nouns import Policy
    from media_screen.policy.place import Place
    from media_screen.types import Decision

EXAMPLE_KEYS = ("name", "verdict")
EXAMPLE_EXTRAS = ("facts", "found", "media", "detectors", "clauses", "questions")
FOUND_EXTRAS = ("label", "tag", "role", "score", "first_s", "last_s", "count")
VERDICTS = {str(verdict): verdict for verdict in Verdict}
LENGTH_S = 12  # of the film of an example
FRAMES_A_S = 25


def read_example(document: object, at: Place) -> Expected:
    """One example.

    Raises:
        SettingsError: a word is unknown, missing, or has a value that it cannot have.
    """
    row = at.mapping(document, EXAMPLE_KEYS, EXAMPLE_EXTRAS)
    found = at.key("found").sequence(row["found"]) if row.get("found") else []
    kinds: tuple[MediaKind, ...] = get_args(MediaKind)
    media: Any = at.key("media").one_of(row.get("media", "image"), kinds)
    return Expected(
        name=at.key("name").string(row["name"]),
        facts=facts.read(row["facts"], at.key("facts")) if row.get("facts") else (),
        found=tuple(_found(entry, at.key(f"found[{i}]")) for i, entry in enumerate(found)),
        media=media,
        detectors=_labels(row["detectors"], at.key("detectors")) if "detectors" in row else None,
        verdict=VERDICTS[at.key("verdict").one_of(row["verdict"], VERDICTS)],
        clauses=_strings(row["clauses"], at.key("clauses")) if "clauses" in row else None,
        questions=_strings(row["questions"], at.key("questions")) if "questions" in row else None,
    )


def difference(policy: Policy, example: Expected) -> str:
    """What the pack says otherwise than the example; empty if it says the same."""
    decision = decision_on(policy, example)
    named = {clause for reason in decision.reasons for clause in reason.clause.split(", ") if clause}
    asked = {question.name for question in decision.questions}
    said = []
    if decision.verdict != example.verdict:
        why = ", ".join(r.rule for r in decision.reasons) or "no rule fires"
        said.append(f"verdict {decision.verdict} ({why}), not {example.verdict}")
    if example.clauses is not None and named != set(example.clauses):
        said.append(f"clauses {_names(named)}, not {_names(example.clauses)}")
    if example.questions is not None and asked != set(example.questions):
        said.append(f"questions {_names(asked)}, not {_names(example.questions)}")
    return "; ".join(said)


def decision_on(policy: Policy, example: Expected) -> Decision:
    """The pack's answer."""
    looked_for = required_labels(policy) if example.detectors is None else example.detectors
    return decide(policy, _evidence(example, tuple(sorted(looked_for))), example.facts)


def _evidence(example: Expected, looked_for: tuple[str, ...]) -> Evidence:
    is_video = example.media == "video"
    frames = LENGTH_S * FRAMES_A_S if is_video else 1
    findings = tuple(_finding(found, is_video=is_video) for found in example.found for _ in range(found.count))
    looks = (Look(detector="example", labels=looked_for, frames=frames, largest_gap_s=Fraction(0)),)
    coverage = Coverage(
        frames_decoded=frames,
        times_us=array("q", (n * 1_000_000 // FRAMES_A_S for n in range(frames))),
        duration_s=Fraction(LENGTH_S if is_video else 0),
        audio_tracks=0,
        looks=looks if looked_for else (),
    )
    return Evidence(media=_media(example.media), tracks=(), tags=(), findings=findings, coverage=coverage, models=())


def _media(kind: MediaKind) -> MediaInfo:
    path: Any = PurePath("example")
    return MediaInfo(
        path=path,
        sha256="",
        size_bytes=0,
        kind=kind,
        format="mp4" if kind == "video" else "jpeg",
        media_type="video/mp4" if kind == "video" else "image/jpeg",
        width_px=1920,
        height_px=1080,
    )


def _finding(found: Found, *, is_video: bool) -> Finding:
    if found.kind == "tag":
        return Finding(kind="tag", label=found.label)
    first_s, last_s = (found.first_s, found.last_s) if is_video else (0.0, 0.0)
    return Finding(
        kind="track",
        label=found.label,
        score=found.score,
        first_s=Fraction(first_s),
        last_s=Fraction(last_s),
        identity=Identity(role=found.role),
    )


def _found(document: object, at: Place) -> Found:
    """A label alone, or a mapping that says more."""
    row = {"label": document} if isinstance(document, str) else at.mapping(document, (), FOUND_EXTRAS)
    if ("label" in row) == ("tag" in row):
        at.fault("needs either a label or a tag")
    if "tag" in row:
        return Found(kind="tag", label=at.key("tag").one_of(row["tag"], TAG_KINDS))
    numbers = {key: float(_number(row[key], at.key(key))) for key in ("score", "first_s", "last_s") if key in row}
    count = row.get("count", 1)
    if type(count) is not int or count < 1:
        at.key("count").fault(f"must be a whole number, 1 or more, not {count!r}")
    (label,) = _labels([row["label"]], at.key("label"))
    role: Any = at.key("role").one_of(row.get("role", "unknown"), ROLES)
    return Found(kind="track", label=label, count=count, role=role, **numbers)


def _number(value: object, at: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        at.fault(f"must be a number, 0 or more, not {value!r}")
    return value


def _labels(value: object, at: Place) -> tuple[str, ...]:
    if value == []:
        return ()
    try:
        return labels(value)
    except ValueError as error:
        return at.fault(str(error))


def _strings(value: object, at: Place) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(at.number_or_string(entry) for entry in listed)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
