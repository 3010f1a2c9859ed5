"""JSON document -> the words that every readable format says alike, in its language: headline, sentences, times."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from media_screen.report.hindi import NOUNS, called, say

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
ROLES = {"officer": "officers", "accused": "accused", "protected": "protected", "unknown": "unknown"}
CHANGED = {
    "copied": "unchanged, byte for byte",
    "stripped": "metadata removed",
    "redacted": "redacted, metadata removed",
}
WHAT_HAPPENED = {  # said where the message itself is in another language
    "CorruptMedia": "The file is damaged or incomplete.",
    "UnsupportedMedia": "This kind of file cannot be screened.",
    "SidecarInvalid": "What is declared beside the file cannot be read.",
    "LimitExceeded": "The file is larger or longer than the limits allow.",
    "DetectorFailed": "A part of the program that looks at the pictures failed.",
    "StripFailed": "Metadata could not be removed for certain.",
    "WriteFailed": "The copy could not be written.",
    "VerificationFailed": "The copy was examined and found wanting.",
    "WorkerDied": "The program broke down over this file.",
    "Interrupted": "It was interrupted.",
    "OutOfMemory": "There is too little memory.",
    "TimedOut": "It took longer than is allowed.",
    "FileError": "The file could not be screened.",
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
    tone, headline, meaning = _banner(doc)
    return tone, say(doc["lang"], headline), say(doc["lang"], meaning)


def _banner(doc: Document) -> tuple[str, str, str]:
    if doc["disposition"] == "checked":
        return _VERDICTS[doc["verdict"]]
    if doc["verification"] and not doc["verification"]["passed"]:
        return _ERROR  # should never get this far; if it does, the page must not be green
    tone, headline, meaning = _DISPOSITIONS[doc["disposition"]]
    if doc["disposition"] == "cleared" and doc["output"]:
        meaning = _COPIES[doc["output"]["changed"]]
    return tone, headline, meaning


def text_of(doc: Document, part: Document, key: str = "text") -> str:
    """A text of a reason, question or fact, in the language of the report."""
    said: str = part[f"{key}_hi" if doc["lang"] == "hi" else key]
    return said


def what_failed(doc: Document) -> str:
    """The error: in Hindi what happened, and the message of the program behind it."""
    error = doc["error"]
    if doc["lang"] == "en":
        return str(error["message"])
    if error_reasons(doc):
        return "; ".join(reason["text_hi"] for reason in doc["reasons"] if reason["action"] == "error")
    what = say(doc["lang"], WHAT_HAPPENED.get(error["type"], WHAT_HAPPENED["FileError"]))
    return say(doc["lang"], "{what} ({message})", what=what, message=error["message"])


def action(doc: Document, reason: Document) -> str:
    """What a reason led to; nothing is blurred or removed in a file of which no copy was made."""
    said = ACTIONS if doc["output"] else ACTIONS_DUE
    return say(doc["lang"], said[reason["action"]])


def way_out(doc: Document) -> str:
    """What a person can do about an error; empty where a reason says it already."""
    way = WAYS_OUT.get(doc["error"]["type"], "") if doc["error"] and not error_reasons(doc) else ""
    return say(doc["lang"], way) if way else ""


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


def clause(doc: Document, named: str) -> str:
    """Clauses as a sentence names them."""
    return say(doc["lang"], "clauses {clauses}" if "," in named else "clause {clauses}", clauses=named)


def asked(doc: Document, question: Document) -> str:
    """A question, the clauses that ask it, and how to answer."""
    named = f"{clause(doc, ', '.join(question['clauses']))}: " if question["clauses"] else ""
    return f"{named}{text_of(doc, question)} ({question['answer'] or say(doc['lang'], ANSWERED_BY_RELEASE)})"


def declared(doc: Document, fact: Document) -> str:
    """What a person declared, and who vouches for it."""
    reference = f" ({fact['reference']})" if fact["reference"] else ""
    by = f", {say(doc['lang'], 'by {name}', name=fact['by'])}" if fact["by"] else ""
    return f"{text_of(doc, fact) or fact['name'] + ': ' + fact['value']}{reference}{by}"


def kept(doc: Document) -> list[Document]:
    """The findings that stay visible because they are known."""
    hidden = {n for reason in doc["reasons"] if reason["action"] == "redact" for n in reason["findings"]}
    return [f for n, f in enumerate(doc["findings"]) if f["role"] == "officer" and n not in hidden]


def kept_because(doc: Document, finding: Document) -> str:
    """Why one face stays visible: how many looks agree, how near it is, and how far everybody else."""
    lang, told = doc["lang"], finding["identity"]
    near = say(lang, "distance {distance} of at most {most}", distance=told["distance"], most=_most(doc, told))
    if told["take"] is not None:
        like = "{take} from where the file shows the same person for certain, {distance} from the enrolment"
        near = say(lang, like, take=told["take"], distance=told["distance"])
    alone = "nobody else is enrolled" if told["margin"] is None else "everybody else is {margin} farther"
    sentence = "{name} stays visible: {agreeing} of {looks} agree, {near}, {others}."
    return say(
        lang,
        sentence,
        name=told["name"],
        agreeing=told["agreeing"],
        looks=counted(told["looks"], "look", lang),
        near=near,
        others=say(lang, alone, margin=told["margin"]),
    )


def _most(doc: Document, told: Document) -> float:
    return float(doc["identification"]["smeared" if told["smeared"] else "distance"])


def known(doc: Document) -> list[str]:
    """With whom the faces were compared, who stays visible and why, and who asked for another rule."""
    told, lang, blur = doc["identification"], doc["lang"], doc["blur"]
    said = []
    if blur and blur["by"]:
        sentence = "{name} signed for it that fewer are blurred ({mode}): {reason}"
        said.append(say(lang, sentence, name=blur["by"], mode=blur["mode"], reason=blur["reason"]))
    elif blur:
        said.append(say(lang, "It was asked for that these are blurred: {mode}.", mode=blur["mode"]))
    if told is None:
        return said
    if told["absent"]:
        return [*said, say(lang, "Nobody could be compared, so everybody is unknown: {why}.", why=told["absent"])]
    people = ", ".join(f"{say(lang, ROLES[role])}: {count}" for role, count in told["people"].items())
    said.append(say(lang, "Faces were compared by {embedding} with the gallery ({people}).",
                    embedding=told["embedding"], people=people))  # fmt: skip
    if told["expired"]:
        said.append(say(lang, "Enrolments that have expired, so that these people are unknown: {count}.",
                        count=told["expired"]))  # fmt: skip
    said += [kept_because(doc, finding) for finding in kept(doc)]
    faces = [f for f in doc["findings"] if f["identity"] and f["role"] == "unknown"]
    if faces:
        said.append(say(lang, "Faces of people who are not known for certain: {count}.", count=len(faces)))
    return said


def released(doc: Document) -> str:
    """Who let a held copy out, when, and why; empty where nobody did."""
    said = doc["release"]
    if not said:
        return ""
    sentence = "Released by {name} on {day}: {reason}"
    return say(doc["lang"], sentence, name=said["by"], day=said["at"][:10], reason=said["reason"])


def coverage(doc: Document) -> list[str]:
    """How much was really looked at, in sentences."""
    seen, lang = doc["coverage"], doc["lang"]
    if seen is None:
        return [say(lang, "The file was not examined to its end.")]
    frames = seen["frames_decoded"]
    is_still = frames == 1
    length = "" if is_still else f" ({counted(frames, 'frame', lang)}, {clock(seen['duration_s'])})"
    whole = "The picture was decoded." if is_still else "The whole file was decoded{length}."
    if seen["frames_skipped"]:
        whole = "The file was decoded to its end{length}."
    said = [say(lang, whole, length=length)]
    if seen["frames_skipped"]:
        left_out = counted(seen["frames_skipped"], "frame", lang)
        said.append(
            say(lang, "{frames} to which no other refers were left out; before a pass none is.", frames=left_out)
        )
    if seen["decode_errors"]:
        said = [say(lang, "Only part of the file could be decoded{length}.", length=length)]
        said += [say(lang, "Decoding error: {error}.", error=error) for error in seen["decode_errors"]]
    said += [_look(look, lang, is_still=is_still) for look in seen["detectors"]]
    if seen["unseen"]:
        labels = ", ".join(called(lang, label) for label in seen["unseen"])
        said.append(say(lang, "No detector here looks for {labels}: a person is asked instead.", labels=labels))
    none = [] if seen["detectors"] or seen["unseen"] else ["No detector looked at it: this policy needs none."]
    return [*said, *(say(lang, sentence) for sentence in none)]


def _look(look: Document, lang: str, *, is_still: bool) -> str:
    if is_still and look["frames_looked"] == 1:
        sentence = "Detector {detector} looked at the picture, for {labels}."
    elif is_still:
        sentence = "Detector {detector} looked at {frames}, for {labels}."
    else:
        sentence = "Detector {detector} looked at {frames}, never more than {gap} s apart, for {labels}."
    return say(
        lang,
        sentence,
        detector=look["detector"],
        frames=counted(look["frames_looked"], "frame", lang),
        gap=f"{look['largest_gap_s']:.2f}",
        labels=", ".join(called(lang, label) for label in look["labels"]),
    )


def verification(doc: Document) -> list[str]:
    """What the second look said, in sentences."""
    look, lang = doc["verification"], doc["lang"]
    if look is None:
        return [say(lang, "No copy was made, so there was none to verify.")]
    said = [_second_look(look, lang)] if look["renders"] or look["frames_looked"] else []
    if doc["output"] and doc["output"]["changed"] == "copied":
        said = [say(lang, "The copy is the same as the original, byte for byte.")]
    if look["frames_identical"]:
        sentence = (
            "All {frames} of the copy are, packet by packet, the coded ones that were examined in the original;"
            " so they were not decoded again. What lies around them was read anew."
        )
        said.append(say(lang, sentence, frames=counted(look["frames_identical"], "frame", lang)))
    if look["renders"] and look["frames_verified"] > 1:
        sentence = (
            "All {frames} of it were compared with the original;"
            " the longest gap between two sightings, {gap} s, is covered."
        )
        frames = counted(look["frames_verified"], "frame", lang)
        said.append(say(lang, sentence, frames=frames, gap=f"{look['longest_gap_s']:.2f}"))
    if look["passed"]:
        return [*said, say(lang, "The copy passed; no fault was found.")]
    faults = (say(lang, "Fault: {fault}.", fault=fault) for fault in look["faults"])
    return [*said, say(lang, "The copy did not pass."), *faults]


def _second_look(look: Document, lang: str) -> str:
    if not look["renders"]:
        sentence = "The copy was examined with the same eyes: {frames} looked at."
    elif look["renders"] == 1:
        sentence = "The copy was written ({passes}) and then examined with the same eyes: {frames} looked at."
    else:
        sentence = (
            "The copy was written again until it was right ({passes}) and then examined with the same eyes:"
            " {frames} looked at."
        )
    passes, frames = counted(look["renders"], "pass", lang), counted(look["frames_looked"], "frame", lang)
    return say(lang, sentence, passes=passes, frames=frames)


def facts(doc: Document) -> list[str]:
    """What the input is, in a few short words."""
    media = doc["input"]
    if "sha256" not in media:
        return []
    said = [media["media_type"], size(media["size_bytes"]), f"{media['width_px']} x {media['height_px']}"]
    if media["duration_s"]:
        said.append(clock(media["duration_s"]))
    if media["frames"] and media["frames"] > 1:
        said.append(counted(media["frames"], "frame", doc["lang"]))
    return said


def shown(text: object) -> str:
    """Text from outside, with control and invisible characters written out: a name cannot pose as another."""
    said = str(text)
    if said.isascii() and said.isprintable():
        return said
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HIDDEN and c not in _JOINERS else c
        for c in said
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


def counted(number: int, noun: str, lang: str = "en") -> str:
    """1 frame, 2 frames, 2 passes."""
    if lang == "hi":
        return f"{number} {NOUNS[noun][number != 1]}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def grouped(tags: Iterable[Document]) -> dict[str, list[str]]:
    """Tag names by kind, each once, kinds in the order of TAG_KINDS."""
    groups: dict[str, dict[str, Any]] = {kind: {} for kind in TAG_KINDS}
    for tag in tags:
        groups.setdefault(tag["kind"], {})[tag["name"]] = None
    return {kind: list(names) for kind, names in groups.items() if names}
