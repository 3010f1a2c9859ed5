"""A plain object (from YAML) -> Policy, or SettingsError with the path of the bad key. No files, no YAML here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from media_screen.policy import facts
from media_screen.policy.conditions import WORDS
from media_screen.policy.examples import read_example
from media_screen.policy.nouns import ACTIONS, Absent, Clause, Condition, Policy, Rule, Text, Told, Way
from media_screen.policy.place import Place, nearest
from media_screen.types import KeepWord, MediaKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from media_screen.policy.nouns import Expected
    from media_screen.types import Action

POLICY_KEYS = ("name", "version", "title", "source")
POLICY_EXTRAS = ("keep", "cite", "absent", "include", "clauses", "rules", "examples")
RULE_KEYS = ("id", "clause", "action")
RULE_EXTRAS = ("text", "media", "when", "declared", "unless", "absent", "todo")
CLAUSE_KEYS = ("clause", "way", "text")
SUBJECTS = ("label", "tag", "together", "at_once")
KEEP_WORDS: tuple[KeepWord, ...] = get_args(KeepWord)
WAYS: tuple[Way, ...] = get_args(Way)
ABSENT: tuple[Absent, ...] = get_args(Absent)
MEDIA: tuple[MediaKind, ...] = get_args(MediaKind)
_NO_TEXT = Text(en="", hi="")


def parse(document: object, *, sha256: str, origin: str, included: Mapping[str, Policy] | None = None) -> Policy:
    """Read a policy.

    Args:
        document: what the YAML file holds.
        sha256: the file's digest; reports name it.
        origin: the file's name, for messages.
        included: the packs that it may include, by name.

    Raises:
        SettingsError: a key is unknown, missing, or has a value that it cannot have.
    """
    at = Place(origin)
    top = at.mapping(document, POLICY_KEYS, POLICY_EXTRAS)
    parts = [_included(name, included or {}, at.key("include")) for name in includes(document, at)]
    clauses = _clauses(top["clauses"], at.key("clauses")) if "clauses" in top else ()
    absent = _word(top.get("absent", "error"), ABSENT, at.key("absent"))
    if not parts and "rules" not in top:
        at.fault("rules is missing")
    listed = at.key("rules").sequence(top["rules"]) if "rules" in top else []
    rules = [_rule(rule, at.key(f"rules[{i}]"), clauses, absent) for i, rule in enumerate(listed)]
    _differ([rule.id for rule in rules], "rules", "id", at)
    _settled(clauses, rules, at)
    return Policy(
        name=at.key("name").name(top["name"]),
        version=at.key("version").number_or_string(top["version"]),
        title=at.key("title").text(top["title"]),
        source=at.key("source").string(top["source"]),
        rules=_joined([*(rule for part in parts for rule in part.rules), *rules]),
        sha256=sha256,
        keep=_keep(top["keep"], at.key("keep")) if "keep" in top else (),
        cite=at.key("cite").string(top["cite"]) if "cite" in top else "",
        clauses=(*(clause for part in parts for clause in part.clauses), *clauses),
        examples=_examples(top["examples"], at.key("examples")) if "examples" in top else (),
    )


def includes(document: object, at: Place) -> tuple[str, ...]:
    """The names of the packs whose rules a document takes over."""
    if not isinstance(document, dict) or "include" not in document:
        return ()
    here = at.key("include")
    return tuple(here.string(name) for name in here.sequence(document["include"]))


def _included(name: str, included: Mapping[str, Policy], at: Place) -> Policy:
    """Another pack's rules and clauses, told apart by its name and its sign."""
    if name not in included:
        at.fault(f"no pack {name!r}{nearest(name, included)}")
    part = included[name]
    if not part.cite:
        at.fault(f"{name} has no cite: its clauses could not be told from those of another pack")

    def cited(clause: str) -> str:
        return f"{part.cite} {clause}"

    own = tuple(
        replace(rule, id=f"{part.name}/{rule.id}", clauses=tuple(map(cited, rule.clauses)))
        for rule in part.rules
        if "/" not in rule.id
    )
    taken_over = tuple(rule for rule in part.rules if "/" in rule.id)  # cited already
    clauses = tuple(replace(clause, id=cited(clause.id)) for clause in part.clauses)
    return replace(part, rules=(*taken_over, *own), clauses=clauses)


def _joined(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules that do the same on the same grounds become one, with the clauses of both: said once, not four times."""
    kept: dict[Rule, Rule] = {}
    for rule in rules:
        grounds = replace(rule, id="", clauses=(), text=_NO_TEXT, todo=None)
        known = kept.get(grounds)
        both = tuple(dict.fromkeys((*known.clauses, *rule.clauses))) if known else rule.clauses
        kept[grounds] = replace(known or rule, clauses=both)
    return tuple(kept.values())


def _differ(names: Sequence[str], part: str, key: str, at: Place) -> None:
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if first.setdefault(name, i) != i:
            at.key(f"{part}[{i}].{key}").fault(f"{name!r} is already the name of {part}[{first[name]}]")


def _keep(value: object, at: Place) -> tuple[KeepWord, ...]:
    words = at.sequence(value)
    for word in words:
        if word not in KEEP_WORDS:
            at.fault(f"cannot keep {word!r}{nearest(str(word), KEEP_WORDS)}")
    if len(set(words)) < len(words):
        at.fault("names one thing twice")
    return tuple(words)


# --- clauses: each in exactly one way ---


def _clauses(document: object, at: Place) -> tuple[Clause, ...]:
    rows = tuple(_clause(row, Place(at.origin, f"{at.path}[{i}]")) for i, row in enumerate(at.sequence(document)))
    _differ([row.id for row in rows], at.path, "clause", Place(at.origin))
    return rows


def _clause(document: object, at: Place) -> Clause:
    row = at.mapping(document, CLAUSE_KEYS, ("because",))
    way = _word(row["way"], WAYS, at.key("way"))
    if (way == "out-of-reach") != ("because" in row):
        at.fault("because says why a clause is out of reach, and stands at no other")
    return Clause(
        id=at.key("clause").number_or_string(row["clause"]),
        text=at.key("text").text(row["text"]),
        way=way,
        because=at.key("because").text(row["because"]) if "because" in row else None,
    )


def _settled(clauses: Sequence[Clause], rules: Sequence[Rule], at: Place) -> None:
    """The way that a row claims is the one that the rules go."""
    if not clauses:
        return
    ids = [clause.id for clause in clauses]
    for i, rule in enumerate(rules):
        for named in rule.clauses:
            if named not in ids:
                at.key(f"rules[{i}].clause").fault(f"{named!r} has no row in clauses{nearest(named, ids)}")
    for i, clause in enumerate(clauses):
        own = [rule for rule in rules if clause.id in rule.clauses]
        way: Way = "out-of-reach" if not own else "enforced" if any(rule.conditions for rule in own) else "asked"
        if way != clause.way:
            named = ", ".join(rule.id for rule in own) or "no rule names it"
            at.key(f"clauses[{i}].way").fault(f"clause {clause.id} is {way}, not {clause.way} ({named})")


# --- rules ---


def _rule(document: object, at: Place, clauses: Sequence[Clause], absent: Absent) -> Rule:
    row = at.mapping(document, RULE_KEYS, RULE_EXTRAS)
    if not set(row).intersection(("when", "media", "declared", "unless")):
        at.fault("fires on every file: give it a when, media, declared or unless")
    action = _word(row["action"], ACTIONS, at.key("action"))
    conditions = _conditions(row["when"], at.key("when")) if "when" in row else ()
    _fits(action, {condition.word for condition in conditions}, at.key("action"))
    named = _named(row["clause"], at.key("clause"))
    return Rule(
        id=at.key("id").name(row["id"]),
        clauses=named,
        text=_text_of(row, named, clauses, at),
        action=action,
        conditions=conditions,
        media=_word(row["media"], MEDIA, at.key("media")) if "media" in row else None,
        declared=_declared(row["declared"], at.key("declared")) if "declared" in row else (),
        unless=_unless(row["unless"], at.key("unless")) if "unless" in row else (),
        absent=_absent(row, absent, conditions, at.key("absent")),
        todo=at.key("todo").text(row["todo"]) if "todo" in row else None,
    )


def _text_of(row: Mapping[str, Any], named: Sequence[str], clauses: Sequence[Clause], at: Place) -> Text:
    """Its own, or that of the clause it carries out."""
    if "text" in row:
        return at.key("text").text(row["text"])
    for clause in clauses:
        if clause.id == named[0]:
            return clause.text
    return at.fault("text is missing, and the clause has no row to take it from")


def _fits(action: Action, words: set[str], at: Place) -> None:
    if action == "redact" and "label" not in words:
        at.fault('redact paints over objects: when needs a label (a tag is removed with "strip")')
    if action == "redact" and words & {"min_count", "laid_out"}:
        at.fault("redact cannot ask for a number: one object that is left in the copy would be too few to be seen")
    if action == "strip" and "tag" not in words:
        at.fault('strip removes metadata: when needs a tag (an object is painted over with "redact")')


def _conditions(document: object, at: Place) -> tuple[Condition, ...]:
    when = at.mapping(document, (), tuple(WORDS))
    subjects = [word for word in SUBJECTS if word in when]
    if len(subjects) != 1:
        at.fault(f"needs exactly one of {', '.join(SUBJECTS)}: what it is about")
    about = "tag" if subjects == ["tag"] else "track"
    for key in when:
        if WORDS[key].about not in (about, "any"):
            at.key(key).fault("says nothing about a tag; it goes with a label")
    read = []
    for word, part in WORDS.items():
        if word not in when:
            continue
        try:
            read.append(Condition(word=word, value=part.read(when[word])))
        except ValueError as error:
            at.key(word).fault(str(error))
    return tuple(read)


def _declared(document: object, at: Place) -> tuple[Told, ...]:
    told = _told(document, at)
    for each in told:
        if len(each.values) == len(facts.FACTS[each.fact].values):
            at.key(each.fact).fault("names every value there is, which says nothing")
    return told


def _absent(row: Mapping[str, Any], pack: Absent, conditions: Sequence[Condition], at: Place) -> Absent:
    own: Absent = _word(row["absent"], ABSENT, at) if "absent" in row else pack
    looks = any(WORDS[condition.word].about == "track" for condition in conditions)
    return own if looks else "error"  # where no detector is needed, none can be absent


def _unless(document: object, at: Place) -> tuple[tuple[Told, ...], ...]:
    """One row, or a list of rows of which any is enough."""
    if not isinstance(document, list):
        return (_told(document, at),)
    return tuple(_told(row, Place(at.origin, f"{at.path}[{i}]")) for i, row in enumerate(at.sequence(document)))


def _told(document: object, at: Place) -> tuple[Told, ...]:
    given = at.mapping(document, (), tuple(facts.FACTS))
    if not given:
        at.fault(f"must be a mapping with {', '.join(facts.FACTS)}")
    return tuple(Told(fact=name, values=_values(name, value, at.key(name))) for name, value in given.items())


def _values(fact: str, value: object, at: Place) -> tuple[str, ...]:
    listed = at.sequence(value) if isinstance(value, list) else [value]
    known = tuple(facts.FACTS[fact].values)
    values = tuple(at.one_of(facts.unboolean(one), known) for one in listed)
    if len(set(values)) < len(values):
        at.fault("names one thing twice")
    return values


def _word(value: object, known: tuple[Any, ...], at: Place) -> Any:
    return at.one_of(value, known)


def _named(value: object, at: Place) -> tuple[str, ...]:
    if not isinstance(value, list):
        return (at.number_or_string(value),)
    return tuple(at.number_or_string(clause) for clause in at.sequence(value))


def _examples(document: object, at: Place) -> tuple[Expected, ...]:
    listed = at.sequence(document)
    return tuple(read_example(example, Place(at.origin, f"{at.path}[{i}]")) for i, example in enumerate(listed))
