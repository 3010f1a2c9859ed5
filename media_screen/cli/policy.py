"""`policy`: packs -> their clauses and rules, in words; whether they are in order, and whether their examples hold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from media_screen.cli.options import lang_option
from media_screen.errors import EXIT_PASS, EXIT_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from media_screen.policy import Policy

CODES = """\b
Exit codes:
  0  in order
  2  a pack is unknown, cannot be read, contradicts itself, or an example of it does not hold"""

packs_argument = click.argument("packs", nargs=-1, metavar="[NAME|PATH]...")


@click.group()
def policy() -> None:
    """What the rules are: packs, clauses, rules, examples."""


@policy.command("list")
@lang_option
def listed(lang: str) -> None:
    """The packs that are shipped."""
    from media_screen.policy import pages

    click.echo(pages.overview(_packs(()), lang))


@policy.command(epilog=CODES)
@click.argument("pack", metavar="NAME|PATH")
@lang_option
def show(pack: str, lang: str) -> None:
    """Every rule of one pack."""
    from media_screen.config import load_policy
    from media_screen.policy import pages

    click.echo(pages.shown(load_policy(pack), lang))


@policy.command(epilog=CODES)
@click.argument("clause", nargs=-1, required=True)
@click.option("--policy", "name", metavar="NAME|PATH", help="Look in this pack alone.")
@lang_option
def explain(clause: tuple[str, ...], name: str | None, lang: str) -> None:
    """What a CLAUSE says and how it is met: 28, or UP 28 where several sources have one of that number."""
    from media_screen.policy import pages

    click.echo(pages.explained(_sources((name,) if name else ()), " ".join(clause), lang))


@policy.command(epilog=CODES)
@packs_argument
@lang_option
def coverage(packs: tuple[str, ...], lang: str) -> None:
    """Every clause of each source, the way in which it is met, and its rules. Of all sources, unless some are named."""
    from media_screen.policy import pages

    click.echo("\n\n".join(pages.covered(pack, lang) for pack in _sources(packs)))


@policy.command()
@lang_option
def facts(lang: str) -> None:
    """What can be declared, and its values."""
    from media_screen.policy import pages

    click.echo(pages.facts(lang))


@policy.command(epilog=CODES)
@packs_argument
def lint(packs: tuple[str, ...]) -> None:
    """Read packs and look for rules that contradict, never decide or name nothing. Of all, unless some are named."""
    from media_screen.policy.linting import lint as faults_of

    _tell((pack, faults_of(pack), f"in order, {len(pack.rules)} rules") for pack in _packs(packs))


@policy.command("test", epilog=CODES)
@packs_argument
def examples(packs: tuple[str, ...]) -> None:
    """Run the examples that are written beside the rules. Of all packs, unless some are named."""
    from media_screen.policy.examples import difference

    _tell(
        (
            pack,
            [f"{e.name}: {said}" for e in pack.examples if (said := difference(pack, e))]
            or ([] if pack.examples else ["has no examples"]),
            f"{len(pack.examples)} examples hold",
        )
        for pack in _packs(packs)
    )


def _tell(results: Iterable[tuple[Policy, list[str], str]]) -> None:
    code = EXIT_PASS
    for pack, faults, well in results:
        for fault in faults:
            click.echo(f"{pack.name}: {fault}", err=True)
        if not faults:
            click.echo(f"{pack.name}: {well}")
        code = EXIT_SETTINGS if faults else code
    sys.exit(code)


def _packs(names: tuple[str, ...]) -> list[Policy]:
    from media_screen.config import load_policy, policy_names

    return [load_policy(name) for name in names or policy_names()]


def _sources(names: tuple[str, ...]) -> list[Policy]:
    """Those with clauses of their own; a union of others only where it is asked for."""
    return [pack for pack in _packs(names) if pack.clauses and (names or pack.cite)]
