"""`check`: files as they stand -> verdicts on the terminal, or one JSON report a line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from media_screen.cli.options import (
    EXIT_CODES,
    VERDICT_EXIT,
    keep_option,
    lang_option,
    policy_option,
    settings_from,
    warn_if_nobody_is_recognised,
    with_blur,
    with_facts,
    with_limits,
)
from media_screen.errors import SettingsError


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The report of each file as one line of JSON.")
@policy_option
@keep_option
@with_blur
@with_facts
@lang_option
@with_limits
def check(files: tuple[Path, ...], as_json: bool, policy: str, keep: tuple[str, ...] | None, **more: Any) -> None:
    """Examine and rule on FILES as they stand; writes no media."""
    from media_screen.batch import Item, gravest, safely
    from media_screen.config import build_screener, is_sidecar
    from media_screen.report import json_report, text_report

    settings = settings_from(policy, more, keep=keep)
    screener = build_screener(settings)
    inputs = [file for file in files if not is_sidecar(file)]
    if not inputs:
        raise SettingsError("these are declared facts, not media: name the files that they are about")
    warn_if_nobody_is_recognised(screener, settings.lang)
    codes = []
    for path in inputs:
        report = safely(screener.check, Item(path=path, name=path.name), settings)
        codes.append(VERDICT_EXIT[report.verdict])
        document = json_report.document(report)
        if as_json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            click.echo(text_report.render(document))
    sys.exit(gravest(codes))
