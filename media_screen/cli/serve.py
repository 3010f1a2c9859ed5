"""`serve`: a small HTTP service for programs that upload."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.cli.batch import claim
from media_screen.cli.options import (
    settings_from,
    with_screening,
)
from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from media_screen.types import EncoderName

TOKEN = "MEDIA_SCREEN_TOKEN"  # noqa: S105 - the variable's name
LEAST_TOKEN = 16


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Another than loopback needs a token.")
@click.option("--port", default=8750, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where copies lie until they are fetched."
)
@click.option("--token-file", type=click.Path(path_type=Path), help=f"Holds the token.  [default: variable {TOKEN}]")
@click.option("--max-bytes", default=2 << 30, show_default=True, type=click.IntRange(1), help="Refuse larger uploads.")
@click.option("--keep-s", default=3600.0, show_default=True, type=click.FloatRange(1), help="Then copies are removed.")
@click.option("--jobs", type=click.IntRange(1), help="Files at once.  [default: one a core]")
@click.option("--timeout", default=900.0, show_default=True, type=click.FloatRange(0.1), help="For a file, seconds.")
@click.option("--tusd-dir", type=click.Path(path_type=Path, file_okay=False), help="Answer tusd's hooks; its uploads.")
@with_screening
def serve(
    host: str,
    port: int,
    out: Path | None,
    token_file: Path | None,
    max_bytes: int,
    keep_s: float,
    jobs: int | None,
    timeout: float,
    tusd_dir: Path | None,
    sign_key: Path | None,
    policy: str,
    keep: tuple[str, ...] | None,
    style: str,
    encoder: EncoderName,
    **more: Any,
) -> None:
    """Answer over HTTP: POST a file to /screen?name=NAME and get its report, or to /cleared?name=NAME and get the copy.

    200 means: this may be uploaded. /openapi.json says the rest.
    """
    if not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn")):
        raise SettingsError('serve needs two libraries more: pip install "media-screen[serve]"')
    import uvicorn

    from media_screen import ledger
    from media_screen.batch import Job, default_jobs, local
    from media_screen.config import build_screener
    from media_screen.serve import LOOPBACK, Rules, application
    from media_screen.signing import read_key
    from media_screen.write import require

    token = _token(token_file)
    is_loopback = host in LOOPBACK
    if not (is_loopback or token):
        raise SettingsError(f"{host} can be reached from other machines: set a token ({TOKEN} or --token-file)")
    count = jobs or default_jobs(os.cpu_count() or 1)
    settings = settings_from(
        policy, more, keep=keep, style=style, encoder=encoder, threads=max(1, (os.cpu_count() or 1) // count)
    )
    build_screener(settings)  # a wrong policy or model is said now
    require(encoder)
    key = read_key(sign_key) if sign_key else None
    with ExitStack() as stack:
        if out is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="media-screen-")))
        else:
            claim(out)
            folder = out.resolve()
        rules = Rules(
            token=token, max_bytes=max_bytes, keep_s=keep_s, tusd_dir=tusd_dir, only_loopback=is_loopback and not token
        )
        job = Job(out=folder, settings=settings, formats=())
        workers = stack.enter_context(local(settings, jobs=count, timeout_s=timeout))
        app = application(job, workers, rules, key=key, record=folder / ledger.FILE if out else None)
        click.echo(f"media-screen answers on http://{host}:{port}", err=True)
        uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)


def _token(file: Path | None) -> str | None:
    try:
        token = file.read_text(encoding="utf-8").strip() if file else os.environ.get(TOKEN, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: the token cannot be read: {error}") from error
    if (token or file) and len(token) < LEAST_TOKEN:
        raise SettingsError(f"a token of less than {LEAST_TOKEN} characters can be guessed")
    return token or None
