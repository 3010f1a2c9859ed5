"""Verdict + key -> signed verdict; file + signed verdict + key -> what is wrong with them.

Who holds the key decides the algorithm, never the verdict that is to be verified. HMAC-SHA256 (one secret on both
sides) is of the standard library; Ed25519 (a private key signs, a public one verifies) is `cryptography`'s.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from media_screen.errors import SettingsError, WriteFailed
from media_screen.write import publish, workbench

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA_VERSION = 1
SUFFIX = ".verdict.json"
LEAST_SECRET = 32  # bytes: as many as the digest has
HMAC_HEAD = b"media-screen hmac key\n"
MAX_VERDICT_BYTES = 65_536
SKEW_S = 300.0  # by which two honest clocks may differ
Verdict = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What signs, verifies, or both."""

    algorithm: str  # "hmac-sha256" or "ed25519"
    secret: Any = field(default=None, repr=False)  # bytes, or a private key; None: verifies only
    public: Any = field(default=None, repr=False)

    @property
    def key_id(self) -> str:
        """Says which key it was, and nothing else."""
        known = self.public.public_bytes_raw() if self.algorithm == "ed25519" else b"id\0" + self.secret
        return hashlib.sha256(known).hexdigest()[:16]


def new_key(path: Path, *, algorithm: str = "ed25519") -> list[Path]:
    """Write a fresh key that only its owner may read; for Ed25519 its public half as well, to PATH.pub.

    Raises:
        SettingsError: something lies there already, or cannot be written, or `cryptography` is not installed.
    """
    if algorithm == "hmac-sha256":
        _create(path, HMAC_HEAD + secrets.token_hex(LEAST_SECRET).encode() + b"\n", 0o600)
        return [path]
    coding, ed25519 = _library()
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, coding.NoEncryption())
    public = path.with_name(path.name + ".pub")
    _create(path, pem, 0o600)
    _create(
        public, private.public_key().public_bytes(coding.Encoding.PEM, coding.PublicFormat.SubjectPublicKeyInfo), 0o644
    )
    return [path, public]


def read_key(path: Path) -> Key:
    """A key of `new_key`, or an Ed25519 key as PEM.

    Raises:
        SettingsError: it is none.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: the key cannot be read: {error.strerror or error}") from error
    if raw.startswith(HMAC_HEAD):
        secret = raw.removeprefix(HMAC_HEAD).strip()
        if len(secret) < LEAST_SECRET:
            raise SettingsError(f"{path}: a secret of less than {LEAST_SECRET} characters can be guessed")
        return Key(algorithm="hmac-sha256", secret=secret)
    return _ed25519(path, raw)


def verdict_of(document: dict[str, Any]) -> Verdict:
    """What is signed of a report: which bytes, by which policy, with what result, when. Nothing else of the file."""
    output, policy = document["output"], document["policy"]
    return {
        "schema_version": SCHEMA_VERSION,
        "sha256": output["sha256"],
        "size_bytes": output["size_bytes"],
        "policy": policy["name"],
        "policy_sha256": policy["sha256"],
        "verdict": document["verdict"],
        "disposition": document["disposition"],
        "tool": document["tool"]["version"],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def sign(verdict: Verdict, key: Key) -> Verdict:
    """The same, with key, algorithm and signature.

    Raises:
        SettingsError: the key only verifies.
    """
    if key.secret is None:
        raise SettingsError("that is a public key: it verifies, and the private one signs")
    named = verdict | {"algorithm": key.algorithm, "key_id": key.key_id}
    text = _text(named)
    made = hmac.digest(key.secret, text, "sha256") if key.algorithm == "hmac-sha256" else key.secret.sign(text)
    return named | {"signature": base64.b64encode(made).decode("ascii")}


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Whole or not at all.

    Raises:
        WriteFailed: not at all.
    """
    with workbench(path) as part:
        part.write_text(json.dumps(verdict, indent=1) + "\n", encoding="utf-8")
        publish(part, path)


def sign_cleared(out: Path, documents: Mapping[str, dict[str, Any]], key: Key) -> list[str]:
    """A verdict in `out`/verdicts for every cleared copy, and for nothing else; what could not be written, in words."""
    unwritten = []
    for name, document in documents.items():
        path, file = out / "verdicts" / f"{name}{SUFFIX}", out / "cleared" / name
        try:
            if document["disposition"] != "cleared":
                path.unlink(missing_ok=True)
            elif _digest(file) != document["output"]["sha256"]:
                unwritten.append(f"{file}: not signed: it is not the copy that was verified")
            elif faults(file, path, key):
                write_verdict(path, sign(verdict_of(document), key))
        except (OSError, WriteFailed) as error:
            unwritten.append(f"{path}: cannot be written: {error}")
    return unwritten


def faults(
    file: Path, verdict: Path, key: Key, *, policy: str | None = None, max_age_s: float | None = None
) -> list[str]:
    """Why the file must not be uploaded by this verdict; nothing if it may.

    Args:
        file: what is to be uploaded.
        verdict: its signed verdict.
        key: of whom one trusts.
        policy: name that the verdict has to be of.
        max_age_s: older verdicts are refused.
    """
    try:
        said = _read(verdict)
        digest = _digest(file)
    except (OSError, ValueError, RecursionError) as error:
        return [f"cannot be read: {error}"]
    if not _is_signed(said, key):
        return ["the verdict is not signed by this key, or was altered"]
    return [
        words
        for words, is_wrong in (
            ("a verdict of another kind", said.get("schema_version") != SCHEMA_VERSION),
            ("the file is not the one that was screened, or was altered", said.get("sha256") != digest),
            (f"it was not cleared: {said.get('disposition')}", said.get("disposition") != "cleared"),
            (f"it was screened by the policy {said.get('policy')}", policy not in (None, said.get("policy"))),
            ("the verdict is too old, or of the future", not _is_fresh(said.get("time"), max_age_s)),
        )
        if is_wrong
    ]


def _read(path: Path) -> Verdict:
    with path.open("rb") as file:
        raw = file.read(MAX_VERDICT_BYTES + 1)
    said = json.loads(raw) if len(raw) <= MAX_VERDICT_BYTES else None
    if not isinstance(said, dict):
        raise ValueError("this is no verdict")  # noqa: TRY004 - as JSON that does not parse
    return said


def _is_signed(said: Verdict, key: Key) -> bool:
    rest = {name: value for name, value in said.items() if name != "signature"}
    if (rest.get("algorithm"), rest.get("key_id")) != (key.algorithm, key.key_id):
        return False
    try:
        made = base64.b64decode(said["signature"], validate=True)
    except (KeyError, TypeError, ValueError):
        return False
    if key.algorithm == "hmac-sha256":
        return hmac.compare_digest(made, hmac.digest(key.secret, _text(rest), "sha256"))
    from cryptography.exceptions import InvalidSignature

    try:
        key.public.verify(made, _text(rest))
    except InvalidSignature:
        return False
    return True


def _is_fresh(time: object, max_age_s: float | None) -> bool:
    if max_age_s is None:
        return True
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(str(time))).total_seconds()
    except (TypeError, ValueError):
        return False
    return -SKEW_S <= age_s <= max_age_s


def _text(verdict: Verdict) -> bytes:
    """One form only, whatever the order and spacing of the file."""
    return json.dumps(verdict, sort_keys=True, separators=(",", ":")).encode("ascii")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already: a key is never overwritten") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error


def _ed25519(path: Path, raw: bytes) -> Key:
    coding, ed25519 = _library()
    try:
        if b"PRIVATE" in raw:
            private = coding.load_pem_private_key(raw, password=None)
            public = private.public_key()
        else:
            private, public = None, coding.load_pem_public_key(raw)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{path} is no key that is known here (make one: media-screen new-key FILE)") from error
    if not isinstance(public, ed25519.Ed25519PublicKey):
        raise SettingsError(f"{path} is a key of another kind: Ed25519 is what signs verdicts")
    return Key(algorithm="ed25519", secret=private, public=public)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SettingsError('Ed25519 needs `cryptography`: pip install "media-screen[sign]"; or an HMAC key') from error
    return serialization, ed25519
