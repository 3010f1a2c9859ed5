"""The click commands, one module each. The only room that prints and exits."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from media_screen import __version__
from media_screen.cli.audit import audit
from media_screen.cli.batch import batch
from media_screen.cli.check import check
from media_screen.cli.configuration import FILE_VARIABLE, bind_environment, completion, config, read
from media_screen.cli.detect import detect
from media_screen.cli.doctor import doctor
from media_screen.cli.gallery import gallery
from media_screen.cli.hook import hook
from media_screen.cli.ledger import ledger
from media_screen.cli.metadata import metadata
from media_screen.cli.models import models
from media_screen.cli.options import EXIT_CODES
from media_screen.cli.policy import policy
from media_screen.cli.release import release
from media_screen.cli.serve import serve
from media_screen.cli.verdicts import new_key, verify_verdict
from media_screen.errors import EXIT_ERROR, EXIT_SETTINGS, SettingsError
from media_screen.heap import keep_freed

COMMANDS = (
    check,
    batch,
    hook,
    serve,
    release,
    audit,
    policy,
    ledger,
    gallery,
    verify_verdict,
    new_key,
    detect,
    metadata,
    models,
    doctor,
    config,
    completion,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="media-screen")
@click.option(
    *("--config", "config_file"),
    envvar=FILE_VARIABLE,
    type=click.Path(path_type=Path),
    help="Defaults of the commands, as TOML (config show).",
)
@click.pass_context
def cli(context: click.Context, /, config_file: Path | None) -> None:
    """Screens photos and videos before they are posted: finds and blurs faces, removes location, rules by clause.

    Runs offline; media and faces never leave this machine. Originals are never changed.
    """
    context.default_map = read(config_file, COMMANDS)


for command in COMMANDS:
    cli.add_command(command)
bind_environment(COMMANDS)


def main() -> None:
    """Entry point: errors the caller can mend end in one line and exit code 2."""
    keep_freed()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is Ctrl-C: clean up and report
    try:
        cli(standalone_mode=False, prog_name="media-screen")
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_SETTINGS)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: nothing of what was not finished may be uploaded", err=True)
        sys.exit(EXIT_ERROR)
    except SettingsError as error:
        click.echo(f"media-screen: {error}", err=True)
        sys.exit(EXIT_SETTINGS)
    except BrokenPipeError:  # `media-screen detect | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    except OSError as error:  # what was to go well before and after screening did not: no room for a pipe or a page
        click.echo(f"media-screen: {error}", err=True)
        sys.exit(EXIT_ERROR)
