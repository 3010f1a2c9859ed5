"""`doctor`: this machine -> what really works on it."""

from __future__ import annotations

import json
import sys

import click

from media_screen.errors import EXIT_ERROR, EXIT_PASS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--bench", "is_timed", is_flag=True, help="Measure how fast this machine is, too.")
def doctor(as_json: bool, is_timed: bool) -> None:
    """Say which models, runtimes and codecs really work on this machine."""
    from dataclasses import asdict

    from media_screen.doctor import bench, examine_machine

    checks = examine_machine() + (bench() if is_timed else [])
    if as_json:
        click.echo(json.dumps([asdict(c) for c in checks], indent=1))
    else:
        width = max(len(c.name) for c in checks)
        group = ""
        for c in checks:
            if c.group != group:
                click.echo(("\n" if group else "") + c.group)
                group = c.group
            click.echo(f"  {'ok    ' if c.works else 'absent'}  {c.name:<{width}}  {c.detail}")
    sys.exit(EXIT_PASS if all(c.works for c in checks if c.group in ("runtime", "model")) else EXIT_ERROR)
