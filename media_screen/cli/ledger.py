"""`ledger`: the ledger of an output folder -> whether it is whole, and whether the copies are the recorded ones."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from media_screen.cli.options import lang_option
from media_screen.errors import EXIT_ERROR, EXIT_PASS

CODES = """\b
Exit codes:
  0  every record follows the one before, and every copy is the one that was recorded
  2  there is no ledger
  3  a record or a copy was altered, put in or taken out"""


@click.group()
def ledger() -> None:
    """The records of what was screened, declared and released."""


@ledger.command(epilog=CODES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--head", metavar="SHA256", help="A head that was noted earlier: it must still be in the chain.")
@lang_option
def verify(folder: Path, head: str | None, lang: str) -> None:
    """Check ledger.jsonl in the output FOLDER (or a ledger file by itself)."""
    from media_screen.ledger import FILE, START, read, unrecorded
    from media_screen.report.hindi import say
    from media_screen.report.words import shown

    file = folder / FILE if folder.is_dir() else folder
    chain = read(file)
    faults = [*chain.faults, *(unrecorded(folder, chain) if folder.is_dir() else ())]
    if head is not None and head not in (START, *(record["sha256"] for record in chain.records)):
        faults.append(say(lang, "the head that was noted is not in the chain: records were cut away"))
    for number in chain.torn:
        click.echo(say(lang, "line {number} is torn: a write was cut off there, and its record is lost", number=number))
    for fault in faults:
        click.echo(shown(fault), err=True)
    said = "broken: {faults} faults in {records} records" if faults else "whole: {records} records"
    click.echo(f"{shown(file)}: {say(lang, said, faults=len(faults), records=len(chain.records))}")
    click.echo(
        say(lang, "head {sha256} (note it elsewhere: --head tells whether the end was cut away)", sha256=chain.head)
    )
    sys.exit(EXIT_ERROR if faults else EXIT_PASS)
