"""A track's looks + the people enrolled -> the track, or the parts of it that show one person each. Pure.

Whoever would be kept has to be recognised from beginning to end, again and again; whoever would be hidden more
strictly, once. What lies between, and all that is doubtful, is nobody: unknown. Where a film shows an officer for
certain, that is a better likeness for its other pieces than photos of another day: a `Take`. A look that is smeared by
motion is compared with smeared photos alone, at a distance of its own: to sharp ones, strangers come too near in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from media_screen.identify.quality import is_good, is_smeared
from media_screen.types import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from media_screen.identify import EmbeddingSpec, Encoding
    from media_screen.types import Role, Sighting, Track, Unsure

    Vector = NDArray[np.float32]
    Says = Literal["yes", "no", "maybe"]

STRICT: tuple[Role, ...] = ("protected", "accused")  # the stricter first
LEAST_YES = 3  # looks of a film that must agree, each by itself
LEAST_SHARE = 0.5  # of the good looks
GAP_S = Fraction(3)  # longest time between two looks that agree, in which the track alone says who it is
NEAR_GAP_S = Fraction(3, 4)  # the same where another face came near: there a track may change over
TAIL_S = Fraction(1)  # before the first and after the last of them


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """One enrolled person, as faces are compared with."""

    name: str
    role: Role
    vector: Vector  # the mean of the photos
    smeared: Vector | None = None  # the mean of the same photos, smeared; None: enrolled without

    def like(self, smeared: bool) -> Vector:
        """What a look of that kind is compared with; the sharp photos where there are no others."""
        return self.smeared if smeared and self.smeared is not None else self.vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One sighting that was encoded."""

    sighting: Sighting
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """An officer where a film shows them for certain, by the enrolment alone."""

    name: str
    vector: Vector  # the mean of the good looks of one kind
    track_id: int  # of the whole track, before it was cut
    start_s: Fraction
    end_s: Fraction
    smeared: bool = False  # the kind of those looks, and of those that are compared with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Who is nearest to a vector, how far, and by how much everybody else is farther."""

    person: Known | None
    distance: float
    margin: float


def distances(vector: Vector, people: Sequence[Known], *, smeared: bool = False) -> list[float]:
    """To each person."""
    return [float(np.linalg.norm(person.like(smeared) - vector)) for person in people]


def nearest(vector: Vector, people: Sequence[Known], *, smeared: bool = False) -> Nearest:
    """Of all people; without anybody, everything is infinitely far."""
    far = distances(vector, people, smeared=smeared)
    order = sorted(range(len(people)), key=far.__getitem__)
    if not order:
        return Nearest(person=None, distance=float("inf"), margin=float("inf"))
    runner_up = far[order[1]] if len(order) > 1 else float("inf")
    return Nearest(person=people[order[0]], distance=far[order[0]], margin=runner_up - far[order[0]])


def may_be_somebody(looks: Sequence[Look], people: Sequence[Known], spec: EmbeddingSpec) -> bool:
    """True if any look is not too far from everybody."""
    return any(seen.distance <= spec.other for look in looks for seen in _either_way(look.encoding, people))


def closest_to(encoding: Encoding, people: Sequence[Known]) -> Nearest:
    """By what looks of its kind are compared with."""
    return nearest(encoding.vector, people, smeared=is_smeared(encoding))


def _either_way(encoding: Encoding, people: Sequence[Known]) -> list[Nearest]:
    """By the sharp photos, and if it is smeared, by the smeared ones too."""
    kinds = {False, is_smeared(encoding)}
    return [nearest(encoding.vector, people, smeared=kind) for kind in sorted(kinds)]


def named(
    track: Track,
    looks: Sequence[Look],
    people: Sequence[Known],
    spec: EmbeddingSpec,
    *,
    near: frozenset[int] = frozenset(),
    takes: Sequence[Take] = (),
    single: bool = False,
) -> list[Track]:
    """The track with an identity, in parts where that is not the same from end to end; never without one.

    Args:
        track: of a face.
        looks: at it, in order of time.
        people: whose enrolment holds.
        spec: of the embedding.
        near: frames of its sightings in which another face is near.
        takes: of officers in the same film.
        single: the medium is one still picture, where one look is all there is.
    """
    for role in STRICT:
        if found := _strictly(looks, [p for p in people if p.role == role], spec):
            return [replace(track, identity=found)]
    bench = _Bench(people=people, spec=spec, takes=takes, track_id=track.track_id)
    parts = _parts(track, looks, bench, near=near, least=1 if single else LEAST_YES)
    if not parts:
        return [replace(track, identity=_nobody(looks, people, spec))]
    return _cut(track, parts)


def takes_of(parts: Sequence[Track], looks: Sequence[Look], track_id: int, spec: EmbeddingSpec) -> list[Take]:
    """Of one track that was named without any: the parts in which it shows an officer."""
    taken = []
    for part in parts:
        within = (part.sightings[0].time_s, part.sightings[-1].time_s)
        good = [k.encoding for k in looks if within[0] <= k.sighting.time_s <= within[1] and is_good(k.encoding)]
        if spec.take and part.identity and part.identity.role == "officer" and good:
            kind = part.identity.smeared
            take = Take(
                name=part.identity.name,
                vector=mean([encoding.vector for encoding in good if is_smeared(encoding) == kind]),
                track_id=track_id,
                start_s=within[0],
                end_s=within[1],
                smeared=kind,
            )
            taken.append(take)
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """All that one track is judged by."""

    people: Sequence[Known]
    spec: EmbeddingSpec
    takes: Sequence[Take]
    track_id: int

    def takes_at(self, person: Known, first_s: Fraction, last_s: Fraction) -> list[Take]:
        """The takes of a person; none where another track shows them at that time: nobody is in two places."""
        own = [t for t in self.takes if t.name == person.name]
        elsewhere = [t for t in own if t.track_id != self.track_id]
        return [] if any(t.start_s <= last_s and first_s <= t.end_s for t in elsewhere) else own

    def is_person(self, vector: Vector, person: Known, takes: Sequence[Take], *, smeared: bool) -> bool:
        """By the enrolment, or not far from it and like a take; either way everybody else is farther.

        What is smeared is compared with what is smeared alone, photos and takes.
        """
        closest = nearest(vector, self.people, smeared=smeared)
        if closest.person is not person or closest.margin < self.spec.margin:
            return False
        if smeared and person.smeared is None:
            return False
        if closest.distance <= self.most(smeared):
            return True
        return closest.distance <= self.spec.other and _apart(vector, takes, smeared) <= self.spec.take

    def most(self, smeared: bool) -> float:
        """The distance up to which the enrolment alone tells."""
        return self.spec.smeared if smeared else self.spec.distance


def _apart(vector: Vector, takes: Sequence[Take], smeared: bool) -> float:
    """From the nearest take of the same kind."""
    alike = [take.vector for take in takes if take.smeared == smeared]
    return min((float(np.linalg.norm(vector - other)) for other in alike), default=float("inf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """From one sighting of a track to another (positions, both inclusive) it shows this person."""

    first: int
    last: int
    identity: Identity


def _strictly(looks: Sequence[Look], people: Sequence[Known], spec: EmbeddingSpec) -> Identity | None:
    """Whoever must be hidden is known by a single look, however poor, and whoever else may be as near."""
    seen = [min(_either_way(look.encoding, people), key=lambda n: n.distance) for look in looks]
    agreeing = [near for near in seen if near.person and near.distance <= spec.distance]
    if not agreeing:
        return None
    best = min(agreeing, key=lambda n: n.distance)
    assert best.person is not None  # noqa: S101 - those without are left out above
    return Identity(
        role=best.person.role,
        name=best.person.name,
        distance=best.distance,
        margin=_finite(best.margin),
        looks=len(looks),
        agreeing=len(agreeing),
    )


def _parts(track: Track, looks: Sequence[Look], bench: _Bench, *, near: frozenset[int], least: int) -> list[_Part]:
    officers = [p for p in bench.people if p.role == "officer"]
    parts: list[_Part] = []
    for person in officers:
        said = [_says(look, person, bench) for look in looks]
        for run in _runs(looks, said, track, near):
            identity = _identity([looks[i] for i in run], [said[i] for i in run], person, bench, least=least)
            if identity:
                parts.append(_stretched(track, looks, run, near, identity))
    return sorted(parts, key=lambda part: part.first)


def _says(look: Look, person: Known, bench: _Bench) -> Says:
    """What one look says of one person. A poor one says nothing for, and nothing against but what is plain."""
    vector, time_s = look.encoding.vector, look.sighting.time_s
    smeared = is_smeared(look.encoding)
    if bench.is_person(vector, person, bench.takes_at(person, time_s, time_s), smeared=smeared):
        return "yes" if is_good(look.encoding) else "maybe"
    closest = nearest(vector, bench.people, smeared=smeared)
    is_other = closest.person is not person and closest.distance <= bench.spec.distance
    is_far = is_good(look.encoding) and distances(vector, [person], smeared=smeared)[0] > bench.spec.other
    return "no" if is_other or is_far else "maybe"


def _runs(looks: Sequence[Look], said: Sequence[Says], track: Track, near: frozenset[int]) -> list[list[int]]:
    """Looks (positions) from one that agrees to another, with none against it and no long gap between."""
    agreeing = [i for i, says in enumerate(said) if says == "yes"]
    runs: list[list[int]] = []
    for before, after in pairwise([None, *agreeing]):
        assert after is not None  # noqa: S101 - only the first is None
        if before is not None and _goes_on(looks, said, track, near, before, after):
            runs[-1] += range(before + 1, after + 1)
        else:
            runs.append([after])
    return runs


def _goes_on(
    looks: Sequence[Look], said: Sequence[Says], track: Track, near: frozenset[int], before: int, after: int
) -> bool:
    a, b = looks[before].sighting, looks[after].sighting
    is_near = any(s.frame_index in near for s in track.sightings if a.time_s <= s.time_s <= b.time_s)
    longest_s = NEAR_GAP_S if is_near else GAP_S
    return b.time_s - a.time_s <= longest_s and "no" not in said[before:after]


def _identity(
    looks: Sequence[Look],
    said: Sequence[Says],
    person: Known,
    bench: _Bench,
    *,
    least: int,
) -> Identity | None:
    """The person, if enough looks agree and the mean of most, which is surer than any of them, does too."""
    good = [look.encoding for look in looks if is_good(look.encoding)]
    agreeing = said.count("yes")
    if agreeing < least or agreeing < LEAST_SHARE * len(good):
        return None
    smeared = 2 * sum(is_smeared(encoding) for encoding in good) > len(good)
    middle = mean([encoding.vector for encoding in good if is_smeared(encoding) == smeared])
    takes = bench.takes_at(person, looks[0].sighting.time_s, looks[-1].sighting.time_s)
    if not bench.is_person(middle, person, takes, smeared=smeared):
        return None
    closest = nearest(middle, bench.people, smeared=smeared)
    return Identity(
        role=person.role,
        name=person.name,
        distance=closest.distance,
        margin=_finite(closest.margin),
        take=_apart(middle, takes, smeared) if closest.distance > bench.most(smeared) else None,
        smeared=smeared,
        looks=len(good),
        agreeing=agreeing,
    )


def _finite(margin: float) -> float | None:
    """None where nobody else is enrolled: a report cannot hold what is infinite."""
    return None if np.isinf(margin) else margin


def mean(vectors: Sequence[Vector]) -> Vector:
    """In direction; as long as they are on average, for averaging shortens and would seem to change the distance."""
    middle = np.mean(vectors, axis=0)
    length = float(np.linalg.norm(middle))
    usual = float(np.mean([np.linalg.norm(v) for v in vectors]))
    return np.asarray(middle * (usual / length) if length else middle, np.float32)


def _stretched(
    track: Track, looks: Sequence[Look], run: Sequence[int], near: frozenset[int], identity: Identity
) -> _Part:
    """A little beyond the looks that agree, but never past another look, nor to where another face is near."""
    times = {s.frame_index: i for i, s in enumerate(track.sightings)}
    first, last = times[looks[run[0]].sighting.frame_index], times[looks[run[-1]].sighting.frame_index]
    others = {look.sighting.frame_index for look in looks}
    is_barred = [s.frame_index in near or s.frame_index in others for s in track.sightings]
    start_s, end_s = track.sightings[first].time_s - TAIL_S, track.sightings[last].time_s + TAIL_S
    while first > 0 and not is_barred[first - 1] and track.sightings[first - 1].time_s >= start_s:
        first -= 1
    while last + 1 < len(track.sightings) and not is_barred[last + 1] and track.sightings[last + 1].time_s <= end_s:
        last += 1
    return _Part(first=first, last=last, identity=identity)


def _cut(track: Track, parts: Sequence[_Part]) -> list[Track]:
    """The parts as tracks, and what lies between them as nobody's, which reaches to the sightings at its rims."""
    made: list[Track] = []
    end = len(track.sightings) - 1
    unknown = Identity(unsure="changed")
    rim = 0
    for part in parts:
        if part.first > rim:
            made.append(_section(track, rim, part.first, unknown))
        made.append(_section(track, part.first, part.last, part.identity))
        rim = part.last
    if rim < end:
        made.append(_section(track, rim, end, unknown))
    return made


def _section(track: Track, first: int, last: int, identity: Identity) -> Track:
    sightings = track.sightings[first : last + 1]
    return replace(
        track,
        sightings=sightings,
        start_s=track.start_s if first == 0 else sightings[0].time_s,
        end_s=track.end_s if last == len(track.sightings) - 1 else sightings[-1].time_s,
        identity=identity,
    )


def _nobody(looks: Sequence[Look], people: Sequence[Known], spec: EmbeddingSpec) -> Identity:
    good = [look for look in looks if is_good(look.encoding)]
    if not good:
        return Identity(unsure="too-poor")
    closest = min((closest_to(look.encoding, people) for look in good), key=lambda n: n.distance)
    unsure: Unsure = "in-between"
    if closest.distance > spec.other:
        unsure = "nobody-near"
    elif closest.distance <= spec.distance and closest.margin < spec.margin:
        unsure = "two-alike"
    return Identity(looks=len(good), unsure=unsure)
