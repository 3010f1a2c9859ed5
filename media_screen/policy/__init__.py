"""Evidence -> Decision, by the rules of a pack. Sees findings and coverage, never pixels; reads no files.

The language is small on purpose: a rule is a clause, a text in two languages, an action and a few conditions. A new
condition is one function and one line in conditions.py, and the same word in configs/policy.schema.json.
"""

from media_screen.policy.nouns import ACTIONS, Condition, Policy, Rule, Text
from media_screen.policy.reading import parse
from media_screen.policy.ruling import decide, required_labels

__all__ = ["ACTIONS", "Condition", "Policy", "Rule", "Text", "decide", "parse", "required_labels"]
