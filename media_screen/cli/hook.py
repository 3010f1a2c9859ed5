"""`hook`: files and a command -> the command, run with cleared copies in their place, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from media_screen.cli.batch import claim
from media_screen.cli.options import (
    EXIT_CODES,
    settings_from,
    with_screening,
)
from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from media_screen.batch import Job
    from media_screen.hook import Answer
    from media_screen.signing import Key
    from media_screen.types import EncoderName

PLACE = "{}"
LONGEST_LINE = 1 << 20


class _Hook(click.Command):
    """What stands after "--" is the command, with all its own options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mine, theirs = args, []
        if "--" in args:
            cut = args.index("--")
            mine, theirs = args[:cut], args[cut + 1 :]
        ctx.obj = theirs
        return super().parse_args(ctx, mine)


@click.command(cls=_Hook, epilog=EXIT_CODES, options_metavar="[OPTIONS]")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE... -- COMMAND {}")
@click.option(
    "--serve-stdio", is_flag=True, help="Stay warm: a JSON object a line on stdin, an answer a line on stdout."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep copies and reports in this folder.")
@with_screening
@click.pass_context
def hook(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    serve_stdio: bool,
    out: Path | None,
    sign_key: Path | None,
    policy: str,
    keep: tuple[str, ...] | None,
    style: str,
    encoder: EncoderName,
    **more: Any,
) -> None:
    """Screen every FILE; if all may go out, run COMMAND once for each, with the cleared copy in place of {}.

    No shell is between: write `{}` as it is, and in a script of `sh -c` use "$MEDIA_SCREEN_FILE".
    MEDIA_SCREEN_VERDICT names the signed verdict. If COMMAND fails, its exit code is passed on.
    """
    from media_screen import ledger
    from media_screen.batch import Job
    from media_screen.signing import read_key
    from media_screen.write import require

    command: list[str] = context.obj
    _refuse(files, command, serve_stdio=serve_stdio)
    settings = settings_from(policy, more, keep=keep, style=style, encoder=encoder)
    require(encoder)
    key = read_key(sign_key) if sign_key else None
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="media-screen-")))
        else:
            claim(out)
            folder = out.resolve()
        job = Job(out=folder, settings=settings, formats=("json", "html") if out else ())
        record = folder / ledger.FILE if out else None
        code = _serve(job, key, record) if serve_stdio else _screen_and_run(files, command, job, key, record)
    sys.exit(code)


def _refuse(files: Sequence[Path], command: Sequence[str], *, serve_stdio: bool) -> None:
    """What would upload an original, or nothing at all."""
    if serve_stdio:
        if files or command:
            raise SettingsError("--serve-stdio takes its files from stdin, and runs no command")
        return
    if not files or not command:
        raise SettingsError("write: media-screen hook FILE... -- COMMAND {}")
    if not any(PLACE in part for part in command[1:]) and "$MEDIA_SCREEN_FILE" not in " ".join(command):
        raise SettingsError("COMMAND has no {} in it: it would not be given the cleared copy")
    originals = {os.path.realpath(file) for file in files}
    for before, part in pairwise(command):
        if os.path.realpath(part) in originals:
            raise SettingsError(f"COMMAND names the original {part}: write {{}} there, and it gets the cleared copy")
        if before == "-c" and PLACE in part:
            raise SettingsError('a name in a shell script would be run as one: use "$MEDIA_SCREEN_FILE" instead of {}')


def _screen_and_run(
    files: Sequence[Path], command: Sequence[str], job: Job, key: Key | None, record: Path | None
) -> int:
    from media_screen.batch import gather, gravest, worker
    from media_screen.hook import answer
    from media_screen.report import text_report

    worker.screener_of(job.settings)  # a wrong policy or model is said before anything is screened
    answers = [answer(item, job, key, record) for item in gather(files, job.out)]
    worst = gravest(a.code for a in answers)
    for a in answers:
        if a.code:
            click.echo(text_report.render(a.document), err=True)
    if worst:
        click.echo("media-screen: COMMAND was not run", err=True)
        return worst
    return next((code for a in answers if (code := _run(command, a))), 0)


def _run(command: Sequence[str], a: Answer) -> int:
    environment = os.environ | {"MEDIA_SCREEN_FILE": str(a.file)}
    environment |= {"MEDIA_SCREEN_VERDICT": str(a.verdict)} if a.verdict else {}
    try:
        done = subprocess.run(  # noqa: S603 - what the caller wants to run
            [part.replace(PLACE, str(a.file)) for part in command], env=environment, check=False
        )
    except OSError as error:
        raise SettingsError(f"{command[0]} cannot be run: {error.strerror or error}") from error
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _serve(job: Job, key: Key | None, record: Path | None) -> int:
    """One line in, one line out, until stdin ends."""
    from media_screen.batch import worker

    worker.screener_of(job.settings)
    for raw in _lines():
        click.echo(json.dumps(_answered(raw, job, key, record)))
        sys.stdout.flush()
    return 0


def _lines() -> Iterator[bytes]:
    while line := sys.stdin.buffer.readline(LONGEST_LINE):
        if line.strip():
            yield line


def _answered(raw: bytes, job: Job, key: Key | None, record: Path | None) -> dict[str, Any]:
    """Each request has a folder of its own: two files of one name are two files."""
    from dataclasses import replace

    from media_screen.batch import Item
    from media_screen.hook import answer

    try:
        asked = json.loads(raw)
        path = Path(asked["path"])
        said = {"id": asked["id"]} if "id" in asked else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"code": 2, "error": 'write one JSON object a line: {"path": "/a/file.jpg", "id": 1}'}
    own = replace(job, out=job.out / uuid4().hex)
    return said | answer(Item(path=path, name=path.name or "file"), own, key, record).line()
