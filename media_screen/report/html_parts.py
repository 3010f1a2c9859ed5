"""Text -> safe HTML, and the page around it: one file, no network, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import TYPE_CHECKING

from media_screen.report.html_style import STYLE
from media_screen.report.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_JPEG = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")
_BESIDE = re.compile(r"reports/[A-Za-z0-9_.~%/-]+\.thumbnail\.jpg")
MARKS = {"pass": "✓", "redact": "◐", "review": "?", "block": "✕", "error": "!"}


def e(text: object) -> str:
    """Escaped for content and for quoted attributes; invisible characters written out."""
    return html.escape(shown(text), quote=True)


def name(text: object) -> str:
    """A name from outside, kept from turning the line around it."""
    return f"<bdi>{e(text)}</bdi>"


def link(url: str, text: object) -> str:
    """A link to a file beside this one. "./" keeps a name with a colon or two slashes from becoming another place."""
    return f'<a href="./{e(url)}">{name(text)}</a>'


def picture(data: str | None, alt: str) -> str:
    """A thumbnail, inlined or a file of ours beside the page; else nothing: a page must never fetch anything."""
    if data is None or not (_JPEG.fullmatch(data) or _BESIDE.fullmatch(data)):
        return ""
    source = data if data.startswith("data:") else f"./{data}"
    return f'<img src="{source}" alt="{e(alt)}" loading="lazy">'


def listing(entries: Iterable[str]) -> str:
    """Plain sentences, one below the other."""
    return f'<ul class="plain">{"".join(f"<li>{e(entry)}</li>" for entry in entries)}</ul>'


def badge(tone: str, text: str) -> str:
    """A word in its colour."""
    return f'<span class="badge {e(tone)}">{e(text)}</span>'


def page(title: str, body: str, *, lang: str = "en", script: str = "", width: str = "") -> str:
    """The whole document. What it may load or run is nothing but its own style, pictures and this one script."""
    runs = f"; script-src 'sha256-{_digest(script)}'" if script else ""
    policy = f"default-src 'none'; img-src 'self' data: file:; style-src 'sha256-{_digest(STYLE)}'{runs}"
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{e(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<main class="{width}">\n{body}\n</main>\n'
        f"{f'<script>{script}</script>' if script else ''}\n</body>\n</html>\n"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
