"""Portraits of one person -> an enrolment, or what is wrong with the photos; and who looks too much like whom."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from media_screen.errors import SettingsError
from media_screen.identify.gallery import NAME_LENGTH, Gallery, Person
from media_screen.identify.quality import faults
from media_screen.identify.smear import smeared
from media_screen.identify.votes import distances

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from media_screen.identify import Embedder, EmbeddingSpec, Vector
    from media_screen.types import Portrait, Role


SAME = 1e-3  # two encodings nearer than this are of one photo; two photos of one person are a hundred times as far


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo that was given, and the faces in it."""

    name: str
    portraits: tuple[Portrait, ...] = ()
    fault: str = ""  # why it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """A photo that can be used, encoded."""

    vector: Vector
    smeared: Vector | None = None  # of the same photo as if it had moved; None: the embedding has no distance for it


def judged(
    photos: Sequence[Photo], embedder: Embedder, before: Person | None = None
) -> tuple[list[Likeness], list[str]]:
    """The photos that can be used, and for each of the others what is wrong with it.

    Args:
        photos: of one person.
        embedder: that the gallery belongs to.
        before: the same person, if enrolled already: a photo of somebody else must not join.
    """
    good: list[Likeness] = []
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
            if stranger := _unlike(encoding.vector, like, embedder.spec):
                said.append(
                    f"{photo.name}: does not look like the person of the photos before it ({stranger:.2f} away)"
                )
            else:
                good.append(likeness(photo.portraits[0], encoding.vector, embedder))
                like.append(encoding.vector)
    return good, said


def likeness(portrait: Portrait, vector: Vector, embedder: Embedder) -> Likeness:
    """A photo that was encoded, and encoded once more as if it had moved where the embedding asks for that."""
    if not embedder.spec.smeared:
        return Likeness(vector=vector)
    (moved,) = embedder.encode([smeared(portrait)])
    return Likeness(vector=vector, smeared=moved.vector)


def _unlike(vector: Vector, others: Sequence[Vector], spec: EmbeddingSpec) -> float | None:
    far = [float(np.linalg.norm(vector - other)) for other in others]
    return min(far) if far and min(far) > spec.other else None


def enrolled(
    gallery: Gallery,
    photos: Sequence[Likeness],
    *,
    name: str,
    role: Role,
    reason: str,
    today: date,
    expires: date,
) -> Gallery:
    """The gallery with these photos of a person; whoever is enrolled already gets them beside the earlier ones.

    A photo that is there already counts once: it only renews reason and day. Where one of them all has no smeared
    encoding, for it was enrolled before there were any, none is kept: give those photos once more.

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
    if not photos:
        raise SettingsError("none of the photos can be used: nobody was enrolled")
    pairs = list(zip_longest(before.vectors, before.smeared)) if before else []
    for photo in photos:
        vector = _numbers(photo.vector)
        pair = (vector, None if photo.smeared is None else _numbers(photo.smeared))
        same = [n for n, (other, _) in enumerate(pairs) if np.linalg.norm(np.subtract(vector, other)) <= SAME]
        for n in same:
            pairs[n] = pair if pair[1] else pairs[n]
        pairs += [] if same else [pair]
    moved = tuple(smeared for _, smeared in pairs if smeared)
    return gallery.with_person(
        Person(
            name=name,
            role=role,
            reason=reason,
            added=today,
            expires=expires,
            vectors=tuple(vector for vector, _ in pairs),
            smeared=moved if len(moved) == len(pairs) else (),
        )
    )


def _numbers(vector: Vector) -> tuple[float, ...]:
    return tuple(float(number) for number in vector)


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
