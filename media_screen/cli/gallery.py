"""`gallery`: photos of people -> who may be recognised: add, list, remove, check."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from media_screen.errors import EXIT_PASS, EXIT_REDACT, SettingsError
from media_screen.types import Role  # noqa: TC001 - small, and read by click's types

if TYPE_CHECKING:
    from media_screen.identify.gallery import Gallery

DAYS = 365  # an enrolment holds, unless another day is given
PASSPHRASE = "MEDIA_SCREEN_PASSPHRASE"  # noqa: S105 - the name of the variable

folder_option = click.option(
    "--gallery",
    "folder",
    default="gallery",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder: to carry along, or to destroy, as a whole.",
)
embedding_option = click.option(
    "--embedding", default="face_recognition", show_default=True, metavar="NAME|PATH", help="What compares the faces."
)


@click.group()
def gallery() -> None:
    """Keep the people whom media-screen may recognise: officers, accused, protected.

    Encodings are kept, no photos. MEDIA_SCREEN_PASSPHRASE in the environment encrypts them; without it the file is
    readable by its owner alone.
    """


@gallery.command()
@click.argument("name")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--role", required=True, type=click.Choice(["officer", "accused", "protected"]))
@click.option("--reason", required=True, metavar="TEXT", help="Consent or case: in words, or by its reference.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="The last day.  [default: a year on]")
@folder_option
@embedding_option
def add(
    name: str,
    photos: tuple[Path, ...],
    role: Role,
    reason: str,
    expires: datetime | None,
    folder: Path,
    embedding: str,
) -> None:
    """Enrol NAME from PHOTOS, each of that one person: three or more, from different days and sides, are best."""
    from media_screen.identify.enrolment import enrolled, judged, look_alikes
    from media_screen.identify.gallery import PHOTOS_WANTED, alone, write

    embedder = _embedder(embedding)
    before = next((p for p in _opened(folder, embedder.spec).people if p.name == name), None)
    usable, wrong = judged(_photos(photos), embedder, before)
    for fault in wrong:
        click.echo(f"not used: {fault}", err=True)
    today = datetime.now().astimezone().date()
    last = expires.date() if expires else today + timedelta(days=DAYS)

    def with_them() -> Gallery:
        known = _opened(folder, embedder.spec)
        return enrolled(known, usable, name=name, role=role, reason=reason, today=today, expires=last)

    with_them()  # where nobody is enrolled, no folder is made
    with alone(folder):
        after = with_them()
        write(folder, after, os.environ.get(PASSPHRASE) or None)
    count = next(len(p.vectors) for p in after.people if p.name == name)
    click.echo(f"{name}: {role}, {_counted(count)}, until {last.isoformat()}")
    if count < PHOTOS_WANTED:
        click.echo(f"warning: {name} is recognised more surely from {PHOTOS_WANTED} or more photos", err=True)
    for one, other, distance in look_alikes(after, embedder.spec, name):
        _warn_of_likeness(one, other, distance)
    sys.exit(EXIT_PASS)


@gallery.command("list")
@folder_option
def list_(folder: Path) -> None:
    """Say who is enrolled, in which role, why and until when."""
    from media_screen.config import read_gallery

    known, today = read_gallery(folder), date.today()  # noqa: DTZ011 - an enrolment ends by the clock on the wall
    for person in known.people:
        ended = "" if person.holds(today) else "  EXPIRED"
        until = person.expires.isoformat()
        click.echo(
            f"{person.role:<9}  {until}  {_counted(len(person.vectors)):>9}  {person.name}  ({person.reason}){ended}"
        )
    locked = "encrypted" if known.is_encrypted else "not encrypted"
    click.echo(f"{len(known.people)} people, {locked}, compared by {known.embedding}")


@gallery.command()
@click.argument("name")
@folder_option
def remove(name: str, folder: Path) -> None:
    """Take NAME out. From then on NAME is nobody, and blurred."""
    from media_screen.config import read_gallery
    from media_screen.identify.gallery import alone, write

    read_gallery(folder).without(name)  # where there is none, or nobody of that name, nothing is made
    with alone(folder):
        known = read_gallery(folder)
        write(folder, known.without(name), _passphrase_of(known))
    click.echo(f"{name}: removed")


@gallery.command()
@folder_option
@embedding_option
def check(folder: Path, embedding: str) -> None:
    """Look for what keeps people from being recognised: expired, alike, too few or old photos, a file others may read.

    Exit code 1 if there is anything, 2 if the gallery cannot be read.
    """
    from media_screen.config import embedding_spec, read_gallery
    from media_screen.identify.enrolment import look_alikes
    from media_screen.identify.gallery import PHOTOS_WANTED, is_private

    known, spec = read_gallery(folder), embedding_spec(embedding)
    _same_embedding(known, spec, folder)
    today = date.today()  # noqa: DTZ011 - the same
    said = [f"{p.name}: expired on {p.expires.isoformat()}" for p in known.people if not p.holds(today)]
    few = [p for p in known.people if len(p.vectors) < PHOTOS_WANTED]
    said += [f"{p.name}: {_counted(len(p.vectors))} only, from {PHOTOS_WANTED} on it is surer" for p in few]
    if spec.smeared:
        without = [p.name for p in known.people if not p.smeared]
        said += [f"{name}: not known where motion smears the face; add all photos once more" for name in without]
    said += [] if is_private(folder) else ["others on this machine may read the file: chmod 600"]
    alike = look_alikes(known, spec)
    for fault in said:
        click.echo(fault)
    for one, other, distance in alike:
        _warn_of_likeness(one, other, distance)
    if not said and not alike:
        click.echo(f"{len(known.people)} people, in order")
    sys.exit(EXIT_REDACT if said or alike else EXIT_PASS)


def _counted(photos: int) -> str:
    return f"{photos} photo{'' if photos == 1 else 's'}"


def _warn_of_likeness(one: str, other: str, distance: float) -> None:
    click.echo(
        f"warning: {one} and {other} look much alike ({distance:.2f} apart): neither may be recognised;"
        " if they are one person, remove one of the names",
        err=True,
    )


def _embedder(name: str) -> Any:
    from media_screen.config import load_embedder

    try:
        return load_embedder(name)
    except ImportError as error:
        raise SettingsError(
            f"the embedding {name} is not installed ({error}); pip install 'media-screen[identify]'"
        ) from error


def _opened(folder: Path, spec: Any) -> Gallery:
    """The gallery that is there, or a new one."""
    from media_screen.config import read_gallery
    from media_screen.identify.gallery import Gallery, is_there

    if not is_there(folder):
        return Gallery(embedding=spec.name, embedding_sha256=spec.sha256)
    known = read_gallery(folder)
    _same_embedding(known, spec, folder)
    _passphrase_of(known)
    return known


def _same_embedding(known: Gallery, spec: Any, folder: Path) -> None:
    if (known.embedding, known.embedding_sha256) != (spec.name, spec.sha256):
        raise SettingsError(f"gallery {folder} was made with the embedding {known.embedding}, not with {spec.name}")


def _passphrase_of(known: Gallery) -> str | None:
    """What it is to be written with; one that is open is not locked by chance, with a passphrase nobody remembers."""
    given = os.environ.get(PASSPHRASE) or None
    if given and not known.is_encrypted:
        raise SettingsError(f"the gallery is not encrypted, but {PASSPHRASE} is set: unset it, or begin a new gallery")
    return given


def _photos(paths: tuple[Path, ...]) -> list[Any]:
    """The faces of each photo, as the detector for faces sees them."""
    from media_screen.config import load_detectors
    from media_screen.identify.enrolment import Photo
    from media_screen.recognise import faces_in

    (detector, *_) = load_detectors({"face"})
    photos = []
    for path in paths:
        try:
            photos.append(Photo(name=path.name, portraits=faces_in(path, detector)))
        except SettingsError as error:
            photos.append(Photo(name=path.name, fault=str(error).removeprefix(f"{path.name}: ")))
    return photos
