"""Evidence and declared facts -> Decision, by the rules of a pack. Sees findings, never pixels; reads no files.

The language is small on purpose: a rule is a clause, a text in two languages, an action and a few conditions. A new
condition is one function and one line in conditions.py, a new fact is one entry in facts.py, and the same word in
configs/policy.schema.json.
"""

from media_screen.policy.facts import FACTS
from media_screen.policy.facts import read as read_facts
from media_screen.policy.linting import contradictions
from media_screen.policy.nouns import ACTIONS, Clause, Condition, Policy, Rule, Text
from media_screen.policy.place import Place
from media_screen.policy.reading import includes, parse
from media_screen.policy.ruling import decide, required_labels
from media_screen.policy.waiver import waive

__all__ = [
    "ACTIONS",
    "FACTS",
    "Clause",
    "Condition",
    "Place",
    "Policy",
    "Rule",
    "Text",
    "contradictions",
    "decide",
    "includes",
    "parse",
    "read_facts",
    "required_labels",
    "waive",
]
