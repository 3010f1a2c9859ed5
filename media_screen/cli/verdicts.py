"""`new-key` and `verify-verdict`: signed verdicts, so that an uploader can refuse what nobody screened."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from media_screen.errors import EXIT_ERROR, EXIT_PASS

CODES = """\b
Exit codes:
  0  signed by this key, of these bytes, and cleared
  2  usage error: no such key
  3  anything else: do not upload"""


@click.command("new-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--hmac", "is_hmac", is_flag=True, help="One secret that signs and verifies, instead of Ed25519.")
def new_key(file: Path, is_hmac: bool) -> None:
    """Write a key that signs verdicts to FILE, and what verifies them to FILE.pub."""
    from media_screen.signing import new_key as make

    for made in make(file, algorithm="hmac-sha256" if is_hmac else "ed25519"):
        click.echo(made)


@click.command("verify-verdict", epilog=CODES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--key", required=True, type=click.Path(path_type=Path), help="Of whom you trust: FILE.pub, or the secret."
)
@click.option("--verdict", type=click.Path(path_type=Path), help="[default: FILE.verdict.json]")
@click.option("--policy", metavar="NAME", help="Refuse verdicts of another policy.")
@click.option("--max-age", type=click.FloatRange(0), help="Refuse older verdicts, seconds.")
def verify_verdict(file: Path, key: Path, verdict: Path | None, policy: str | None, max_age: float | None) -> None:
    """Say whether FILE is the very copy that was screened and cleared."""
    from media_screen.report.words import shown
    from media_screen.signing import SUFFIX, faults, read_key

    beside = verdict or file.with_name(file.name + SUFFIX)
    found = faults(file, beside, read_key(key), policy=policy, max_age_s=max_age)
    for fault in found:
        click.echo(f"{shown(file)}: {shown(fault)}", err=True)
    if not found:
        click.echo(f"{shown(file)}: screened, cleared, unaltered")
    sys.exit(EXIT_ERROR if found else EXIT_PASS)
