"""The packs that are shipped: each clause in one way, each example as it is written, none that contradicts itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from builders import evidence, look, seen, tagged
from referencing import Registry, Resource

from media_screen.config import DEFAULT_POLICY, load_manifest, load_policy, policy_names
from media_screen.errors import SettingsError
from media_screen.policy import FACTS, decide, required_labels
from media_screen.policy.examples import decision_on, difference
from media_screen.policy.labels import GROUPS, LABELS
from media_screen.policy.linting import lint
from media_screen.policy.phrases import kinds
from media_screen.policy.ruling import labels_of
from media_screen.types import TagKind, Verdict

CONFIGS = Path(__file__).parents[1] / "configs"
SCHEMAS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in CONFIGS.glob("*.schema.json")}
KNOWN = Registry().with_resource("facts.schema.json", Resource.from_contents(SCHEMAS["facts.schema.json"]))
CHECK = jsonschema.Draft202012Validator(SCHEMAS["policy.schema.json"], registry=KNOWN)
SOURCES = ("up-police-2023", "up-government-2024", "karachi-2024", "meghalaya")
EXAMPLES = [(name, example) for name in policy_names() for example in load_policy(name).examples]
EVERYTHING = (look(*LABELS),)


@pytest.mark.parametrize("name", policy_names())
def test_a_pack_fits_the_schema_and_is_in_order(name):
    CHECK.validate(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")))
    pack = load_policy(name)
    assert pack.name == name
    assert lint(pack) == []
    assert required_labels(pack) <= set(LABELS)
    assert pack.examples
    assert {label for rule in pack.rules for label in labels_of(rule)} == required_labels(pack)


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}: {e.name}" for name, e in EXAMPLES])
def test_an_example_comes_to_what_is_written_beside_it(name, example):
    assert difference(load_policy(name), example) == ""


@pytest.mark.parametrize("name", SOURCES)
def test_every_rule_of_a_source_is_in_some_example(name):
    """A rule that no example makes fire could say anything."""
    pack = load_policy(name)
    fired = {reason.rule for example in pack.examples for reason in decision_on(pack, example).reasons}
    assert {rule.id for rule in pack.rules if "/" not in rule.id} - fired == set()


@pytest.mark.parametrize("name", SOURCES)
def test_every_value_of_a_source_is_said_in_both_languages(name):
    for clause in load_policy(name).clauses:
        for text in (clause.text, *([clause.because] if clause.because else [])):
            assert text.en.isascii()
            assert re.search("[\u0900-\u097f]", text.hi)
            assert not text.en.endswith(".")


@pytest.mark.parametrize(
    ("name", "clauses"),
    [
        (
            "up-police-2023",
            [*map(str, range(1, 42))]
            + [f"permitted {n}" for n in range(1, 6)]
            + [f"safety {n}" for n in range(1, 7)]
            + ["breach 1", "breach 2"],
        ),
        (
            "up-government-2024",
            [
                f"{section}.{point}"
                for section, points in enumerate((3, 2, 6, 3, 3, 3, 3, 2, 2), 1)
                for point in range(1, points + 1)
            ],
        ),
        ("karachi-2024", [*map(str, range(1, 10))]),
        (
            "meghalaya",
            [
                f"{section}.{point}"
                for section, points in enumerate((1, 4, 4, 1, 1, 1, 1, 1, 5, 6), 1)
                for point in range(1, points + 1)
            ]
            + ["11"],
        ),
    ],
)
def test_no_clause_of_a_source_is_left_out(name, clauses):
    assert [clause.id for clause in load_policy(name).clauses] == clauses


def test_strict_is_the_union():
    strict = load_policy("strict")
    assert len(strict.clauses) == sum(len(load_policy(name).clauses) for name in SOURCES)
    named = {clause for rule in strict.rules for clause in rule.clauses}
    assert {c.id for c in strict.clauses if c.way != "out-of-reach"} <= named
    for name in SOURCES:
        part = load_policy(name)
        for example in part.examples:
            looked_for = tuple(sorted(required_labels(part)))
            found = decision_on(strict, example) if example.detectors is not None else None
            if found is not None:
                assert found.verdict >= decision_on(part, example).verdict, (example.name, looked_for)


@pytest.mark.parametrize("name", [name for name in (*SOURCES, "strict") if name != "up-government-2024"])
def test_what_no_model_looks_for_is_an_error_that_names_it_until_a_declaration_settles_it(name):
    pack = load_policy(name)
    decision = decide(pack, evidence(looks=(look("face"),), frames=100))
    gap = decision.reasons[0]
    assert (decision.verdict, gap.rule) == (Verdict.ERROR, "coverage.detector")
    for rule in pack.rules:
        if labels_of(rule) - {"face"} and rule.absent == "error":
            assert all(kinds([label]).en in gap.text for label in labels_of(rule) - {"face"})
            assert set(rule.clauses) <= set(gap.clause.split(", "))
            assert set(gap.questions).intersection(rule.facts)


@pytest.mark.parametrize("name", [*SOURCES, "strict"])
def test_what_the_shipped_models_do_not_look_for_is_left_to_a_person(name):
    pack = load_policy(name)
    shipped = {label for spec in load_manifest() for label in spec.labels}
    unseen = required_labels(pack) - shipped
    assert unseen, "a pack that the shipped models answer wholly needs no test of this kind"
    assert {rule.absent for rule in pack.rules if labels_of(rule) & unseen} == {"ask"}
    decision = decide(pack, evidence(looks=(look(*shipped),), frames=100))
    assert decision.verdict is Verdict.REVIEW
    assert set(decision.unseen) == unseen


@pytest.mark.parametrize("name", policy_names())
def test_every_pack_blurs_faces_and_strips_every_kind_of_tag(name):
    pack = load_policy(name)
    assert decide(pack, evidence(seen(), looks=EVERYTHING)).redact_tracks == {0}
    for kind in get_args(TagKind):
        decision = decide(pack, evidence(tagged(kind), looks=EVERYTHING))
        assert decision.strips, kind
        assert decision.verdict >= Verdict.REDACT


def test_the_default_pack_asks_for_faces_alone_and_asks_nothing():
    default = load_policy(DEFAULT_POLICY)
    assert required_labels(default) == {"face"}
    assert decide(default, evidence(seen())).verdict is Verdict.REDACT
    assert decide(default, evidence()).verdict is Verdict.PASS
    assert {rule.id for rule in default.rules if rule.facts} == {"accused-faces"}  # of whom a gallery knows


@pytest.mark.parametrize(
    ("label", "clauses"),
    [("handgun", {"28", "31"}), ("cash", {"28"}), ("police_officer", {"31"}), ("face", {"13, 14, 27, 30"})],
)
def test_the_up_police_pack_names_the_clause(label, clauses):
    decision = decide(load_policy("up-police-2023"), evidence(seen(label), looks=EVERYTHING, frames=1))
    assert {reason.clause for reason in decision.reasons if reason.findings} >= clauses


def test_unsealed_goods_are_painted_over_until_somebody_vouches_for_the_seals():
    decision = decide(load_policy("up-police-2023"), evidence(seen("cash"), seen("mobile_phone"), looks=EVERYTHING))
    assert decision.redact_tracks == {0}


def test_a_pack_without_any_fact_is_never_milder_than_with_any_one():
    """The promise once more, on the packs themselves: one fact at a time."""
    from media_screen.policy import Place, read_facts

    found = evidence(
        *map(seen, ("police_officer", "handgun", "cash", "liquor_bottle", "police_vehicle")), looks=EVERYTHING
    )
    for name in policy_names():
        pack = load_policy(name)
        silent = decide(pack, found)
        for fact, word in FACTS.items():
            for value in word.values:
                said = {fact: "REF" if value == "granted" else value, "by": "A"}
                told = decide(pack, found, read_facts(said, Place("test")))
                assert told.verdict <= silent.verdict, (name, said)
                assert {r.rule for r in told.reasons} <= {r.rule for r in silent.reasons}


def test_groups_hold_known_labels():
    assert {label for labels in GROUPS.values() for label in labels} <= set(LABELS)
    assert not set(GROUPS) & set(LABELS)


def test_packs_include_others_but_not_in_a_circle(tmp_path):
    head = "version: 1\ntitle: {en: A, hi: अ}\nsource: a test\n"
    one, two, three = (tmp_path / f"{n}.yaml" for n in ("one", "two", "three"))
    one.write_text(f"name: one\n{head}cite: ONE\ninclude: [minimal, {two}]\n", encoding="utf-8")
    rule = "rules: [{id: r, clause: 3, action: block, when: {label: face}, text: {en: x, hi: अ}}]\n"
    two.write_text(f"name: two\n{head}cite: TWO\n{rule}", encoding="utf-8")
    both = load_policy(str(one))
    assert [rule.id for rule in both.rules] == [
        *("minimal/faces", "minimal/protected-faces", "minimal/accused-faces", "minimal/location"),
        *("minimal/hidden-pictures", "minimal/other-metadata", "two/r"),
    ]
    assert both.rules[-1].clauses == ("TWO 3",)
    three.write_text(f"name: three\n{head}include: [{one}]\n", encoding="utf-8")
    assert [rule.clauses for rule in load_policy(str(three)).rules][-1] == ("TWO 3",)
    before = load_policy(str(three)).sha256
    two.write_text(two.read_text(encoding="utf-8").replace("block", "review"), encoding="utf-8")
    assert load_policy(str(three)).sha256 != before  # a change in a pack two steps away is a change
    two.write_text(f"name: two\n{head}cite: TWO\ninclude: [{one}]\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="circle"):
        load_policy(str(one))
    two.write_text(f"name: two\n{head}{rule}", encoding="utf-8")
    with pytest.raises(SettingsError, match="has no cite"):
        load_policy(str(one))
    one.write_text(f"name: one\n{head}include: [minimol]\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no policy 'minimol'"):
        load_policy(str(one))
