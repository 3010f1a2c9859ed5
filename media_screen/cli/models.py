"""`models`: rows of the manifest -> what is here, fetched or verified."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from media_screen.errors import EXIT_ERROR, EXIT_PASS, SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection


@click.group()
def models() -> None:
    """List, fetch and verify models; your own too, from the YAML file that MEDIA_SCREEN_MODELS names."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(as_json: bool) -> None:
    """Say which models there are, what each finds, and whether its file is here."""
    from media_screen.config import load_manifest, model_path
    from media_screen.weights import state_of

    told = [
        {
            "name": spec.name,
            "state": state_of(spec, model_path(spec)),
            "runtime": spec.runtime,
            "licence": spec.licence,
            "labels": list(spec.labels),
            "file": str(model_path(spec)),
            "url": spec.url,
        }
        for spec in load_manifest()
    ]
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    for row in told:
        click.echo(f"{row['name']}: {row['state']} · {row['runtime']} · {row['licence']}\n  {row['file']}")
        click.echo(f"  finds {', '.join(row['labels'])}")


@models.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Compare the files of models with the digests of their rows; all of them without a name."""
    from media_screen.config import load_manifest, model_path
    from media_screen.weights import state_of

    states = {spec.name: state_of(spec, model_path(spec)) for spec in load_manifest()}
    asked = names or tuple(states)
    for name in asked:
        click.echo(f"{name}: {states[_known(name, states)]}")
    sys.exit(EXIT_PASS if all(states[name] == "ok" for name in asked) else EXIT_ERROR)


@models.command()
@click.argument("names", nargs=-1, required=True)
def fetch(names: tuple[str, ...]) -> None:
    """Download models that have an address in their row; goes on where it broke off.

    This is the one command that reaches out to the network. Nothing of yours is sent.
    """
    from media_screen import weights
    from media_screen.config import load_manifest, model_path

    specs = {spec.name: spec for spec in load_manifest()}
    for name in names:
        spec = specs[_known(name, specs)]
        path = model_path(spec)
        if weights.state_of(spec, path) != "ok":
            weights.fetch(spec, path)
        click.echo(f"{name}: ok, {path}")


def _known(name: str, names: Collection[str]) -> str:
    if name not in names:
        raise SettingsError(f"no model {name!r}; models here: {', '.join(names)}")
    return name
