"""JSON document -> the words that every human-readable format says alike: headline, sentences, times, sizes."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from media_screen.report.json_report import Document

# Joiners, without which Hindi conjuncts and emoji families fall apart; every other invisible character is shown.
_JOINERS = "\u200c\u200d"
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

TAG_KINDS = {
    "location": "Location",
    "time": "Date and time",
    "device": "Camera or phone",
    "person": "Person",
    "picture": "Hidden picture",
    "text": "Text",
    "unknown": "Unknown meaning",
}
ACTIONS = {
    "redact": "Blurred",
    "strip": "Removed",
    "review": "Human review",
    "block": "Blocked",
    "note": "Note",
    "error": "Error",
}
ACTIONS_DUE = ACTIONS | {"redact": "To be blurred", "strip": "To be removed"}
CHANGED = {
    "copied": "unchanged, byte for byte",
    "stripped": "metadata removed",
    "redacted": "redacted, metadata removed",
}
WAYS_OUT = {
    "CorruptMedia": "Get the file again from the phone or the sender: this one is damaged or incomplete.",
    "UnsupportedMedia": "Save it as JPEG, or as MP4 with H.264, and screen that.",
    "SidecarInvalid": "Mend the file of declared facts that is named, and screen it again.",
    "LimitExceeded": "Cut it shorter or smaller, or raise the limit that is named.",
    "DetectorFailed": "Run media-screen doctor; it says which part does not work.",
    "StripFailed": "Save it anew as JPEG or MP4, and screen that.",
    "WriteFailed": "See to the output folder and its disk, and run again.",
    "VerificationFailed": "Do not upload it. Cut the frames that are named, or blur them by hand, and screen it again.",
    "WorkerDied": "Screen it alone; if that fails too, save it anew as JPEG or MP4.",
    "Interrupted": "Run the same command again.",
    "OutOfMemory": "Screen it with --jobs 1 or more memory, or save it smaller.",
    "FileError": "See to the file and its rights, and run again.",
}
ANSWERED_BY_RELEASE = "only the person who releases it can answer"
QUESTIONS_MEAN = "As long as they are open, the stricter reading holds. Declare the answers and screen the file again."
# (tone, headline, what it means); what is known least is forbidden most
_ERROR = ("error", "Could not be screened", "What is in this file is not known for certain: do not upload it.")
_BLOCK = ("block", "Must not be uploaded", "The rules forbid it. No copy was made.")
_DISPOSITIONS = {
    "cleared": ("pass", "May be uploaded", "It is within the rules of this policy."),
    "held": ("review", "Held: a person must decide", "Do not upload the copy until a person has released it."),
    "blocked": _BLOCK,
    "error": _ERROR,
}
_VERDICTS = {
    "pass": ("pass", "Nothing to change", "No rule of this policy objects to the file as it stands."),
    "redact": (
        "redact",
        "Must be redacted first",
        "Do not upload the file as it stands; media-screen batch makes the copy.",
    ),
    "review": ("review", "A person must decide", "Do not upload the file before the questions are answered."),
    "block": ("block", "Must not be uploaded", "The rules forbid it."),
    "error": _ERROR,
}
_COPIES = {
    "copied": "The file is within the rules as it is; nothing had to be changed.",
    "stripped": "Upload the cleaned copy, not the original.",
    "redacted": "Upload the redacted copy, not the original.",
}


def banner(doc: Document) -> tuple[str, str, str]:
    """(tone, headline, what it means)."""
    if doc["disposition"] == "checked":
        return _VERDICTS[doc["verdict"]]
    if doc["verification"] and not doc["verification"]["passed"]:
        return _ERROR  # should never get this far; if it does, the page must not be green
    tone, headline, meaning = _DISPOSITIONS[doc["disposition"]]
    if doc["disposition"] == "cleared" and doc["output"]:
        meaning = _COPIES[doc["output"]["changed"]]
    return tone, headline, meaning


def action(doc: Document, reason: Document) -> str:
    """What a reason led to; nothing is blurred or removed in a file of which no copy was made."""
    said = ACTIONS if doc["output"] else ACTIONS_DUE
    return said[reason["action"]]


def way_out(doc: Document) -> str:
    """What a person can do about an error; empty where a reason says it already."""
    return WAYS_OUT.get(doc["error"]["type"], "") if doc["error"] and not error_reasons(doc) else ""


def error_reasons(doc: Document) -> bool:
    """True if the policy itself said why the file could not be screened."""
    return any(reason["action"] == "error" for reason in doc["reasons"])


def found_and_rule(text: str) -> tuple[str, str]:
    """A reason's text is "what was found; what the rule says"."""
    found, _, rule = text.partition("; ")
    return found, rule


def clauses(doc: Document) -> list[str]:
    """The clauses behind the verdict, each once."""
    named = (clause for reason in doc["reasons"] for clause in reason["clause"].split(", ") if clause)
    return list(dict.fromkeys(named))


def settled(doc: Document) -> list[Document]:
    """The reasons that rest on what was found or declared. The others rest on questions, which are told as such."""
    return [r for r in doc["reasons"] if r["findings"] or not r["questions"] or r["action"] == "error"]


def asked(question: Document) -> str:
    """A question, the clauses that ask it, and how to answer."""
    several = "s" if len(question["clauses"]) > 1 else ""
    clause = f"clause{several} {', '.join(question['clauses'])}: " if question["clauses"] else ""
    return f"{clause}{question['text']} ({question['answer'] or ANSWERED_BY_RELEASE})"


def declared(fact: Document) -> str:
    """What a person declared, and who vouches for it."""
    reference = f" ({fact['reference']})" if fact["reference"] else ""
    by = f", by {fact['by']}" if fact["by"] else ""
    return f"{fact['text'] or fact['name'] + ': ' + fact['value']}{reference}{by}"


def coverage(doc: Document) -> list[str]:
    """How much was really looked at, in sentences."""
    seen = doc["coverage"]
    if seen is None:
        return ["The file was not examined to its end."]
    frames = seen["frames_decoded"]
    is_still = frames == 1
    length = "" if is_still else f" ({counted(frames, 'frame')}, {clock(seen['duration_s'])})"
    said = [f"The {'picture' if is_still else 'whole file'} was decoded{length}."]
    if seen["decode_errors"]:
        said = [f"Only part of the file could be decoded{length}."]
        said += [f"Decoding error: {error}." for error in seen["decode_errors"]]
    for look in seen["detectors"]:
        looks = "the picture" if is_still and look["frames_looked"] == 1 else counted(look["frames_looked"], "frame")
        gap = "" if is_still else f", never more than {look['largest_gap_s']:.2f} s apart"
        said.append(f"Detector {look['detector']} looked at {looks}{gap}, for {', '.join(map(plain, look['labels']))}.")
    if seen["unseen"]:
        said.append(f"No detector here looks for {', '.join(map(plain, seen['unseen']))}: a person is asked instead.")
    return said if seen["detectors"] or seen["unseen"] else [*said, "No detector looked at it: this policy needs none."]


def verification(doc: Document) -> list[str]:
    """What the second look said, in sentences."""
    look = doc["verification"]
    if look is None:
        return ["No copy was made, so there was none to verify."]
    said = []
    if doc["output"] and doc["output"]["changed"] == "copied":
        said.append("The copy is the same as the original, byte for byte.")
    elif look["renders"]:
        said.append(
            f"The copy was {'written' if look['renders'] == 1 else 'written again until it was right'}"
            f" ({counted(look['renders'], 'pass')}) and then examined with the same eyes:"
            f" {counted(look['frames_looked'], 'frame')} looked at."
        )
    elif look["frames_looked"]:
        said.append(f"The copy was examined with the same eyes: {counted(look['frames_looked'], 'frame')} looked at.")
    if look["passed"]:
        return [*said, "The copy passed; no fault was found."]
    return [*said, "The copy did not pass.", *(f"Fault: {fault}." for fault in look["faults"])]


def facts(doc: Document) -> list[str]:
    """What the input is, in a few short words."""
    media = doc["input"]
    if "sha256" not in media:
        return []
    said = [media["media_type"], size(media["size_bytes"]), f"{media['width_px']} x {media['height_px']}"]
    if media["duration_s"]:
        said.append(clock(media["duration_s"]))
    if media["frames"] and media["frames"] > 1:
        said.append(counted(media["frames"], "frame"))
    return said


def shown(text: object) -> str:
    """Text from outside, with control and invisible characters written out: a name cannot pose as another."""
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HIDDEN and c not in _JOINERS else c
        for c in str(text)
    )


def plain(label: str) -> str:
    """A label as one says it."""
    return label.replace("_", " ")


def clock(time_s: float) -> str:
    """0:02.4, rounded down, so that a player sent there never starts too late."""
    tenths = int(max(time_s, 0) * 10)
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600
    clocked = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{clocked}" if hours else f"{minutes}:{clocked}"


def size(size_bytes: int) -> str:
    """4.7 MB."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name}"
    return f"{size_bytes} bytes"


def counted(number: int, noun: str) -> str:
    """1 frame, 2 frames, 2 passes."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def grouped(tags: Iterable[Document]) -> dict[str, list[str]]:
    """Tag names by kind, each once, kinds in the order of TAG_KINDS."""
    groups: dict[str, dict[str, Any]] = {kind: {} for kind in TAG_KINDS}
    for tag in tags:
        groups.setdefault(tag["kind"], {})[tag["name"]] = None
    return {kind: list(names) for kind, names in groups.items() if names}
