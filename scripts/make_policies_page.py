"""configs/*.yaml -> docs/policies.md, the table of every clause. Run it after a change to a pack."""

from __future__ import annotations

from pathlib import Path

from media_screen.config import load_policy, policy_names
from media_screen.policy.pages import markdown

PAGE = Path(__file__).parent.parent / "docs" / "policies.md"


def text() -> str:
    """The page, of the packs as they are."""
    packs = [load_policy(name) for name in policy_names()]
    return markdown(pack for pack in packs if pack.cite and pack.clauses)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
