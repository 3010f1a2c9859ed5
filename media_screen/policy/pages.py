"""Policies -> what people read about them: a line each, all rules, one clause, every clause, the page in docs/."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from media_screen.errors import SettingsError
from media_screen.policy.facts import FACTS, answer
from media_screen.policy.place import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media_screen.policy.nouns import Clause, Condition, Policy, Rule, Text, Told, Way

WIDTH = 100
WAYS: dict[Way, tuple[str, str]] = {
    "enforced": ("enforced", "जाँचा जाता है"),
    "asked": ("asked", "पूछा जाता है"),
    "out-of-reach": ("out of reach", "पहुँच से बाहर"),
}


def overview(policies: Iterable[Policy], lang: str) -> str:
    """A few words on each."""
    lines = []
    for policy in policies:
        lines.append(f"{policy.name:<20} {_in(policy.title, lang)}")
        lines += [f"{'':<20} {_counts(policy, lang)}"] if policy.clauses else []
    return "\n".join(lines)


def shown(policy: Policy, lang: str) -> str:
    """Every rule, in the order in which they stand."""
    lines = [f"{policy.name}, version {policy.version}: {_in(policy.title, lang)}", f"  {policy.source}"]
    lines += [f"  sha256 {policy.sha256}"]
    for rule in policy.rules:
        lines += ["", *_rule(rule, lang)]
    return "\n".join(lines)


def explained(policies: Sequence[Policy], named: str, lang: str) -> str:
    """One clause: what it says in both languages, how it is met, and by which rules.

    Args:
        policies: those of one source each.
        named: a clause as a report names it, with or without the sign of its source: "27", "UP 27".
        lang: of the rest.

    Raises:
        SettingsError: no pack has such a clause.
    """
    found = [(policy, clause) for policy in policies for clause in policy.clauses if _is(policy, clause, named)]
    if not found:
        known = [f"{policy.cite} {clause.id}" for policy in policies for clause in policy.clauses]
        close = nearest(named, known) if len(known) <= len(FACTS) else nearest(named, known).partition("; known are")[0]
        raise SettingsError(f"no pack has a clause {named!r}{close} (media-screen policy coverage lists them all)")
    return "\n\n".join(_explained(policy, clause, lang) for policy, clause in found)


def covered(policy: Policy, lang: str) -> str:
    """Every clause, the way in which it is met, and the rules or the reason."""
    lines = [f"{policy.name}: {_in(policy.title, lang)}", f"  {_counts(policy, lang)}"]
    widest = max((len(clause.id) for clause in policy.clauses), default=0)
    for clause in policy.clauses:
        head = f"  {clause.id:<{widest}}  {_way(clause, lang):<13} "
        lines += _wrapped(_met_by(policy, clause, lang), head, len(head))
    return "\n".join(lines)


def facts(lang: str) -> str:
    """Every fact that can be declared, the question it answers, and its values."""
    lines = []
    for name, word in FACTS.items():
        lines.append(f"{name}: {_in(word.question, lang)}")
        lines += [f"  {value:<16} {_in(said, lang)}" for value, said in word.values.items()]
        lines += [f"  {answer(name)}", ""]
    return "\n".join(lines[:-1])


def markdown(policies: Iterable[Policy]) -> str:
    """The page in docs/: a table for each source."""
    parts = [_HEAD]
    for policy in policies:
        rows = "\n".join(_row(policy, clause) for clause in policy.clauses)
        about = f"`{policy.name}` · {policy.source} · {_counts(policy, 'en')}"
        parts.append(f"## {policy.title.en} · {policy.title.hi}\n\n{about}\n\n{_COLUMNS}\n{rows}\n")
    parts.append(_facts_page())
    return "\n".join(parts)


_HEAD = """# The clauses of each source, and how each is met

Made from `configs/*.yaml` by `scripts/make_policies_page.py`; a test holds it to them. Every clause stands here in one
of three ways: **enforced** by what is seen in the file, **asked** of the person who uploads (undeclared counts as the
stricter), or **out of reach**, because it is about conduct and not about media. The words are ours; the source counts.

`media-screen policy coverage` prints the same, `media-screen policy explain "UP 28"` one clause with its rules.
"""
_COLUMNS = """| Clause | In our words | हमारे शब्दों में | Way | By which rule, or why not |
|---|---|---|---|---|"""


def _facts_page() -> str:
    rows = "\n".join(
        f"| `{name}` | {word.question.en} | {word.question.hi} | {', '.join(f'`{v}`' for v in word.values)} |"
        for name, word in FACTS.items()
    )
    return (
        "## What can be declared\n\nWith `--account`, `--purpose`, `--attest FACT=VALUE`, `--by NAME`, in a file"
        " (`--facts`), or beside one file in `NAME.media-screen.yaml`. For `approval`, `granted` is said by giving its"
        f" reference and `--by`.\n\n| Fact | Question | प्रश्न | Values |\n|---|---|---|---|\n{rows}\n"
    )


def _row(policy: Policy, clause: Clause) -> str:
    rules = ", ".join(f"`{rule.id}` ({rule.action})" for rule in _rules(policy, clause))
    by = rules or (clause.because.en if clause.because else "")
    cells = (clause.id, clause.text.en, clause.text.hi, WAYS[clause.way][0], by)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _explained(policy: Policy, clause: Clause, lang: str) -> str:
    lines = [f"{policy.cite} {clause.id} ({policy.name}): {_way(clause, lang)}"]
    lines += [f"  {clause.text.en}", f"  {clause.text.hi}"]
    if clause.because:
        lines += _wrapped(_in(clause.because, lang), "  -> ", 5)
    for rule in _rules(policy, clause):
        lines += ["", *(f"  {line}" for line in _rule(rule, lang))]
    return "\n".join(lines)


def _rule(rule: Rule, lang: str) -> list[str]:
    lines = [f"{rule.id}: {rule.action} (clause {rule.clause})"]
    lines += _wrapped(_in(rule.text, lang), "  ", 2)
    media = [f"only in a {'video' if rule.media == 'video' else 'picture'}"] if rule.media else []
    when = [*media, *map(_condition, rule.conditions)]
    lines += _wrapped("; ".join(when), "  when      ", 12) if when else []
    lines += _wrapped(" and ".join(map(_told, rule.declared)), "  declared  ", 12) if rule.declared else []
    rows = [" and ".join(map(_told, row)) for row in rule.unless]
    lines += _wrapped(", or ".join(rows), "  unless    ", 12) if rows else []
    return [*lines, *(_wrapped(_in(rule.todo, lang), "  -> ", 5) if rule.todo else [])]


def _condition(condition: Condition) -> str:
    value = condition.value
    if isinstance(value, tuple):
        value = ", ".join(each if isinstance(each, str) else " or ".join(each) for each in value)
    return f"{condition.word} {value}"


def _told(told: Told) -> str:
    return f"{told.fact}={'|'.join(told.values)}"


def _met_by(policy: Policy, clause: Clause, lang: str) -> str:
    rules = ", ".join(f"{rule.id} ({rule.action})" for rule in _rules(policy, clause))
    return rules or (_in(clause.because, lang) if clause.because else "")


def _rules(policy: Policy, clause: Clause) -> list[Rule]:
    return [rule for rule in policy.rules if clause.id in rule.clauses]


def _is(policy: Policy, clause: Clause, named: str) -> bool:
    said = named.casefold()
    return said in (clause.id.casefold(), f"{policy.cite} {clause.id}".casefold())


def _counts(policy: Policy, lang: str) -> str:
    counts = Counter(clause.way for clause in policy.clauses)
    total = f"{len(policy.clauses)} {'खंड' if lang == 'hi' else 'clauses'}"
    ways = (f"{counts[way]} {both[lang == 'hi']}" for way, both in WAYS.items())
    return f"{total}: {', '.join(ways)}"


def _way(clause: Clause, lang: str) -> str:
    return WAYS[clause.way][lang == "hi"]


def _in(text: Text, lang: str) -> str:
    return text.hi if lang == "hi" else text.en


def _wrapped(text: str, head: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
