"""The policy room: its packs, its words, what it refuses, and that more findings never make a verdict milder."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from builders import evidence, look, media, seen, tagged
from hypothesis import given
from hypothesis import strategies as st

from media_screen.errors import SettingsError
from media_screen.policy import ACTIONS, decide, parse, required_labels
from media_screen.policy.conditions import WORDS
from media_screen.policy.phrases import clock
from media_screen.policy.ruling import VERDICTS
from media_screen.types import Action, Box, KeepWord, TagKind, Verdict

CONFIGS = Path(__file__).parents[1] / "configs"
PACKS = sorted(CONFIGS.glob("*.yaml"))
SCHEMA = json.loads((CONFIGS / "policy.schema.json").read_text(encoding="utf-8"))
LABELS = (
    *("face", "police_officer", "person", "handgun", "long_gun", "knife", "ammunition", "cash", "liquor_bottle"),
    *("drug_packet", "mobile_phone", "jewellery", "evidence_package", "police_vehicle", "vehicle"),
)


def document(**rule):
    """A policy of one rule, as YAML would give it."""
    text = {"en": "some rule", "hi": "कोई नियम"}
    return {
        "name": "test",
        "version": 1,
        "title": text,
        "source": "a test",
        "rules": [{"id": "one", "clause": 1, "text": text, "action": "review", "when": {"label": "face"}, **rule}],
    }


def policy(**rule):
    return parse(document(**rule), sha256="0" * 64, origin="test.yaml")


def pack(name):
    raw = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    return parse(yaml.safe_load(raw), sha256="0" * 64, origin=f"{name}.yaml")


def fault(doc):
    with pytest.raises(SettingsError) as caught:
        parse(doc, sha256="", origin="test.yaml")
    return str(caught.value)


def fires(when, *findings, **kwargs):
    action = "review"
    decision = decide(policy(when=when, action=action), evidence(*findings, looks=(look(*LABELS),), **kwargs))
    return bool(decision.reasons)


# --- the packs ---


@pytest.mark.parametrize("path", PACKS, ids=lambda p: p.stem)
def test_a_pack_parses_fits_the_schema_and_wants_known_labels(path):
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(raw)
    read = parse(raw, sha256="", origin=path.name)
    assert read.name == path.stem
    assert required_labels(read) <= set(LABELS)
    assert all(rule.todo for rule in read.rules)
    assert all(not rule.text.hi.isascii() for rule in read.rules)


def test_the_default_pack_asks_for_faces_alone_and_treats_every_kind_of_tag():
    default = pack("faces-and-location")
    assert required_labels(default) == {"face"}
    for kind in get_args(TagKind):
        decision = decide(default, evidence(tagged(kind)))
        assert (decision.verdict, decision.strips) == (Verdict.REDACT, True), kind
    assert decide(default, evidence(seen())).redact_tracks == {0}
    assert decide(default, evidence()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("label", "clauses"),
    [("handgun", {"28", "31"}), ("cash", {"28"}), ("police_officer", {"31"}), ("knife", {"28"}), ("face", {"27, 30"})],
)
def test_the_up_police_pack_names_the_clause(label, clauses):
    decision = decide(pack("up-police-2023"), evidence(seen(label), looks=(look(*LABELS),)))
    assert {reason.clause for reason in decision.reasons} == clauses
    assert decision.verdict is (Verdict.REDACT if label == "face" else Verdict.REVIEW)


def test_one_phone_is_no_recovery_three_are():
    for number, verdict in ((2, Verdict.PASS), (3, Verdict.REVIEW)):
        found = [seen("mobile_phone")] * number
        assert decide(pack("up-police-2023"), evidence(*found, looks=(look(*LABELS),))).verdict is verdict


# --- the verdict ---


def test_every_action_has_a_verdict_and_the_strictest_wins():
    assert set(VERDICTS) == set(get_args(Action)) == {*ACTIONS, "error"}
    doc = document()
    when = {"note": "label", "redact": "label", "review": "label", "block": "label", "strip": "tag"}
    doc["rules"] = [
        {**doc["rules"][0], "id": a, "action": a, "when": {when[a]: "face" if when[a] == "label" else "any"}}
        for a in ACTIONS
    ]
    for last, expected in enumerate(("PASS", "REDACT", "REDACT", "REVIEW", "BLOCK"), start=1):
        some = parse({**doc, "rules": doc["rules"][:last]}, sha256="", origin="")
        decision = decide(some, evidence(seen(), tagged()))
        assert decision.verdict.name == expected
        assert len(decision.reasons) == last
        assert VERDICTS[decision.reasons[0].action] == decision.verdict  # the gravest stands first


def test_a_reason_says_what_when_the_rule_and_what_to_do():
    rule = {"todo": {"en": "Look.", "hi": "देखें।"}, "clause": [27, "30a"]}
    found = (tagged(), seen(first_s="7"), seen(first_s="2.49"), seen("knife"))
    (reason,) = decide(policy(**rule), evidence(*found)).reasons
    assert reason.text == "2 faces, first at 0:02.4; some rule"
    assert (reason.clause, reason.todo, reason.findings) == ("27, 30a", "Look.", (1, 2))


def test_words_for_one_many_and_a_still():
    rule = {"when": {"label": ["knife", "jewellery", "long_gun"]}}
    looks = (look(*LABELS),)
    many = evidence(seen("knife"), seen("knife"), seen("jewellery"), seen("long_gun"), looks=looks)
    assert (
        decide(policy(**rule), many)
        .reasons[0]
        .text.startswith("2 knives, 1 piece of jewellery and 1 long gun, first at")
    )
    one = evidence(seen("knife"), looks=looks)
    assert decide(policy(**rule), one).reasons[0].text.startswith("1 knife, at 0:02.4;")
    still = evidence(seen("knife", first_s="0", last_s="0"), looks=looks, frames=1)
    assert decide(policy(**rule), still).reasons[0].text.startswith("1 knife;")


def test_tag_names_come_from_the_file_and_stay_out_of_the_text():
    (reason,) = decide(
        policy(when={"tag": "any"}), evidence(tagged(name="<script>"), tagged("picture", "\x1b[2J"))
    ).reasons
    assert reason.text == "1 location tag and 1 hidden picture; some rule"


@pytest.mark.parametrize(
    ("time_s", "said"), [("0", "0:00.0"), ("59.99", "0:59.9"), ("3725.25", "1:02:05.2"), ("-1", "0:00.0")]
)
def test_clock_rounds_down(time_s, said):
    assert clock(Fraction(time_s)) == said


# --- nothing found proves nothing without coverage ---


@pytest.mark.parametrize(
    ("gap", "rule"),
    [
        ({"decode_errors": ("frame 9: broken", "frame 10: broken")}, "coverage.decode"),
        ({"looks": ()}, "coverage.detector"),
        ({"looks": (look("handgun"),)}, "coverage.detector"),
        ({"looks": (look("face", frames=0),)}, "coverage.look"),
        ({"looks": (look("face"), look("handgun", frames=0))}, "coverage.look"),
        ({"frames": 0, "looks": (look("face", frames=0),)}, "coverage.frames"),
    ],
)
def test_a_gap_in_coverage_is_an_error(gap, rule):
    decision = decide(policy(), evidence(**gap))
    assert decision.verdict is Verdict.ERROR
    assert [reason.rule for reason in decision.reasons] == [rule]
    assert decision.reasons[0].todo
    assert decide(policy(action="block"), evidence(seen(), **gap)).verdict is Verdict.ERROR


def test_a_missing_detector_is_named():
    (reason,) = decide(policy(when={"label": ["long_gun", "face", "cash"]}), evidence()).reasons
    assert reason.text == "this policy needs a detector for cash and long gun, none is installed"


def test_a_policy_on_tags_needs_no_detector():
    assert decide(policy(when={"tag": "any"}), evidence(looks=())).verdict is Verdict.PASS


# --- the words ---


def test_label_and_tag_do_not_mix_up_tracks_and_tags():
    assert not fires({"label": "person"}, tagged("person"))
    assert not fires({"tag": "person"}, seen("person"))
    assert fires({"tag": "person"}, tagged("person"))
    assert fires({"label": ["handgun", "person"]}, seen("person"))


@pytest.mark.parametrize(
    ("word", "value", "enough", "too_little"),
    [
        ("min_score", 0.9, seen(score=0.9), seen(score=0.89)),
        ("min_seconds", 2, seen(first_s="1", last_s="3"), seen(first_s="1", last_s="2.99")),
        ("min_area", 0.01, seen(), seen(box=Box(x1=0, y1=0, x2=191, y2=108))),
    ],
)
def test_a_threshold_includes_its_value(word, value, enough, too_little):
    when = {"label": "face", word: value}
    assert fires(when, enough)
    assert not fires(when, too_little)


def test_a_still_picture_lasts_long_enough():
    assert fires(
        {"label": "face", "min_seconds": 60}, seen(first_s="0", last_s="0"), frames=1, info=media(kind="image")
    )


def test_area_outside_the_frame_does_not_count():
    outside = seen(box=Box(x1=-400, y1=-400, x2=20, y2=20))
    assert not fires({"label": "face", "min_area": 0.01}, outside)


def test_min_count_counts_what_the_other_words_left():
    when = {"min_count": 2, "label": "face", "min_score": 0.8}
    assert not fires(when, seen(score=0.9), seen(score=0.5), seen("knife"))
    assert fires(when, seen(score=0.9), seen(score=0.5), seen(score=0.8))


def labels_or_tags():
    tracks = st.builds(
        lambda label, score, first, length, size: seen(
            label, score=score, first_s=str(first), last_s=str(first + length), box=Box(x1=0, y1=0, x2=size, y2=size)
        ),
        st.sampled_from(("face", "handgun")),
        st.floats(0, 1),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 1080),
    )
    return st.lists(tracks | st.builds(tagged, st.sampled_from(get_args(TagKind))), max_size=6)


WHEN = st.fixed_dictionaries(
    {"label": st.sampled_from(("face", "handgun", ["face", "handgun"]))},
    optional={
        "min_score": st.floats(0, 1),
        "min_seconds": st.floats(0, 9),
        "min_area": st.floats(0, 1),
        "min_count": st.integers(1, 4),
    },
) | st.fixed_dictionaries(
    {"tag": st.sampled_from(("any", "location", ["time", "text"]))}, optional={"min_count": st.integers(1, 4)}
)


@given(when=WHEN, fewer=labels_or_tags(), more=labels_or_tags(), frames=st.sampled_from((1, 300)), block=st.booleans())
def test_more_findings_never_give_a_milder_verdict(when, fewer, more, frames, block):
    some = policy(when=when, action="block" if block else "review")
    looks = (look("face", "handgun"),)
    before = decide(some, evidence(*fewer, looks=looks, frames=frames))
    after = decide(some, evidence(*fewer, *more, looks=looks, frames=frames))
    assert after.verdict >= before.verdict
    assert {i for r in before.reasons for i in r.findings} <= {i for r in after.reasons for i in r.findings}


def test_the_property_covers_every_word():
    """A new word has to be added to WHEN above, or its promise is not kept by anything."""
    assert set(WORDS) == {"label", "tag", "min_score", "min_seconds", "min_area", "min_count"}


# --- what parse refuses, and how it says so ---


def changed(path, value):
    doc = copy.deepcopy(document())
    *way, last = path
    at = doc
    for step in way:
        at = at[step]
    at[last] = value
    return doc


R = ("rules", 0)
BAD = [
    ((*R, "when", "lable"), "face", 'rules[0].when.lable: unknown word; did you mean "label"?'),
    ((*R, "when", "score"), 0.5, 'rules[0].when.score: unknown word; did you mean "min_score"?'),
    ((*R, "actoin"), "block", 'rules[0].actoin: unknown word; did you mean "action"?'),
    ((*R, "zzz"), 1, "rules[0].zzz: unknown word; known are id"),
    (("redaction",), {}, "redaction: unknown word; known are name"),
    (("keep",), ["copyrite"], "keep: cannot keep 'copyrite'; did you mean \"copyright\"?"),
    (("keep",), [], "keep: must be a list with at least one entry"),
    (("keep",), ["date", "date"], "keep: names one thing twice"),
    ((True,), 1, "True: unknown word"),
    (
        (*R, "action"),
        "reviw",
        "rules[0].action: must be one of note, strip, redact, review, block, not 'reviw'; did you mean \"review\"?",
    ),
    ((*R, "action"), "error", "rules[0].action: must be one of"),
    ((*R, "action"), ["block"], "rules[0].action: must be one of"),
    ((*R, "action"), "strip", "rules[0].action: strip removes metadata"),
    ((*R, "when"), {"tag": "any", "min_score": 0.5}, "rules[0].when.min_score: says nothing about a tag"),
    ((*R, "when"), {"label": "face", "tag": "any"}, "rules[0].when: needs either a label or a tag"),
    ((*R, "when"), {"min_count": 1}, "rules[0].when: needs either a label or a tag"),
    ((*R, "when"), {}, "rules[0].when: needs either a label or a tag"),
    ((*R, "when"), ["face"], "rules[0].when: must be a mapping"),
    ((*R, "when", "label"), [], "rules[0].when.label: must be a name"),
    ((*R, "when", "label"), "Face", "rules[0].when.label: must be a name"),
    ((*R, "when", "label"), ["face", "face"], "rules[0].when.label: names one thing twice"),
    ((*R, "when"), {"tag": "gps"}, "rules[0].when.tag: unknown tag kind 'gps'"),
    ((*R, "when", "min_score"), 1.1, "rules[0].when.min_score: must be a number from 0 to 1"),
    ((*R, "when", "min_score"), True, "rules[0].when.min_score: must be a number from 0 to 1"),
    ((*R, "when", "min_area"), float("nan"), "rules[0].when.min_area: must be a number from 0 to 1"),
    ((*R, "when", "min_seconds"), -1, "rules[0].when.min_seconds: must be a number of seconds"),
    ((*R, "when", "min_seconds"), 10**400, "rules[0].when.min_seconds: must be a number of seconds"),
    ((*R, "when", "min_count"), 0, "rules[0].when.min_count: must be a whole number"),
    ((*R, "when", "min_count"), True, "rules[0].when.min_count: must be a whole number"),
    ((*R, "text"), {"en": "only"}, "rules[0].text: hi is missing"),
    ((*R, "text", "hi"), " ", "rules[0].text.hi: must be text"),
    ((*R, "todo"), "Look.", "rules[0].todo: must be a mapping with en, hi"),
    ((*R, "id"), "Two Words", "rules[0].id: must be small letters"),
    ((*R, "id"), "coverage.decode", "rules[0].id: must be small letters"),
    ((*R, "clause"), [], "rules[0].clause: must be a list with at least one entry"),
    ((*R, "clause"), 1.5, "rules[0].clause: must be text"),
    (("version",), 1.5, "version: must be text"),
    (("rules",), [], "rules: must be a list with at least one entry"),
    (("name",), "../x", "name: must be small letters"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), BAD, ids=[m.split(":")[0] + "-" + str(i) for i, (_, _, m) in enumerate(BAD)]
)
def test_a_mistake_is_named_with_its_path(path, value, message):
    doc = changed(path, value)
    assert fault(doc).startswith(f"test.yaml: {message}")
    # what an editor shows comes from the schema: it has to object to the same documents
    if path != (True,) and value == value:  # noqa: PLR0124 - JSON knows neither such keys nor NaN
        assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(doc))


def test_redact_needs_a_label():
    doc = document(action="redact", when={"tag": "location"})
    assert "rules[0].action: redact paints over objects" in fault(doc)
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(doc))


def test_two_rules_with_one_name():
    doc = document()
    doc["rules"] *= 2
    assert fault(doc) == "test.yaml: rules[1].id: 'one' is already the name of rules[0]"


@pytest.mark.parametrize("doc", [None, [], "text", 3])
def test_something_else_than_a_mapping(doc):
    assert fault(doc).startswith("test.yaml: must be a mapping with name")


@pytest.mark.parametrize("key", ["name", "version", "title", "source", "rules"])
def test_a_missing_key(key):
    doc = document()
    del doc[key]
    assert fault(doc) == f"test.yaml: {key} is missing"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_parse_fails_in_one_way_only(anything):
    for doc in (
        anything,
        changed((*R, "when"), anything),
        changed((*R, "when", "label"), anything),
        changed((*R, "clause"), anything),
    ):
        with suppress(SettingsError):
            parse(doc, sha256="", origin="x")


def test_a_policy_says_what_metadata_may_stay():
    doc = document() | {"keep": ["copyright", "creator"]}
    jsonschema.Draft202012Validator(SCHEMA).validate(doc)
    assert parse(doc, sha256="", origin="test.yaml").keep == ("copyright", "creator")
    assert policy().keep == ()


# --- the schema and the engine know the same words ---


def test_the_schema_has_the_engines_words():
    defs = SCHEMA["$defs"]
    assert SCHEMA["properties"]["keep"]["items"]["enum"] == list(get_args(KeepWord))
    assert set(defs["when"]["properties"]) == set(WORDS)
    assert defs["rule"]["properties"]["action"]["enum"] == list(ACTIONS)
    assert defs["tag_kind"]["enum"] == list(get_args(TagKind))
    assert set(defs["when"]["dependentRequired"]) == {w for w, p in WORDS.items() if p.about == "track"} - {"label"}
    for part in ("when", "rule", "text"):
        assert defs[part]["additionalProperties"] is False


def test_a_policy_can_be_sent_to_a_worker():
    some = pack("up-police-2023")
    assert pickle.loads(pickle.dumps(some)) == some  # noqa: S301 - our own bytes
    assert hash(some) == hash(pack("up-police-2023"))
