"""`release`: a held copy, by a person who answers for it -> cleared/, and a record of who and why."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from media_screen.cli.options import lang_option
from media_screen.errors import EXIT_ERROR, EXIT_PASS, FileError

CODES = """\b
Exit codes:
  0  it may be uploaded
  2  usage error: it is no held copy, nobody is named, or a batch is at work there
  3  it is not the copy that was screened, or it could not be recorded: it stays where it was"""


@click.command(epilog=CODES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", required=True, metavar="NAME", help="Who answers for it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may go out; stands in the ledger and the report.")
@lang_option
def release(file: Path, by: str, reason: str, lang: str) -> None:
    """Move FILE from held/ to cleared/ after a person has looked, and record it in the ledger."""
    from media_screen.release import release as let_go
    from media_screen.report.hindi import say
    from media_screen.report.words import shown

    try:
        target, unwritten = let_go(file, by=by, reason=reason)
    except FileError as error:
        click.echo(f"{shown(file)}: {say(lang, 'not released')}: {shown(error)}", err=True)
        sys.exit(EXIT_ERROR)
    click.echo(say(lang, "released by {by}: {file}", by=shown(by), file=shown(target)))
    for fault in unwritten:
        click.echo(shown(fault), err=True)
    sys.exit(EXIT_PASS)
