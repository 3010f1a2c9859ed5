"""Portraits of one person -> an enrolment, or what is wrong with the photos; and who looks too much like whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from media_screen.errors import SettingsError
from media_screen.identify.gallery import NAME_LENGTH, Gallery, Person
from media_screen.identify.quality import faults
from media_screen.identify.votes import distances

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from media_screen.identify import Embedder, EmbeddingSpec, Encoding, Vector
    from media_screen.types import Portrait, Role


SAME = 1e-3  # two encodings nearer than this are of one photo; two photos of one person are a hundred times as far


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo that was given, and the faces in it."""

    name: str
    portraits: tuple[Portrait, ...] = ()
    fault: str = ""  # why it cannot be read


def judged(
    photos: Sequence[Photo], embedder: Embedder, before: Person | None = None
) -> tuple[list[Encoding], list[str]]:
    """The encodings of the photos that can be used, and for each of the others what is wrong with it.

    Args:
        photos: of one person.
        embedder: that the gallery belongs to.
        before: the same person, if enrolled already: a photo of somebody else must not join.
    """
    good: list[Encoding] = []
    like = [np.asarray(vector, np.float32) for vector in before.vectors] if before else []
    said: list[str] = []
    for photo in photos:
        if photo.fault:
            said.append(f"{photo.name}: {photo.fault}")
            continue
        if len(photo.portraits) != 1:
            many = (
                f"{len(photo.portraits)} faces are in it; exactly one must be" if photo.portraits else "no face found"
            )
            said.append(f"{photo.name}: {many}")
            continue
        (encoding,) = embedder.encode(photo.portraits)
        wrong = faults(encoding)
        said += [f"{photo.name}: {each}" for each in wrong]
        if not wrong:
            if stranger := _unlike(encoding, like, embedder.spec):
                said.append(
                    f"{photo.name}: does not look like the person of the photos before it ({stranger:.2f} away)"
                )
            else:
                good.append(encoding)
                like.append(encoding.vector)
    return good, said


def _unlike(encoding: Encoding, others: Sequence[Vector], spec: EmbeddingSpec) -> float | None:
    far = [float(np.linalg.norm(encoding.vector - other)) for other in others]
    return min(far) if far and min(far) > spec.other else None


def enrolled(
    gallery: Gallery,
    encodings: Sequence[Encoding],
    *,
    name: str,
    role: Role,
    reason: str,
    today: date,
    expires: date,
) -> Gallery:
    """The gallery with these photos of a person; whoever is enrolled already gets them beside the earlier ones.

    A photo that is there already counts once: it only renews reason and day.

    Raises:
        SettingsError: a name, reason or day is wrong, or the person is enrolled in another role.
    """
    _one_line("name", name)
    _one_line("reason", reason)
    if expires < today:
        raise SettingsError(f"the enrolment would have expired already, on {expires.isoformat()}")
    before = next((p for p in gallery.people if p.name == name), None)
    if before and before.role != role:
        raise SettingsError(f"{name} is enrolled as {before.role}; remove that first")
    new = tuple(tuple(float(number) for number in encoding.vector) for encoding in encodings)
    if not new:
        raise SettingsError("none of the photos can be used: nobody was enrolled")
    vectors = before.vectors if before else ()
    for vector in new:
        if all(np.linalg.norm(np.subtract(vector, other)) > SAME for other in vectors):
            vectors = (*vectors, vector)
    return gallery.with_person(
        Person(name=name, role=role, reason=reason, added=today, expires=expires, vectors=vectors)
    )


def look_alikes(gallery: Gallery, spec: EmbeddingSpec, name: str | None = None) -> list[tuple[str, str, float]]:
    """Pairs too near each other to be told apart for certain, with their distance; of one person, or all."""
    people = [person.known() for person in gallery.people]
    pairs = []
    for n, one in enumerate(people):
        for other in people[n + 1 :]:
            if name is None or name in (one.name, other.name):
                near = distances(one.vector, [other])[0]
                if near < spec.distance + spec.margin:
                    pairs.append((one.name, other.name, near))
    return sorted(pairs, key=lambda pair: pair[2])


def _one_line(what: str, text: str) -> None:
    if not text.strip() or not text.isprintable() or len(text) > NAME_LENGTH:
        raise SettingsError(f"the {what} must be one line of at most {NAME_LENGTH} visible letters")
