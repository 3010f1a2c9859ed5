"""A configuration file and the environment -> defaults of the commands; `config show` says where each is from.

One precedence: what stands on the command line, then MEDIA_SCREEN_NAME in the environment, then the file, then the
default. No file is looked for beside the media: one that came with them would set the policy.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "MEDIA_SCREEN_"
FILE_VARIABLE = f"{PREFIX}CONFIG"
APP = "media-screen"
NOT_SET = {"help", "version"}
SOURCES = {"COMMANDLINE": "command line", "ENVIRONMENT": "environment", "DEFAULT_MAP": "file", "DEFAULT": "default"}


def default_file() -> Path:
    """Where the file lies if none is named."""
    return Path(click.get_app_dir(APP)) / "config.toml"


def bind_environment(commands: Iterable[click.Command]) -> None:
    """Every option with a value can be set by MEDIA_SCREEN_NAME."""
    for command in commands:
        for option in _settable(command):
            option.envvar = option.envvar or PREFIX + _name(option).upper().replace("-", "_")


def read(given: Path | None, commands: Iterable[click.Command]) -> dict[str, Any]:
    """Click's default map: what the file says, by command.

    Raises:
        SettingsError: it is not there though it was named, or a word in it is no option: a slip must not loosen a rule.
    """
    path = given or default_file()
    if given is None and not path.is_file():
        return {}
    import tomllib

    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    by_name = {command.name or "": command for command in commands}
    shared = {name: value for name, value in said.items() if not isinstance(value, dict)}
    known = {_name(option) for command in by_name.values() for option in _settable(command)}
    tables = {name: value for name, value in said.items() if isinstance(value, dict)}  # `policy` is an option, too
    _refuse_unknown(path, shared, known)
    _refuse_unknown(path, tables, by_name)
    return {name: _values(path, command, shared, tables.get(name, {})) for name, command in by_name.items()}


def _values(path: Path, command: click.Command, shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    options = {_name(option): option for option in _settable(command)}
    _refuse_unknown(path, own, options)
    return {options[name].name or "": value for name, value in (shared | own).items() if name in options}


def _refuse_unknown(path: Path, said: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(said) - set(known)):
        raise SettingsError(f"{path}: no such option or command: {', '.join(unknown)}")


def _settable(command: click.Command) -> Iterator[click.Option]:
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in NOT_SET and _name(option):
            yield option


def _name(option: click.Option) -> str:
    return next((name.removeprefix("--") for name in option.opts if name.startswith("--")), "")


@click.group()
def config() -> None:
    """What the commands are set to, and by what."""


@config.command()
@click.argument("command", default="batch")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_context
def show(context: click.Context, /, command: str, as_json: bool) -> None:
    """Say each setting of COMMAND, and where it is from: environment, file or default."""
    root = context.find_root()
    group: Any = root.command
    found = group.get_command(root, command)
    if found is None:
        raise SettingsError(f"no command {command!r}")
    inner = click.Context(found, info_name=command, parent=root)
    rows = [_row(option, inner) for option in _settable(found)]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    file = root.params.get("config_file") or os.environ.get(FILE_VARIABLE) or default_file()
    click.echo(f"file: {file}{'' if Path(file).is_file() else ' (not there)'}")
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"  {row['name']:<{width}}  {row['value']}  [{row['source']}]")


def _row(option: click.Option, context: click.Context) -> dict[str, str]:
    value, source = option.consume_value(context, {})
    shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    is_unset = value is None or not shown or "UNSET" in shown
    where = SOURCES.get(source.name, source.name)
    return {
        "name": _name(option),
        "value": "-" if is_unset else shown,
        "source": f"{where} {option.envvar}" if where == "environment" else where,
    }


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options: eval "$(media-screen completion bash)"."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise SettingsError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(made(root, {}, APP, "_MEDIA_SCREEN_COMPLETE").source())
