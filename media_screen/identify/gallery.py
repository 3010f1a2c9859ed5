"""A folder <-> the people enrolled in it: encodings, never photos, in one file that only its owner may read.

Encrypted with a passphrase if one is given: scrypt (RFC 7914) makes the key, Fernet (AES-128-CBC and HMAC-SHA256)
seals the people, both of the library `cryptography`. What cannot be read whole is an error, never an empty gallery.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from media_screen.errors import SettingsError
from media_screen.identify.votes import Known, mean
from media_screen.locks import locked
from media_screen.types import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "gallery.json"
LOCK = ".gallery.lock"  # empty, and stays: to delete it would let two in, one by the old file and one by the new
VERSION = 1
ROLES: tuple[Role, ...] = tuple(role for role in get_args(Role) if role != "unknown")
MAX_BYTES = 64 << 20
NAME_LENGTH = 100
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}  # 32 MB and about a tenth of a second a guess
PHOTOS_WANTED = 3  # from different days and sides, recognition gets surer


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One enrolment."""

    name: str
    role: Role
    reason: str  # consent or case, in words or by reference
    added: date
    expires: date
    vectors: tuple[tuple[float, ...], ...]
    smeared: tuple[tuple[float, ...], ...] = ()  # of the same photos, as if they had moved; empty: without

    def holds(self, today: date) -> bool:
        """Up to and with the day on which it expires."""
        return today <= self.expires

    def known(self) -> Known:
        """As faces are compared with."""
        still, smeared = ([np.asarray(v, np.float32) for v in vectors] for vectors in (self.vectors, self.smeared))
        return Known(name=self.name, role=self.role, vector=mean(still), smeared=mean(smeared) if smeared else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """All enrolments, and the one embedding that their numbers belong to."""

    embedding: str
    embedding_sha256: str
    people: tuple[Person, ...] = ()
    sha256: str = ""  # of the file that it was read from
    is_encrypted: bool = False

    def present(self, today: date) -> tuple[Person, ...]:
        """Those whose enrolment holds."""
        return tuple(p for p in self.people if p.holds(today))

    def with_person(self, person: Person) -> Gallery:
        """One more, or one anew."""
        others = tuple(p for p in self.people if p.name != person.name)
        return replace(self, people=tuple(sorted((*others, person), key=lambda p: (p.role, p.name))))

    def without(self, name: str) -> Gallery:
        """One less.

        Raises:
            SettingsError: nobody of that name is enrolled.
        """
        if all(p.name != name for p in self.people):
            raise SettingsError(f"nobody named {name!r} is enrolled")
        return replace(self, people=tuple(p for p in self.people if p.name != name))


def is_there(folder: Path) -> bool:
    """True if something that should be a gallery lies there."""
    return (folder / FILE).exists()


def read(folder: Path, passphrase: str | None = None) -> Gallery:
    """The gallery in a folder.

    Raises:
        SettingsError: it is missing, damaged, locked, or was made by another version.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"gallery {folder}: {FILE} cannot be read: {error.strerror or error}") from error
    try:
        head = json.loads(raw)
        if head["media_screen_gallery"] != VERSION:
            raise SettingsError(f"gallery {folder}: of version {head['media_screen_gallery']}, not {VERSION}")
        body = _opened(head, passphrase, folder)
        people = tuple(_person(row) for row in json.loads(body))
        return Gallery(
            embedding=str(head["embedding"]["name"]),
            embedding_sha256=str(head["embedding"]["sha256"]),
            people=people,
            sha256=hashlib.sha256(raw).hexdigest(),
            is_encrypted="scrypt" in head,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"gallery {folder}: damaged: {type(error).__name__}: {error}") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the gallery meanwhile: read, change and write within, or what another wrote is lost.

    Raises:
        SettingsError: the folder cannot be written, or another change lasts too long.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        raise SettingsError(f"gallery {folder} cannot be written: {error.strerror or error}") from error
    with os.fdopen(descriptor, "r+b") as file, ExitStack() as stack:
        try:
            stack.enter_context(locked(file))
            for left in folder.glob(f".{FILE}.*"):  # of a command that was killed: it may hold who is removed by now
                left.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(f"gallery {folder} cannot be locked: {error.strerror or error}") from error
        yield


def write(folder: Path, gallery: Gallery, passphrase: str | None = None) -> None:
    """Put it in place of what is there: whole or not at all, mode 600 from its first byte. See `alone`.

    Raises:
        SettingsError: the folder cannot be written.
    """
    body = json.dumps([_row(person) for person in gallery.people], ensure_ascii=False).encode()
    head: dict[str, Any] = {
        "media_screen_gallery": VERSION,
        "embedding": {"name": gallery.embedding, "sha256": gallery.embedding_sha256},
    }
    if passphrase:
        salt = secrets.token_bytes(16)
        sealed = _fernet(passphrase, salt, SCRYPT).encrypt(body)
        head |= {"scrypt": {**SCRYPT, "salt": salt.hex()}, "sealed": sealed.decode("ascii")}
    else:
        head |= {"sha256": hashlib.sha256(body).hexdigest(), "people": body.decode()}
    _publish(folder, (json.dumps(head, ensure_ascii=False, indent=1) + "\n").encode())


def is_private(folder: Path) -> bool:
    """False if others on this machine may read it. Where there are no such rights, as on Windows, True."""
    return os.name == "nt" or not (folder / FILE).stat().st_mode & 0o077


def _publish(folder: Path, raw: bytes) -> None:
    part = folder / f".{FILE}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / FILE)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"gallery {folder} cannot be written: {error.strerror or error}") from error


def _opened(head: Mapping[str, Any], passphrase: str | None, folder: Path) -> bytes:
    if "scrypt" not in head:
        plain = str(head["people"]).encode()
        if hashlib.sha256(plain).hexdigest() != head["sha256"]:
            raise ValueError("its content is not what its digest says")
        return plain
    if not passphrase:
        raise SettingsError(f"gallery {folder} is locked: give its passphrase (MEDIA_SCREEN_PASSPHRASE)")
    from cryptography.fernet import InvalidToken

    cost = {name: int(head["scrypt"][name]) for name in SCRYPT}
    if cost["n"] * cost["r"] * cost["p"] > 1 << 22:  # a file made to eat memory
        raise ValueError("costs of scrypt beyond all sense")
    salt = bytes.fromhex(head["scrypt"]["salt"])
    try:
        body = _fernet(passphrase, salt, cost).decrypt(str(head["sealed"]).encode("ascii"))
    except InvalidToken as error:
        raise SettingsError(f"gallery {folder}: the passphrase is wrong, or the file is damaged") from error
    return bytes(body)  # Fernet vouches for it


def _fernet(passphrase: str, salt: bytes, cost: Mapping[str, int]) -> Any:
    try:
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError as error:
        raise SettingsError("a passphrase needs the library cryptography: pip install 'media-screen[identify]'") from (
            error
        )
    key = Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def _row(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "role": person.role,
        "reason": person.reason,
        "added": person.added.isoformat(),
        "expires": person.expires.isoformat(),
        "vectors": [[round(number, 6) for number in vector] for vector in person.vectors],
        "smeared": [[round(number, 6) for number in vector] for vector in person.smeared],
    }


def _person(row: Mapping[str, Any]) -> Person:
    if row["role"] not in ROLES:
        raise ValueError(f"unknown role {row['role']!r}")
    vectors = tuple(tuple(float(number) for number in vector) for vector in row["vectors"])
    smeared = tuple(tuple(float(number) for number in vector) for vector in row.get("smeared", ()))
    whole = (*vectors, *smeared)
    if not vectors or len({len(v) for v in whole}) != 1 or not np.isfinite(whole).all():
        raise ValueError(f"the numbers of {row['name']!r} are not whole")
    if len(smeared) not in (0, len(vectors)):
        raise ValueError(f"the smeared photos of {row['name']!r} are not those that are sharp")
    return Person(
        name=str(row["name"]),
        role=row["role"],
        reason=str(row["reason"]),
        added=date.fromisoformat(row["added"]),
        expires=date.fromisoformat(row["expires"]),
        vectors=vectors,
        smeared=smeared,
    )
