"""The policy command as a user types it; and the page in docs/, which is made from the packs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from media_screen.cli import cli
from media_screen.config import load_policy, policy_names
from media_screen.errors import SettingsError
from media_screen.policy import FACTS, pages

ROOT = Path(__file__).parents[1]
SOURCES = ("karachi-2024", "meghalaya", "up-government-2024", "up-police-2023")


def said(*arguments, code: int = 0) -> str:
    done = CliRunner().invoke(cli, ["policy", *map(str, arguments)])
    if isinstance(done.exception, SettingsError):  # main() makes a line and exit code 2 of it
        assert code == 2
        return str(done.exception)
    assert done.exit_code == code, done.output
    return done.output


def test_every_pack_passes_its_own_examples_and_is_in_order():
    """What CI runs for every pack."""
    assert said("test").count("examples hold") == len(policy_names())
    assert said("lint").count("in order") == len(policy_names())


def test_an_example_that_does_not_hold_is_named(tmp_path):
    pack = yaml.safe_load((ROOT / "configs" / "minimal.yaml").read_text(encoding="utf-8"))
    pack["examples"][1]["verdict"] = "pass"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(pack, allow_unicode=True), encoding="utf-8")
    told = said("test", path, "minimal", code=2)
    assert "minimal: a face and a place: verdict redact (faces, location), not pass" in told
    assert "minimal: 8 examples hold" in told  # the shipped one, of the same name
    del pack["examples"]
    path.write_text(yaml.safe_dump(pack, allow_unicode=True), encoding="utf-8")
    assert "has no examples" in said("test", path, code=2)


def test_a_pack_that_contradicts_itself_is_told(tmp_path):
    pack = yaml.safe_load((ROOT / "configs" / "minimal.yaml").read_text(encoding="utf-8"))
    todo = pack["rules"][0]["todo"]
    for name, action in (("one", "review"), ("two", "block")):
        rule = {"id": name, "clause": 1, "when": {"label": "knife"}, "action": action, "todo": todo}
        pack["rules"].append(rule | {"text": {"en": "a", "hi": "अ"}})
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(pack, allow_unicode=True), encoding="utf-8")
    assert "one says review, but wherever it fires two says block" in said("lint", path, code=2)
    with pytest.raises(SettingsError, match="rules contradict: one says review"):  # and no file is screened by it
        load_policy(str(path))


@pytest.mark.parametrize("lang", ["en", "hi"])
def test_coverage_names_every_clause_of_each_source_with_its_rules(lang):
    told = said("coverage", "--lang", lang)
    for name in SOURCES:
        pack = load_policy(name)
        part = re.split(r"\n\n", told[told.index(f"{name}: ") :])[0]
        rows = [line for line in part.splitlines()[2:] if not line.startswith("      ")]
        assert [re.split(r"\s{2,}", row.strip())[0] for row in rows] == [clause.id for clause in pack.clauses]
        for rule in pack.rules:
            assert "/" in rule.id or f"{rule.id} ({rule.action})" in " ".join(part.split())
    assert "strict" not in told
    assert said("coverage", "strict").count("UP 28 ") == 1


def test_a_clause_is_explained_with_its_rules_in_both_languages():
    told = said("explain", "UP", "28")
    assert told.startswith("UP 28 (up-police-2023): enforced")
    assert "sealed=yes|none" in told
    assert re.search("[\u0900-\u097f]", told)
    assert said("explain", "up 28") == told
    several = said("explain", "6")
    assert "UP 6 (up-police-2023)" in several
    assert "KHI 6 (karachi-2024): out of reach" in several
    assert "UP 6" not in said("explain", "6", "--policy", "karachi-2024")
    assert "पहुँच से बाहर" in said("explain", "KHI 6", "--lang", "hi")


@pytest.mark.parametrize("policy", [load_policy(name) for name in SOURCES], ids=SOURCES)
def test_every_clause_can_be_explained(policy):
    for clause in policy.clauses:
        told = pages.explained([policy], f"{policy.cite} {clause.id}", "en")
        assert clause.text.hi in told
        assert clause.because is None or clause.because.en in " ".join(told.split())


def test_a_wrong_clause_or_pack_is_said_with_the_nearest():
    assert 'did you mean "UP 28"' in said("explain", "UP 288", code=2)
    assert "policy coverage lists them all" in said("explain", "x", code=2)
    assert "no policy 'minimol'" in said("show", "minimol", code=2)
    assert "no policy 'minimol'" in said("coverage", "minimol", code=2)


def test_lists_shows_and_facts():
    assert all(name in said("list") for name in policy_names())
    told = said("show", "up-police-2023", "--lang", "hi")
    assert all(f"{rule.id}: {rule.action}" in told for rule in load_policy("up-police-2023").rules)
    told = said("facts")
    assert all(f"\n{name}: " in f"\n{told}" for name in FACTS)
    assert "--attest sealed=yes|no|none" in told


def test_the_page_in_docs_is_the_one_of_the_packs():
    packs = [load_policy(name) for name in policy_names()]
    page = pages.markdown(pack for pack in packs if pack.cite and pack.clauses)
    assert (ROOT / "docs" / "policies.md").read_text(encoding="utf-8") == page, "run scripts/make_policies_page.py"


def test_facts_are_declared_from_python_too():
    from media_screen import Verdict, check

    patrol = ROOT / "data" / "samples" / "गश्त patrol.jpg"
    assert check(patrol, policy="up-government-2024").verdict is Verdict.REVIEW
    answered = {
        "account": "official",
        "uploader": "media-cell",
        "purpose": "event",
        "approval": "SM/12",
        "by": "DCP Media",
        "place": "elsewhere",
        "identifiable": "absent",
        "confidential": "absent",
        "decent": "yes",
        "symbols": "absent",
    }
    report = check(patrol, policy="up-government-2024", facts=answered)
    assert report.verdict is Verdict.REDACT
    assert {fact.by for fact in report.facts} == {"DCP Media"}
    with pytest.raises(SettingsError, match="facts: account"):
        check(patrol, facts={"account": "mine"})
