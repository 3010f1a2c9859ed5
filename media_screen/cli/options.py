"""What several commands share: exit codes, options, and the settings made of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from media_screen.errors import EXIT_BLOCK, EXIT_ERROR, EXIT_PASS, EXIT_REDACT, EXIT_REVIEW, SettingsError
from media_screen.policy.facts import FACTS, FLAGS
from media_screen.types import ENCODER_NAMES, BlurMode, KeepWord, Lang, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from media_screen.config import Settings
    from media_screen.pipeline import Screener
    from media_screen.types import Fact

LANGUAGES: tuple[str, ...] = get_args(Lang)
VERDICT_EXIT = {
    Verdict.PASS: EXIT_PASS,
    Verdict.REDACT: EXIT_REDACT,
    Verdict.REVIEW: EXIT_REVIEW,
    Verdict.BLOCK: EXIT_BLOCK,
    Verdict.ERROR: EXIT_ERROR,
}
DISPOSITION_EXIT = {"cleared": EXIT_PASS, "held": EXIT_REVIEW, "blocked": EXIT_BLOCK, "error": EXIT_ERROR}

EXIT_CODES = """\b
Exit codes (anything but 0 means: do not upload):
  0  pass; for batch: every file ended in cleared/
  1  redaction needed (check)
  2  usage or configuration error, nothing was screened
  3  at least one file could not be screened
  4  a human must review
  5  blocked by policy
The gravest wins: 3, then 5, 4, 1."""

policy_option = click.option(
    "--policy", default="minimal", show_default=True, metavar="NAME|PATH", help="A pack, or a policy file."
)
lang_option = click.option(
    "--lang", default="en", show_default=True, type=click.Choice(LANGUAGES), help="Of reports and messages."
)


style_option = click.option(
    "--style",
    default="blur",
    show_default=True,
    type=click.Choice(["blur", "mosaic", "fill"]),
    help="Of what is painted.",
)
encoder_option = click.option(
    "--encoder",
    default="software",
    show_default=True,
    type=click.Choice(ENCODER_NAMES),
    help="Of videos that are encoded as a whole; all but software is hardware (doctor says what works here).",
)
sign_key_option = click.option(
    "--sign-key", type=click.Path(path_type=Path), help="Sign a verdict for every cleared copy (new-key)."
)


def _keep_words(_context: click.Context, _option: click.Parameter, given: str | None) -> tuple[str, ...] | None:
    """Words between commas; none for no metadata at all, whatever the policy says."""
    words = tuple(word.strip() for word in given.split(",") if word.strip()) if given is not None else None
    unknown = set(words or ()).difference((*KEEP_WORDS, "none"))
    if unknown or (words and "none" in words[1:]):
        raise click.BadParameter(f"choose from {', '.join(KEEP_WORDS)}; or none")
    return () if words == ("none",) else words


KEEP_WORDS: tuple[str, ...] = get_args(KeepWord)
keep_option = click.option(
    "--keep",
    metavar="WORDS",
    callback=_keep_words,
    help=f"Metadata that may stay, as plain text, of {','.join(KEEP_WORDS)}.  [default: as the policy says, or none]",
)
limit_options = [
    click.option("--max-pixels", type=click.IntRange(1), help="Refuse larger pictures.  [default: 260000000]"),
    click.option(
        "--max-animation-pixels",
        type=click.IntRange(1),
        help="Refuse GIFs and the like with more, all frames together.  [default: 4000000000]",
    ),
    click.option(
        "--max-duration", type=click.FloatRange(0.001), help="Refuse longer videos, seconds.  [default: 14400]"
    ),
    click.option("--max-memory-mb", type=click.IntRange(256), help="Memory of one worker (batch).  [default: 6144]"),
]


blur_options = [
    click.option(
        "--gallery",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of those who are enrolled (media-screen gallery): officers who are recognised stay visible.",
    ),
    click.option(
        "--embedding", metavar="NAME|PATH", help="What the gallery was made with.  [default: face_recognition]"
    ),
    click.option(
        "--blur",
        type=click.Choice([mode for mode in get_args(BlurMode) if mode != "policy"]),
        help="Whose faces.  [default: as the policy says; less than that only with --by NAME --reason TEXT]",
    ),
    click.option("--reason", metavar="TEXT", help="Why --blur asks for less than the policy does; recorded."),
]


def with_blur(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say who is known and who is blurred. It needs those of with_facts as well."""
    for option in reversed(blur_options):
        command = option(command)
    return command


def _blur_from(options: dict[str, Any]) -> dict[str, Any]:
    """What of the settings they mean; --by and --reason sign only where --blur asks for something."""
    from media_screen.types import Blur

    mode, reason = options.get("blur"), options.get("reason")
    if reason and mode in (None, "everyone"):
        raise SettingsError("--reason goes with --blur nobody or all-but-officers")
    blur = Blur(mode=mode or "policy", by=(options.get("by") or "") if reason else "", reason=reason or "")
    if reason and not blur.by:
        raise SettingsError("--reason needs --by NAME: who answers for it")
    named = {"gallery": str(options["gallery"])} if options.get("gallery") else {}
    made_with = {"embedding": options["embedding"]} if options.get("embedding") else {}
    return {"blur": blur, **named, **made_with}


def warn_if_nobody_is_recognised(screener: Screener, lang: Lang) -> None:
    """Where a gallery is given and its embedding is not installed: officers would wonder why they are blurred."""
    from media_screen.report.hindi import say

    known = screener.identifier
    if known and known.absent:
        sentence = "Nobody is recognised, and everyone is blurred: {why}; pip install 'media-screen[identify]'"
        click.echo(say(lang, sentence, why=known.absent), err=True)


def _equation(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, each name once; what they may be is checked with the rest."""
    pairs = [each.partition("=") for each in given]
    if any(not equals for _, equals, _ in pairs):
        raise click.BadParameter("write NAME=VALUE, such as sealed=yes")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise click.BadParameter("one fact is declared twice")
    return {name.strip(): value.strip() for name, _, value in pairs}


fact_options = [
    *(
        click.option(f"--{name}", type=click.Choice(tuple(FACTS[name].values)), help=FACTS[name].question.en)
        for name in FLAGS
    ),
    click.option(
        *("--attest", "attested"),
        multiple=True,
        metavar="FACT=VALUE",
        callback=_equation,
        help="What no picture can tell, such as sealed=yes or approval=REFERENCE (may be repeated; policy facts).",
    ),
    click.option("--by", metavar="NAME", help="Who vouches for what is declared."),
    click.option(
        "--facts",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file that declares them. FILE.media-screen.yaml beside a file does so for that one.",
    ),
]


def with_facts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options by which facts are declared."""
    for option in reversed(fact_options):
        command = option(command)
    return command


def facts_from(options: dict[str, Any]) -> tuple[Fact, ...]:
    """What was declared on the command line, and in the file that it names; the command line counts where they differ.

    Raises:
        SettingsError: an unknown fact or value.
    """
    from media_screen.config import declared, read_facts

    given = {name: value for name in (*FLAGS, "by") if (value := options.get(name)) is not None}
    given |= options.get("attested") or {}
    told = {fact.name: fact for fact in read_facts(options["facts"])} if options.get("facts") else {}
    told |= {fact.name: fact for fact in declared(given, "command line")}
    return tuple(told[name] for name in FACTS if name in told)


def with_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of the safety limits."""
    for option in reversed(limit_options):
        command = option(command)
    return command


def with_screening(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what every command that writes copies is asked: policy, facts, language, style, encoder, limits, key."""
    for add in (
        with_limits,
        lang_option,
        with_facts,
        with_blur,
        sign_key_option,
        encoder_option,
        style_option,
        keep_option,
        policy_option,
    ):
        command = add(command)
    return command


def settings_from(policy: str, limits: dict[str, Any], **more: Any) -> Settings:
    """Settings with what was given on the command line; the rest by default."""
    from media_screen.config import Settings
    from media_screen.pipeline import Limits

    given = {
        "max_pixels": limits["max_pixels"],
        "max_animation_pixels": limits["max_animation_pixels"],
        "max_duration_s": None if limits["max_duration"] is None else Fraction(str(limits["max_duration"])),
        "max_memory_mb": limits["max_memory_mb"],
    }
    known = Limits(**{k: v for k, v in given.items() if v is not None})
    return Settings(
        policy=policy,
        limits=known,
        facts=facts_from(limits),
        lang=limits.get("lang") or "en",
        **_blur_from(limits),
        **more,
    )
