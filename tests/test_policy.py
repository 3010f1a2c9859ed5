"""The policy room: its words, what it refuses, and that neither more findings nor silence make a verdict milder."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from builders import evidence, look, media, seen, tagged
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from media_screen.errors import SettingsError
from media_screen.policy import ACTIONS, FACTS, Place, decide, parse, read_facts, required_labels
from media_screen.policy.conditions import WORDS
from media_screen.policy.linting import lint
from media_screen.policy.phrases import clock
from media_screen.policy.place import NAME
from media_screen.policy.ruling import VERDICTS
from media_screen.types import Action, Box, Detection, Identity, KeepWord, Role, Sighting, TagKind, Track, Verdict

CONFIGS = Path(__file__).parents[1] / "configs"
SCHEMA = json.loads((CONFIGS / "policy.schema.json").read_text(encoding="utf-8"))
FACTS_SCHEMA = json.loads((CONFIGS / "facts.schema.json").read_text(encoding="utf-8"))
LABELS = (
    *("face", "police_officer", "person", "handgun", "long_gun", "knife", "ammunition", "cash", "liquor_bottle"),
    *("drug_packet", "mobile_phone", "jewellery", "evidence_package", "police_vehicle", "vehicle"),
    *("number_plate", "document", "police_signboard"),
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


def valid(doc):
    """What an editor says of it."""
    known = Registry().with_resource("facts.schema.json", Resource.from_contents(FACTS_SCHEMA))
    return jsonschema.Draft202012Validator(SCHEMA, registry=known).is_valid(doc)


def told(**facts):
    return read_facts(facts, Place("test"))


def fault(doc):
    with pytest.raises(SettingsError) as caught:
        parse(doc, sha256="", origin="test.yaml")
    return str(caught.value)


def fires(when, *findings, **kwargs):
    action = "review"
    decision = decide(policy(when=when, action=action), evidence(*findings, looks=(look(*LABELS),), **kwargs))
    return bool(decision.reasons)


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


def test_a_group_stands_for_its_labels():
    assert fires({"label": "weapons"}, seen("knife"))
    assert fires({"label": ["goods", "face"]}, seen("face"))
    assert not fires({"label": "firearms"}, seen("knife"))
    assert required_labels(policy(when={"together": ["faces", "firearms"]})) == {"face", "handgun", "long_gun"}


def test_together_means_in_one_shot():
    when = {"together": ["face", ["knife", "handgun"]]}
    early, late = seen("face", first_s="1", last_s="2"), seen("knife", first_s="6", last_s="7")
    assert fires(when, early, late)
    assert not fires(when, early, late, cuts_s=(Fraction(5),))
    assert fires(when, early, late, cuts_s=(Fraction(1, 2), Fraction(9)))
    assert not fires(when, late, seen("handgun", first_s="6"))
    assert not fires(when, late, tagged("device", name="face"))
    (reason,) = decide(policy(when=when), evidence(late, tagged(), early, seen("cash"), looks=(look(*LABELS),))).reasons
    assert reason.findings == (0, 2)


def test_at_once_means_at_one_moment():
    when = {"at_once": ["face", "knife"]}
    assert fires(when, seen("face", first_s="1", last_s="3"), seen("knife", first_s="3", last_s="4"))
    assert not fires(when, seen("face", first_s="1", last_s="3"), seen("knife", first_s="3.01", last_s="4"))
    assert fires(when, seen("face", first_s="0", last_s="9"), seen("knife", first_s="2", last_s="3"))
    still = {"frames": 1, "info": media(kind="image")}
    assert fires(when, seen("face", first_s="0", last_s="0"), seen("knife", first_s="0", last_s="0"), **still)


def test_what_is_not_sure_is_no_company():
    when = {"together": ["face", "knife"], "min_score": 0.8}
    assert fires(when, seen("face"), seen("knife"))
    assert not fires(when, seen("face"), seen("knife", score=0.7))


def test_a_rule_about_videos_leaves_stills_alone_but_not_pictures_that_move():
    rule = policy(media="video")
    still, moving = media(kind="image"), media()
    assert decide(rule, evidence(seen(), info=moving)).reasons
    assert decide(rule, evidence(seen(), info=still, frames=40)).reasons
    assert not decide(rule, evidence(seen(), info=still, frames=1)).reasons
    assert not decide(policy(media="image"), evidence(seen(), info=moving)).reasons
    assert decide(policy(media="image"), evidence(seen(), info=still, frames=40)).reasons


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


LAID = {"label": ["cash", "knife"], "laid_out": 3}


def lying(label, x1, first_s="0", last_s="4", track_id=None):
    """A thing 50 pixels wide and 20 high."""
    box = Box(x1=x1, y1=500, x2=x1 + 50, y2=520)
    return replace(seen(label, box=box, first_s=first_s, last_s=last_s), track_id=track_id)


def test_laid_out_are_things_within_reach_of_one_another():
    row = [lying("cash", 0), lying("knife", 100), lying("cash", 200)]
    assert fires(LAID, *row)
    assert not fires(LAID, *row[:2], lying("cash", 201))
    assert not fires(LAID, *row[:2], lying("liquor_bottle", 200))
    assert not fires(LAID, *row[:2])
    assert fires(LAID, *row[:2], replace(row[2], box=None))  # where nobody knows where it lay


def test_laid_out_means_at_one_moment():
    row = [lying("cash", 0), lying("knife", 100)]
    assert fires(LAID, *row, lying("cash", 200, first_s="4", last_s="9"))
    assert not fires(LAID, *row, lying("cash", 200, first_s="4.01", last_s="9"))


def test_laid_out_asks_where_a_thing_was_then_not_where_it_was_seen_best():
    things = [lying("cash", 0, track_id=0), lying("knife", 100, track_id=1), lying("cash", 900, track_id=2)]
    moved = [
        tracked("cash", {0: 0}, 0),
        tracked("knife", {0: 100}, 1),
        tracked("cash", {0: 200, 4: 900}, 2),
    ]
    given_tracks = replace(evidence(*things, looks=(look(*LABELS),)), tracks=tuple(moved))
    assert decide(policy(when=LAID), given_tracks).reasons
    assert not decide(policy(when=LAID), replace(given_tracks, tracks=())).reasons


def tracked(label, places, track_id):
    """A track: second -> x1."""
    sightings = tuple(
        Sighting(
            frame_index=25 * second,
            time_s=Fraction(second),
            detection=Detection(label=label, score=0.9, box=Box(x1=x1, y1=500, x2=x1 + 50, y2=520), detector="d"),
        )
        for second, x1 in places.items()
    )
    return Track(track_id=track_id, label=label, sightings=sightings, start_s=Fraction(0), end_s=Fraction(4))


def test_a_scene_is_told_with_who_stands_by():
    row = [lying("cash", 0), lying("knife", 100), lying("cash", 200), lying("knife", 800)]
    people = [seen("police_officer", first_s="1", last_s="9"), seen("person", first_s="5", last_s="9"), tagged()]
    labels = (look(*LABELS),)
    (reason,) = decide(policy(when=LAID), evidence(*row, *people, looks=labels)).reasons
    assert reason.findings == (0, 1, 2)
    said = "2 piles of cash and 1 knife laid out together with 1 police officer, first at 0:00.0; some rule"
    assert reason.text == said
    (alone,) = decide(policy(when=LAID), evidence(*row, looks=labels)).reasons
    assert alone.text == "2 piles of cash and 1 knife laid out together, first at 0:00.0; some rule"


def labels_or_tags():
    tracks = st.builds(
        lambda label, score, first, length, size: seen(
            label,
            score=score,
            first_s=str(first),
            last_s=str(first + length),
            box=Box(x1=size, y1=0, x2=size + size // 3, y2=size),
        ),
        st.sampled_from(("face", "handgun")),
        st.floats(0, 1),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 1080),
    )
    roles = st.sampled_from(get_args(Role)).map(lambda role: Identity(role=role))
    tracks = tracks | st.tuples(tracks, roles).map(lambda both: replace(both[0], identity=both[1]))
    return st.lists(tracks | st.builds(tagged, st.sampled_from(get_args(TagKind))), max_size=6)


LEAST = {
    "role": st.sampled_from(("officer", "unknown", ["unknown", "accused", "protected"])),
    "min_score": st.floats(0, 1),
    "min_seconds": st.floats(0, 9),
    "min_area": st.floats(0, 1),
    "laid_out": st.integers(1, 4),
    "min_count": st.integers(1, 4),
}
SUBJECTS = {
    "label": st.sampled_from(("face", "handgun", ["face", "handgun"])),
    "together": st.just(["face", "handgun"]),
    "at_once": st.just(["face", "handgun"]),
}
WHEN = st.one_of(
    *(st.fixed_dictionaries({subject: values}, optional=LEAST) for subject, values in SUBJECTS.items()),
    st.fixed_dictionaries(
        {"tag": st.sampled_from(("any", "location", ["time", "text"]))}, optional={"min_count": st.integers(1, 4)}
    ),
)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "account": st.sampled_from(("official", "personal", ["personal", "outsider"])),
        "sealed": st.sampled_from((True, "none", [False, "none"])),
        "approval": st.just("granted"),
    },
).filter(bool)
RULE = st.fixed_dictionaries(
    {"action": st.sampled_from(("note", "review", "block"))},
    optional={
        "when": WHEN,
        "declared": ROW,
        "unless": ROW | st.lists(ROW, min_size=1, max_size=2),
        "media": st.sampled_from(("image", "video")),
        "absent": st.sampled_from(("error", "ask")),
    },
).filter(lambda rule: rule.keys() & {"when", "declared", "unless", "media"})
GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "account": st.sampled_from(("official", "personal", "outsider")),
        "sealed": st.sampled_from(("yes", "no", "none")),
        "approval": st.sampled_from(("none", "REF 1")),
        "by": st.just("A. Kumar"),
    },
).map(lambda facts: facts | ({"by": "A. Kumar"} if "approval" in facts else {}))


def rules(drawn):
    doc = document()
    base = {key: value for key, value in doc["rules"][0].items() if key not in ("action", "when")}
    doc["rules"] = [{**base, **rule, "id": f"r{i}"} for i, rule in enumerate(drawn)]
    return parse(doc, sha256="", origin="test.yaml")


@given(
    drawn=st.lists(RULE, min_size=1, max_size=3),
    fewer=labels_or_tags(),
    more=labels_or_tags(),
    facts=GIVEN,
    frames=st.sampled_from((1, 300)),
    kind=st.sampled_from(("image", "video")),
    looked_for=st.sampled_from(((), ("face",), ("face", "handgun"))),
    cuts=st.sampled_from(((), (Fraction(4),), (Fraction(2), Fraction(5)))),
)
def test_more_findings_never_give_a_milder_verdict(drawn, fewer, more, facts, frames, kind, looked_for, cuts):
    some = rules(drawn)
    same = {"looks": (look(*looked_for),), "frames": frames, "cuts_s": cuts, "info": media(kind=kind)}
    before = decide(some, evidence(*fewer, **same), told(**facts))
    after = decide(some, evidence(*fewer, *more, **same), told(**facts))
    assert after.verdict >= before.verdict
    assert {i for r in before.reasons for i in r.findings} <= {i for r in after.reasons for i in r.findings}


@given(
    drawn=st.lists(RULE, min_size=1, max_size=3),
    found=labels_or_tags(),
    facts=GIVEN,
    forgotten=st.sampled_from(("account", "sealed", "approval")),
    looked_for=st.sampled_from(((), ("face", "handgun"))),
)
def test_what_is_not_declared_is_never_milder_than_any_answer(drawn, found, facts, forgotten, looked_for):
    some, seen_there = rules(drawn), evidence(*found, looks=(look(*looked_for),))
    answered = decide(some, seen_there, told(**facts))
    silent = decide(some, seen_there, told(**{k: v for k, v in facts.items() if k != forgotten}))
    assert silent.verdict >= answered.verdict
    assert answered.redact_tracks <= silent.redact_tracks
    assert {r.rule for r in answered.reasons} <= {r.rule for r in silent.reasons}


@given(drawn=st.lists(RULE, min_size=1, max_size=3), found=labels_or_tags(), facts=GIVEN)
def test_a_question_is_open_and_its_answers_matter(drawn, found, facts):
    """No question about what is declared; and where one is asked, some answer to all of them silences its rules."""
    given_facts = told(**facts)
    decision = decide(rules(drawn), evidence(*found, looks=(look("face"),)), given_facts)
    named = {question.name for question in decision.questions}
    assert not named & {fact.name for fact in given_facts}
    assert named == {name for reason in decision.reasons for name in reason.questions}
    assert ("sight" in named) <= bool(decision.unseen)


def test_the_property_covers_every_word():
    """A new word has to be added to WHEN above, or its promise is not kept by anything."""
    assert set(WORDS) == {*SUBJECTS, *LEAST, "tag"}


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
BOTH = {"en": "some clause", "hi": "कोई धारा"}
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
    ((*R, "when"), {"label": "face", "tag": "any"}, "rules[0].when: needs exactly one of label, tag, together"),
    ((*R, "when"), {"min_count": 1}, "rules[0].when: needs exactly one of label, tag, together"),
    ((*R, "when"), {}, "rules[0].when: needs exactly one of label, tag, together"),
    ((*R, "when"), {"together": ["face"]}, "rules[0].when.together: must be a list of two or more entries"),
    ((*R, "when"), {"together": "face"}, "rules[0].when.together: must be a list of two or more entries"),
    ((*R, "when"), {"tag": "any", "laid_out": 2}, "rules[0].when.laid_out: says nothing about a tag"),
    ((*R, "when"), {"tag": "any", "min_area": 0.5}, "rules[0].when.min_area: says nothing about a tag"),
    ((*R, "media"), "film", "rules[0].media: must be one of image, video, not 'film'"),
    ((*R, "absent"), "aks", "rules[0].absent: must be one of error, ask, not 'aks'; did you mean \"ask\"?"),
    (("absent",), "pass", "absent: must be one of error, ask"),
    ((*R, "declared"), {"acount": "official"}, 'rules[0].declared.acount: unknown word; did you mean "account"?'),
    (
        (*R, "declared"),
        {"account": "offical"},
        "rules[0].declared.account: must be one of official, personal, outsider, not 'offical'; did you mean",
    ),
    ((*R, "declared"), {"account": []}, "rules[0].declared.account: must be a list with at least one entry"),
    ((*R, "declared"), {}, "rules[0].declared: must be a mapping with account"),
    ((*R, "unless"), [], "rules[0].unless: must be a list with at least one entry"),
    ((*R, "unless"), [{"sealed": "maybe"}], "rules[0].unless[0].sealed: must be one of yes, no, none, not 'maybe'"),
    ((*R, "unless"), {"place": ["premises", "premises"]}, "rules[0].unless.place: names one thing twice"),
    ((*R, "unless"), {"approval": "REF 1"}, "rules[0].unless.approval: must be one of granted, none"),
    (("clauses",), [{"clause": 1, "way": "inforced", "text": BOTH}], "clauses[0].way: must be one of enforced"),
    (("clauses",), [{"clause": 1, "way": "out-of-reach", "text": BOTH}], "clauses[0]: because says why"),
    (("clauses",), [{"clause": 1, "way": "asked", "text": BOTH, "because": BOTH}], "clauses[0]: because says why"),
    (("examples",), [{"name": "x", "verdict": "hold"}], "examples[0].verdict: must be one of pass, redact"),
    (("examples",), [{"name": "x", "verdict": "pass", "found": [{}]}], "examples[0].found[0]: needs either"),
    (
        ("examples",),
        [{"name": "x", "verdict": "pass", "facts": {"sealed": "jes"}}],
        "examples[0].facts.sealed: must be",
    ),
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
        assert not valid(doc)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"action": "redact", "when": {"tag": "location"}}, "rules[0].action: redact paints over objects"),
        ({"action": "redact", "when": {"together": ["face", "knife"]}}, "rules[0].action: redact paints over objects"),
        (
            {"action": "redact", "when": {"label": "face", "laid_out": 2}},
            "rules[0].action: redact cannot ask for a number",
        ),
        (
            {"action": "redact", "when": {"label": "face", "min_count": 2}},
            "rules[0].action: redact cannot ask for a number",
        ),
    ],
)
def test_redact_needs_a_label_and_no_number(rule, message):
    doc = document(**rule)
    assert message in fault(doc)
    assert not valid(doc)


def test_a_rule_for_every_file_is_a_mistake():
    doc = document()
    del doc["rules"][0]["when"]
    assert fault(doc).startswith("test.yaml: rules[0]: fires on every file")
    assert not valid(doc)


@pytest.mark.parametrize(
    "when", [{"together": ["goods", "cash"]}, {"together": ["face", ["face", "knife"]]}, {"label": ["goods", "cash"]}]
)
def test_one_label_stands_in_one_place(when):
    assert "names one thing twice" in fault(document(when=when))


def test_declaring_every_value_says_nothing():
    doc = document(declared={"account": ["official", "personal", "outsider"]})
    assert "rules[0].declared.account: names every value there is" in fault(doc)


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
    assert not valid(doc)


# --- clauses: each in exactly one way ---


def row(clause, way, **more):
    return {"clause": clause, "way": way, "text": BOTH, **more}


def test_a_clause_goes_the_way_its_rules_go():
    doc = document() | {"clauses": [row(1, "enforced"), row(2, "out-of-reach", because=BOTH)]}
    assert valid(doc)
    assert [c.way for c in parse(doc, sha256="", origin="").clauses] == ["enforced", "out-of-reach"]
    doc["clauses"][0]["way"] = "asked"
    assert fault(doc) == "test.yaml: clauses[0].way: clause 1 is enforced, not asked (one)"
    doc["clauses"] = [row(1, "enforced"), row(2, "asked")]
    assert fault(doc) == "test.yaml: clauses[1].way: clause 2 is out-of-reach, not asked (no rule names it)"
    doc["clauses"] = [row(2, "out-of-reach", because=BOTH)]
    assert fault(doc) == "test.yaml: rules[0].clause: '1' has no row in clauses; known are 2"
    doc["clauses"] = [row(1, "enforced"), row("1", "enforced")]
    assert fault(doc) == "test.yaml: clauses[1].clause: '1' is already the name of clauses[0]"


def test_a_rule_without_a_text_has_that_of_its_clause():
    doc = document() | {"clauses": [row(1, "enforced")]}
    del doc["rules"][0]["text"]
    assert parse(doc, sha256="", origin="").rules[0].text.en == "some clause"
    del doc["clauses"]
    assert "text is missing" in fault(doc)


# --- what is declared ---


def test_facts_are_typed_and_say_who_vouches_for_them():
    sealed, approval = told(approval="SM/7", by="A. Kumar", sealed=True)[::-1]
    assert (sealed.name, sealed.value, sealed.by) == ("sealed", "yes", "A. Kumar")
    assert (approval.value, approval.reference, approval.by) == ("granted", "SM/7", "A. Kumar")
    assert told(approval="none")[0].value == "none"
    assert told(by="A. Kumar") == told() == ()
    assert sealed.text == "whether recovered goods are sealed: every recovered thing is sealed"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"acount": "official"}, 'test: acount: unknown word; did you mean "account"?'),
        ({"sealed": "ja"}, "test: sealed: must be one of yes, no, none, not 'ja'"),
        ({"sealed": ["yes"]}, "test: sealed: must be one of yes"),
        ({"parade": None}, "test: parade: must be one of pending"),
        ({"approval": "SM/7"}, "test: approval: who vouches for it?"),
        ({"approval": True, "by": "A"}, "test: approval: must be the reference"),
        ({"approval": "", "by": "A"}, "test: approval: must be text"),
        ({"approval": "a\nb", "by": "A"}, "test: approval: must be one line"),
        ({"by": "x" * 201}, "test: by: must be one line of at most 200 visible letters"),
        ({"by": "a\u202eb"}, "test: by: must be one line"),
    ],
)
def test_a_mistake_in_facts_is_named(facts, message):
    with pytest.raises(SettingsError) as caught:
        told(**facts)
    assert str(caught.value).startswith(message)
    if all(str(value).isprintable() for value in facts.values()):  # JSON Schema knows no classes of letters
        assert not jsonschema.Draft202012Validator(FACTS_SCHEMA).is_valid(facts)


def test_what_is_declared_settles_and_what_is_not_is_asked():
    rule = {"unless": {"sealed": ["yes", "none"]}, "clause": 28, "when": {"label": "cash"}}
    found = evidence(seen("cash"), looks=(look(*LABELS),))
    asked = decide(policy(**rule), found)
    assert (asked.verdict, [q.name for q in asked.questions]) == (Verdict.REVIEW, ["sealed"])
    (question,) = asked.questions
    assert question.clauses == ("28",)
    assert question.answer == "--attest sealed=yes|no|none"
    assert question.text_hi
    assert not question.text_hi.isascii()
    assert decide(policy(**rule), found, told(sealed="yes")).reasons == ()
    still_held = decide(policy(**rule), found, told(sealed="no"))
    assert (still_held.verdict, still_held.questions) == (Verdict.REVIEW, ())


def test_a_rule_of_facts_alone_says_what_it_rests_on():
    rule = {"unless": {"court": "clear"}, "clause": 23}
    doc = document(**rule)
    del doc["rules"][0]["when"]
    some = parse(doc, sha256="", origin="")
    (silent,) = decide(some, evidence()).reasons
    assert silent.text == "not declared: whether a court restricts it; some rule"
    assert silent.text_hi == "घोषित नहीं: न्यायालय की रोक है या नहीं; कोई नियम"
    assert silent.questions == ("court",)
    (declared,) = decide(some, evidence(), told(court="restricted")).reasons
    assert (declared.text, declared.questions) == ("declared: a court restricts it; some rule", ())
    assert decide(some, evidence(), told(court="clear")).verdict is Verdict.PASS


def test_of_two_ways_out_the_first_that_is_open_is_asked_for():
    doc = document(unless=[{"confidential": "absent"}, {"approval": "granted"}])
    del doc["rules"][0]["when"]
    some = parse(doc, sha256="", origin="")
    assert [q.name for q in decide(some, evidence()).questions] == ["confidential"]
    assert [q.name for q in decide(some, evidence(), told(confidential="present")).questions] == ["approval"]
    assert decide(some, evidence(), told(confidential="present", approval="none")).questions == ()
    assert decide(some, evidence(), told(approval="SM/7", by="A")).verdict is Verdict.PASS


def test_every_fact_has_a_question_in_both_languages():
    for name, word in FACTS.items():
        for text in (word.short, word.question, *word.values.values()):
            assert text.en.isascii()
            assert not text.hi.isascii()
        assert len(word.values) > 1
        assert NAME.fullmatch(name)
        assert word.question.en.endswith("?")
        assert word.question.hi.endswith("?")


# --- where no detector looks ---


@pytest.mark.parametrize("action", ["note", "redact", "review", "block"])
def test_an_absent_detector_is_asked_for_where_the_pack_says_so(action):
    rule = {"when": {"label": ["cash", "face"]}, "action": action, "absent": "ask", "unless": {"sealed": "yes"}}
    decision = decide(policy(**rule), evidence())
    assert (decision.verdict, decision.unseen) == (Verdict.REVIEW, ("cash",))
    (reason,) = decision.reasons
    assert reason.text == "no detector for cash is installed; some rule"
    assert reason.questions == ("sealed",)
    settled = decide(policy(**rule), evidence(), told(sealed="yes"))
    assert (settled.verdict, settled.unseen) == (Verdict.PASS, ())


def test_what_no_fact_answers_a_person_has_to_look_at():
    decision = decide(policy(when={"label": "cash"}, absent="ask", clause=28), evidence())
    (question,) = decision.questions
    assert (question.name, question.answer, question.clauses) == ("sight", "", ("28",))
    assert "cash" in question.text
    assert decision.verdict is Verdict.REVIEW


def test_what_is_found_counts_beside_what_nobody_looked_for():
    rule = {"when": {"label": ["cash", "face"]}, "action": "block", "absent": "ask"}
    decision = decide(policy(**rule), evidence(seen("face")))
    assert [reason.action for reason in decision.reasons] == ["block", "review"]


def test_a_rule_that_is_settled_needs_no_detector():
    rule = {"when": {"label": "cash"}, "unless": {"sealed": "yes"}}
    assert decide(policy(**rule), evidence(), told(sealed="yes")).verdict is Verdict.PASS
    assert decide(policy(**rule), evidence(), told(sealed="no")).verdict is Verdict.ERROR


def test_the_error_of_an_absent_detector_names_the_clauses_and_the_questions_that_would_settle_them():
    decision = decide(policy(when={"label": "cash"}, unless={"sealed": "yes"}, clause=[28, 31]), evidence())
    (reason,) = decision.reasons
    assert (reason.action, reason.clause, reason.questions) == ("error", "28, 31", ("sealed",))
    (question,) = decision.questions
    assert (question.name, question.clauses) == ("sealed", ("28", "31"))


# --- rules that contradict ---


def remarks(*some, **more):
    base = document()["rules"][0] | {"todo": BOTH}
    doc = document() | {"rules": [{**base, "id": f"r{i}", **rule} for i, rule in enumerate(some)]} | more
    return lint(parse(doc, sha256="", origin=""))


def test_rules_in_order_give_no_remark():
    assert remarks({"when": {"label": "face"}}, {"when": {"label": "knife"}, "action": "block"}) == []
    assert remarks({"when": {"label": "face"}, "action": "redact"}, {"when": {"label": "face"}}) == []


@pytest.mark.parametrize(
    ("mild", "strict"),
    [
        ({"when": {"label": "knife"}}, {"when": {"label": ["knife", "face"]}}),
        ({"when": {"label": "knife", "min_score": 0.5}}, {"when": {"label": "knife"}}),
        ({"when": {"label": "knife"}, "media": "video"}, {"when": {"label": "knife"}}),
        ({"when": {"together": ["knife", "face"]}}, {"when": {"label": ["knife", "face"]}}),
        ({"when": {"label": "knife"}, "declared": {"account": "outsider"}}, {"when": {"label": "knife"}}),
        ({"when": {"label": "knife"}}, {"when": {"label": "knife"}, "declared": {"account": "outsider"}}),
        (
            {"when": {"label": "knife"}, "unless": {"sealed": ["yes", "none"]}},
            {"when": {"label": "knife"}, "unless": {"sealed": "yes"}},
        ),
    ],
)
def test_a_rule_that_never_decides_is_said(mild, strict):
    said = remarks({**mild, "action": "review"}, {**strict, "action": "block"})
    covered = "declared" not in strict
    assert (said == ["r0 says review, but wherever it fires r1 says block"]) == covered
    if covered:
        assert remarks({**mild, "action": "block"}, {**strict, "action": "review"}) == []


def test_other_faults_that_can_be_read():
    assert "did you mean 'police_officer'" not in "".join(remarks({"when": {"label": "police_oficer"}}))
    assert remarks({"when": {"label": "police_oficer"}}) == [
        "r0: no pack knows the label 'police_oficer'; did you mean \"police_officer\"?"
    ]
    both = {"declared": {"account": "outsider"}, "unless": {"account": "outsider"}}
    assert remarks(both) == ["r0: declared and unless name the same value, so a declaration silences it either way"]
    assert remarks({"absent": "ask"}) == [
        "r0: asks where no detector looks, but no fact answers it: every file would be held"
    ]
    assert "r0: the Hindi text holds no Hindi" in remarks({"text": {"en": "x", "hi": "x"}})
    kept = remarks({"when": {"tag": "time"}}, keep=["date"])
    assert kept == ["keep: date is to stay, but r0 says review where a time tag is found"]
    twice = remarks({"when": {"label": "knife"}}, {"when": {"label": ["knife", "face"]}})
    assert twice == ["r0 says nothing that r1 does not say already"]
    assert remarks({"when": {"label": "knife"}}, {"when": {"label": ["knife", "face"]}, "clause": 2}) == []


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
    assert valid(doc)
    assert parse(doc, sha256="", origin="test.yaml").keep == ("copyright", "creator")
    assert policy().keep == ()


# --- the schema and the engine know the same words ---


def test_the_schema_has_the_engines_words():
    defs = SCHEMA["$defs"]
    assert SCHEMA["properties"]["keep"]["items"]["enum"] == list(get_args(KeepWord))
    assert set(defs["when"]["properties"]) == set(WORDS)
    assert defs["rule"]["properties"]["action"]["enum"] == list(ACTIONS)
    assert defs["tag_kind"]["enum"] == list(get_args(TagKind))
    subjects = {words["required"][0] for words in defs["when"]["oneOf"]}
    silent_on_tags = defs["when"]["dependentSchemas"]["tag"]["properties"]
    assert set(silent_on_tags) == {w for w, p in WORDS.items() if p.about == "track"} - subjects
    for part in ("when", "rule", "text", "clause", "example", "found"):
        assert defs[part]["additionalProperties"] is False


def test_the_schemas_have_the_engines_facts():
    rule, file = SCHEMA["$defs"]["told"]["properties"], FACTS_SCHEMA["properties"]
    assert set(rule) == set(FACTS)
    assert set(file) == {*FACTS, "by"}
    for name, word in FACTS.items():
        assert rule[name]["description"] == file[name]["description"] == word.question.en
        said = [value for value in rule[name]["anyOf"][0]["enum"] if isinstance(value, str)]
        assert said == list(word.values)
        if name != "approval":
            assert [value for value in file[name]["enum"] if isinstance(value, str)] == said


def test_a_policy_can_be_sent_to_a_worker():
    some = policy(unless={"sealed": "yes"}, when={"together": ["face", "knife"]})
    assert pickle.loads(pickle.dumps(some)) == some  # noqa: S301 - our own bytes
    assert hash(some) == hash(policy(unless={"sealed": "yes"}, when={"together": ["face", "knife"]}))
