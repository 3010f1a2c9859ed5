"""A row of the manifest -> its file on this machine: whether it is the one, and fetched where it is not.

Fetching is the only thing in media-screen that reaches out to the network. It happens when a person asks for it by
name, sends nothing but the address, and keeps only what has the digest of its row.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Literal

from media_screen.errors import SettingsError

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

    from media_screen.detect import ModelSpec

State = Literal["ok", "absent", "altered"]

SCHEMES = ("https",)
CHUNK = 1 << 18
TIMEOUT_S = 30.0  # of silence
MOST_BYTES = 4 << 30  # a server that never ends must not fill the disk
PARTIAL = 206
PAST_THE_END = 416  # what was kept is as long as the file, or longer


def digest_of(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_of(spec: ModelSpec, path: Path) -> State:
    """Whether the file of a row is there, and the one that the row names."""
    if not path.is_file():
        return "absent"
    return "ok" if digest_of(path) == spec.sha256 else "altered"


def fetch(spec: ModelSpec, path: Path) -> None:
    """Bring the file of a row to its place, or go on with a part of it that is there already.

    Args:
        spec: the row.
        path: where the file has to lie.

    Raises:
        SettingsError: the row has no https address, the address cannot be reached (what came so far is kept), or what
            came is not the file of the row (nothing is kept).
    """
    if not spec.url:
        raise SettingsError(f"model {spec.name}: its row names no address to fetch it from")
    _allow(spec.url, spec.name)
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(spec, part)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        kept = part.stat().st_size if part.is_file() else 0
        why = getattr(error, "reason", None) or error
        raise SettingsError(
            f"model {spec.name}: {spec.url} cannot be reached ({why}); {kept} bytes are kept, the same command goes on."
            f" Offline, bring the file by other means and put it at {path}"
        ) from error
    if (came := digest_of(part)) != spec.sha256:
        part.unlink()
        raise SettingsError(f"model {spec.name}: what came has sha256 {came}, not that of its row; nothing is kept")
    part.replace(path)


def _download(spec: ModelSpec, part: Path) -> None:
    """Append to `part` what is missing; begin anew where the server does not go on in the middle."""
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(spec.url, headers={"Range": f"bytes={there}-"} if there else {})  # noqa: S310 - _allow
    try:
        answer = urllib.request.build_opener(_OnlySafe(spec.name)).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != PAST_THE_END:
            raise
        error.close()
        return  # all of it is there, or something else is: the digest will say
    with answer:
        there = there if answer.status == PARTIAL else 0
        length = answer.headers.get("Content-Length")
        total = there + int(length) if length and length.isdigit() else 0
        with part.open("ab" if there else "wb") as file:
            while chunk := answer.read(CHUNK):
                there += file.write(chunk)
                if there > MOST_BYTES:
                    raise SettingsError(f"model {spec.name}: more than {MOST_BYTES} bytes came; that is no model")
    if total and there < total:
        raise ConnectionError(f"broke off after {there} of {total} bytes")


def _allow(url: str, name: str) -> None:
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise SettingsError(f"model {name}: {url} is no https address")


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """A server may send us on, but not to a place that anyone on the way can forge."""

    def __init__(self, name: str) -> None:
        self._name = name

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """As usual, if it goes to an allowed address."""
        _allow(newurl, self._name)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
