"""Photos of people -> how often a stranger would be kept, and an officer kept, with intervals and slices.

    python scripts/evaluate_identity.py stills --split dev    # to choose distances
    python scripts/evaluate_identity.py stills --split test   # to report them
    python scripts/evaluate_identity.py takes --split dev     # to choose `take`; with --split test, to report it
    python scripts/evaluate_identity.py smeared --split test  # also with --by 0.04, and with --upright
    python scripts/evaluate_identity.py clips --split test    # also with --kind meeting --films 12

The people are split by name, strangers by picture: nobody of the one split is in the other. Of a split's people half
are enrolled, from their first photos, in turns drawn by a seed; all others are strangers, and so is everybody in the
other picture sets. Faces are found, encoded and voted on by the program itself. `takes` asks how near strangers come to
an officer as another picture shows him, `smeared` what motion blur does to both. `clips` composes films of officers and
strangers who zoom, cross, blur and are compressed, and asks `examine` and `recognise` who stays visible in which frame.
"""

from __future__ import annotations

import argparse
import math
import pickle
import tempfile
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from media_screen.config import load_detectors, load_embedder
from media_screen.examine import examine
from media_screen.identify.enrolment import likeness
from media_screen.identify.gallery import Gallery, Person
from media_screen.identify.quality import faults, is_good, is_smeared
from media_screen.identify.smear import FACE_PX, SMEAR
from media_screen.identify.votes import Look, closest_to, named
from media_screen.probe import probe
from media_screen.recognise import Identifier, faces_in, recognise
from media_screen.types import Box, Detection, Sighting, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from media_screen.identify import Encoding
    from media_screen.types import Evidence, Portrait

DATA = Path(__file__).parents[2] / "shared" / "data" / "faces"
OTHER_SETS = ("widerface", "masks853", "india_police", "india_street_mavi", "dlib_faces")
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
LEAST_PHOTOS = 8  # of a person who may be enrolled
ENROLLED_PHOTOS = 5
TURNS = 20
GROUPS = {
    "South Asian": {"dhoni", "dravid", "kohli", "tendulkar", "mindy_kaling"},
    "African": {"osimhen"},
}
SIZES = ((0, 40), (40, 80), (80, 160), (160, 10_000))
TURNED = ((0, 0.2), (0.2, 0.4), (0.4, 10))


@dataclass(frozen=True, kw_only=True)
class Face:
    """One face of a photo, encoded."""

    who: str  # a person's name; of a stranger, the picture and the number of the face in it
    source: str
    picture: str
    encoding: Any
    alone: bool  # nobody else is in the picture
    smeared: Any = None  # vector of the same as if it had moved, where it may be enrolled


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where somebody stands in one frame of a composed film."""

    face: Box
    cut: Box  # all of the photo that was pasted: it covers whoever is behind


def split_of(name: str) -> str:
    """The same for ever: by the name, not by the order of files."""
    return "dev" if zlib.crc32(name.encode()) % 2 else "test"


def photos(data: Path) -> Iterator[tuple[str, str, Path]]:
    """(person or nothing, source, path)."""
    for folder in sorted(p for p in (data / "identities").iterdir() if p.is_dir()):
        if folder.name != "_groups":  # enrolled people may be in them, unnamed
            who = "" if folder.name.startswith("_") else folder.name
            yield from ((who, "identities" if who else folder.name, p) for p in sorted(folder.iterdir()))
    for source in OTHER_SETS:
        paths = sorted(p for p in (data / source).rglob("*") if p.suffix.lower() in PICTURES)
        yield from (("", source, p) for p in paths)


def encoded(data: Path, embedding: str, split: str, cache: Path | None) -> list[Face]:
    """Every face of a split; read from the cache where it has it."""
    if cache and cache.is_file():
        read: list[Face] = pickle.loads(cache.read_bytes())  # noqa: S301 - our own file of a moment ago
        return read
    detector, embedder = load_detectors({"face"}, threads=1)[0], load_embedder(embedding, threads=1)
    people = {who for who, _, _ in photos(data) if who}
    ours = dict(zip(sorted(people), ("dev", "test") * len(people), strict=False))
    faces: list[Face] = []
    for who, source, path in photos(data):
        if (ours[who] if who else split_of(f"{source}/{path.name}")) != split:
            continue
        found = faces_in(path, detector)
        for number, encoding in enumerate(embedder.encode(found)):
            name = who if who and len(found) == 1 else f"{path.name}#{number}"
            if not (who and len(found) > 1):  # which of them is the person is not told
                picture = str(path.relative_to(data))
                moved = None
                if who and not faults(encoding):
                    moved = likeness(found[0], encoding.vector, embedder).smeared
                alone = len(found) == 1
                face = Face(who=name, source=source, picture=picture, encoding=encoding, alone=alone, smeared=moved)
                faces.append(face)
    if cache:
        cache.write_bytes(pickle.dumps(faces))
    return faces


def gallery_of(chosen: Sequence[str], faces: Sequence[Face], spec: Any) -> tuple[Gallery, set[int]]:
    """Those people, from their first good photos; and which faces that took."""
    known = Gallery(embedding=spec.name, embedding_sha256=spec.sha256)
    taken: set[int] = set()
    for name in chosen:
        good = [f for f in faces if f.who == name and not faults(f.encoding)][:ENROLLED_PHOTOS]
        taken |= {id(f) for f in good}
        vectors = numbers([f.encoding.vector for f in good])
        moved = numbers([f.smeared for f in good if f.smeared is not None])
        person = Person(name=name, role="officer", reason="test", added=date.min, expires=date.max, vectors=vectors)
        known = known.with_person(replace(person, smeared=moved))
    return known, taken


def numbers(vectors: Sequence[Any]) -> tuple[tuple[float, ...], ...]:
    """As a gallery keeps them."""
    return tuple(tuple(float(number) for number in vector) for vector in vectors)


def people_of(faces: Sequence[Face]) -> list[str]:
    """Who has photos enough to be enrolled and to be tried."""
    counts: dict[str, int] = defaultdict(int)
    for face in faces:
        counts[face.who] += 1
    names = {f.who for f in faces if f.source == "identities" and counts[f.who] >= LEAST_PHOTOS}
    return sorted(n for n in names if sum(not faults(f.encoding) for f in faces if f.who == n) >= ENROLLED_PHOTOS)


def kept_as(encoding: Encoding, known: Gallery, spec: Any) -> str:
    """The name as which one still face stays visible; empty where it is blurred."""
    box = Box(x1=0, y1=0, x2=encoding.size_px, y2=encoding.size_px)
    sighting = Sighting(
        frame_index=0, time_s=Fraction(0), detection=Detection(label="face", score=0.9, box=box, detector="faces")
    )
    track = Track(track_id=0, label="face", sightings=(sighting,), start_s=Fraction(0), end_s=Fraction(0))
    people = [person.known() for person in known.people]
    (part,) = named(track, [Look(sighting=sighting, encoding=encoding)], people, spec, single=True)
    return part.identity.name if part.identity and part.identity.role == "officer" else ""


def stills(arguments: argparse.Namespace) -> None:
    """Print the figures of single photos."""
    spec = replace(load_embedder(arguments.embedding, threads=1).spec, **distances(arguments))
    faces = encoded(arguments.data, arguments.embedding, arguments.split, arguments.cache)
    people, random = people_of(faces), np.random.default_rng(7)
    officers: list[tuple[Face, bool, bool]] = []  # face, kept, kept under another's name
    strangers: list[tuple[Face, bool]] = []
    for _ in range(arguments.turns):
        chosen = sorted(random.choice(people, size=max(2, len(people) // 2), replace=False))
        known, taken = gallery_of(chosen, faces, spec)
        for face in faces:
            if id(face) in taken or (face.source == "identities" and not face.alone):
                continue
            name = kept_as(face.encoding, known, spec)
            if face.who in chosen:
                officers.append((face, name == face.who, bool(name) and name != face.who))
            else:
                strangers.append((face, bool(name)))
    print(
        f"{spec.name}: distance {spec.distance}, margin {spec.margin}; split {arguments.split}; {len(people)} people,"
    )
    print(f"half of them enrolled from {ENROLLED_PHOTOS} photos, {arguments.turns} turns")
    tell_strangers("strangers", strangers)
    good = [s for s in strangers if is_good(s[0].encoding)]  # the others are never kept, and would flatter
    tell_strangers("those good enough to compare", good)
    for source in ("identities", "_strangers", "_officers_single", *OTHER_SETS):
        tell_strangers(f"  of {source}", [s for s in good if s[0].source == source])
    tell_strangers("  smeared, so compared with smeared photos", [s for s in good if is_smeared(s[0].encoding)])
    tell("officers' faces kept", [k for _, k, _ in officers])
    tell("  of those smeared", [k for f, k, _ in officers if is_smeared(f.encoding)])
    tell("  under another officer's name", [w for _, _, w in officers])
    tell("  of those good enough to compare", [k for f, k, _ in officers if is_good(f.encoding)])
    for low, high in SIZES:
        tell(f"  {low} to {high} px", [k for f, k, _ in officers if low <= f.encoding.size_px < high])
    for least, most in TURNED:
        tell(f"  turned {least} to {most}", [k for f, k, _ in officers if least <= f.encoding.turn < most])
    for group, names in GROUPS.items():
        tell(f"  {group}", [k for f, k, _ in officers if f.who in names])
    tell("  others", [k for f, k, _ in officers if not any(f.who in names for names in GROUPS.values())])


def distances(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that are to be tried instead of the shipped ones."""
    tried = {"distance": arguments.distance, "margin": arguments.margin, "smeared": arguments.smeared}
    return {name: value for name, value in tried.items() if value is not None}


def takes(arguments: argparse.Namespace) -> None:
    """Print how near strangers, against whom no enrolment speaks, come to a recognised face of an officer."""
    spec = replace(load_embedder(arguments.embedding, threads=1).spec, **distances(arguments))
    faces = encoded(arguments.data, arguments.embedding, arguments.split, arguments.cache)
    people, random = people_of(faces), np.random.default_rng(7)
    compared, near = 0, []
    strangers: dict[int, bool] = {}  # face -> ever nearer than `take`
    for _ in range(arguments.turns):
        chosen = sorted(random.choice(people, size=max(2, len(people) // 2), replace=False))
        known, taken = gallery_of(chosen, faces, spec)
        enrolled = [person.known() for person in known.people]
        others = [f for f in faces if f.who not in chosen and is_good(f.encoding)]
        others = [f for f in others if (f.alone or f.source != "identities") and not is_smeared(f.encoding)]
        closest = [closest_to(f.encoding, enrolled) for f in others]
        for person in enrolled:
            mine = [f for f in faces if f.who == person.name and id(f) not in taken]
            mine = [f for f in mine if not is_smeared(f.encoding)]
            shown = [f.encoding.vector for f in mine if kept_as(f.encoding, known, spec) == person.name]
            compared += len(shown) * len(others)
            for face, told in zip(others, closest, strict=True):
                strangers.setdefault(id(face), False)
                if told.person is person and told.distance <= spec.other and told.margin >= spec.margin:
                    near += [float(np.linalg.norm(face.encoding.vector - vector)) for vector in shown]
                    strangers[id(face)] |= min(near[-len(shown) :], default=9.0) <= spec.take
    hits = sum(distance <= spec.take for distance in near)
    print(f"{spec.name}: take {spec.take}, other {spec.other}, margin {spec.margin}; split {arguments.split}")
    print(f"strangers near enough to the enrolment to be asked: {len(near)} of {compared} comparisons with takes")
    tell("nearer to the take than that", [n < hits for n in range(compared)])
    tell("  of different faces, ever", list(strangers.values()))
    print(f"the nearest: {', '.join(f'{distance:.2f}' for distance in sorted(near)[:5])}")


def smeared(arguments: argparse.Namespace) -> None:
    """Print who is kept where every face moves while it is taken: only pictures of one good face."""
    embedder = load_embedder(arguments.embedding, threads=1)
    spec = replace(embedder.spec, **distances(arguments))
    faces = encoded(arguments.data, arguments.embedding, arguments.split, arguments.cache)
    people, random = people_of(faces), np.random.default_rng(7)
    moved = _moved([f for f in faces if f.alone and is_good(f.encoding)], arguments, embedder)
    officers: list[bool] = []
    strangers: list[tuple[Face, bool]] = []
    for _ in range(arguments.turns):
        chosen = sorted(random.choice(people, size=max(2, len(people) // 2), replace=False))
        known, taken = gallery_of(chosen, faces, spec)
        for face in (f for f in faces if f.picture in moved and id(f) not in taken):
            name = kept_as(moved[face.picture], known, spec)
            if face.who in chosen:
                officers.append(name == face.who)
            else:
                strangers.append((face, bool(name)))
    way = "upright" if arguments.upright else "sideways"
    print(f"{spec.name}: distance {spec.distance}, if smeared {spec.smeared}; split {arguments.split}")
    print(f"every face smeared {way} by {arguments.by:.3f} of its height")
    tell("taken for smeared", [is_smeared(encoding) for encoding in moved.values()])
    tell_strangers("strangers", strangers)
    tell("officers' faces kept", officers)


def _moved(faces: Sequence[Face], arguments: argparse.Namespace, embedder: Any) -> dict[str, Encoding]:
    """Picture -> its face, 120 px high as in a film and smeared, encoded."""
    cache = arguments.cache and arguments.cache.with_suffix(f".{arguments.by:.3f}{'u' if arguments.upright else 's'}")
    if cache and cache.is_file():
        made: dict[str, Encoding] = pickle.loads(cache.read_bytes())  # noqa: S301 - our own file of a moment ago
        return made
    detector = load_detectors({"face"}, threads=1)[0]
    made = {}
    for face in faces:
        cut = portrait(arguments.data, face, detector)
        share = min(1.0, FACE_PX / cut.box.height_px)
        small = cv2.resize(cut.pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        wide = max(3, round(cut.box.height_px * share * arguments.by))
        kernel = np.full((wide, 1) if arguments.upright else (1, wide), 1 / wide, np.float32)
        pixels = np.asarray(cv2.filter2D(small, -1, kernel), np.uint8)
        (made[face.picture],) = embedder.encode([replace(cut, pixels=pixels, box=cut.box.scaled(share, share))])
    if cache:
        cache.write_bytes(pickle.dumps(made))
    return made


def tell(what: str, outcomes: Sequence[bool]) -> None:
    """A share with its interval."""
    if outcomes:
        hits = sum(outcomes)
        low, high = interval(hits, len(outcomes))
        print(f"{what}: {hits} of {len(outcomes)} = {hits / len(outcomes):.1%} [{low:.1%}, {high:.1%}]")


def tell_strangers(what: str, outcomes: Sequence[tuple[Face, bool]]) -> None:
    """Comparisons, and the faces behind them: one face in many turns is still one face."""
    if not outcomes:
        return
    kept = sum(k for _, k in outcomes)
    faces = {id(f) for f, _ in outcomes}
    bad = {id(f) for f, k in outcomes if k}
    _, most = interval(kept, len(outcomes))
    _, most_faces = interval(len(bad), len(faces))
    print(
        f"{what}: kept {kept} of {len(outcomes)} = {kept / len(outcomes):.3%} (at most {most:.3%});"
        f" ever {len(bad)} of {len(faces)} faces (at most {most_faces:.2%})"
    )


def interval(hits: int, count: int, doubt: float = 0.05) -> tuple[float, float]:
    """Clopper and Pearson, two-sided; where there are no hits, or nothing else, the whole doubt is on one side."""

    def tail(share: float, upper: bool) -> float:
        terms = range(hits + 1) if upper else range(hits, count + 1)
        return sum(
            math.exp(
                math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
                + k * math.log(share) + (count - k) * math.log1p(-share)
            )
            for k in terms
        )  # fmt: skip

    side = doubt if hits in (0, count) else doubt / 2

    def bound(upper: bool) -> float:
        low, high = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if (tail(middle, upper) > side) == upper else (low, middle)
        return (low + high) / 2

    return (0.0 if hits == 0 else bound(False)), (1.0 if hits == count else bound(True))


# --- films ---

SIZE, FRAMES, RATE = (640, 360), 75, 25
HIDDEN = 0.3  # of a face: more behind another's photo, and it is not there to be kept
KINDS = ("still", "zoom", "blur", "compressed", "crossing", "crossing, blurred and compressed")
MEETING = "meeting"  # they come together in the middle, and each turns back: a tracker may take one for the other
PATHS = {"crossing": ((60, 400), (400, 60)), MEETING: ((60, 200), (400, 260)), "": ((60, 90), (390, 360))}


def clips(arguments: argparse.Namespace) -> None:
    """Print the figures of composed films."""
    detector, embedder = load_detectors({"face"}, threads=1)[0], load_embedder(arguments.embedding, threads=1)
    faces = encoded(arguments.data, arguments.embedding, arguments.split, arguments.cache)
    people, random = people_of(faces), np.random.default_rng(arguments.seed)
    usable = [f for f in faces if f.alone and f.encoding.size_px >= 90 and is_good(f.encoding)]
    outcomes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for number in range(arguments.films):
        kind = arguments.kind or KINDS[number % len(KINDS)]
        chosen = sorted(random.choice(people, size=max(2, len(people) // 2), replace=False))
        known, taken = gallery_of(chosen, faces, embedder.spec)
        mine = [f for f in usable if f.who in chosen and id(f) not in taken]
        others = [f for f in usable if f.who not in chosen]
        officer, stranger = mine[random.integers(len(mine))], others[random.integers(len(others))]
        cuts = [portrait(arguments.data, f, detector) for f in (officer, stranger)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            places = compose(path, cuts, kind)
            known_as = Identifier(gallery=known, embedder=embedder)
            kept, wrong = judged(path, places, detector, known_as, officer.who)
        outcomes[kind].append((kept, wrong))
        print(
            f"{number} {kind}: {officer.picture} kept {kept:.0%}; {stranger.picture} kept in {wrong} frames", flush=True
        )
    for kind, judgements in [*outcomes.items(), ("all", [o for each in outcomes.values() for o in each])]:
        tell(f"{kind}: officers' tracks kept (most of their frames)", [k >= 0.5 for k, _ in judgements])
        print(f"  their time visible: {np.mean([k for k, _ in judgements]):.0%}")
        tell("  strangers visible in any frame", [w > 0 for _, w in judgements])


def portrait(data: Path, face: Face, detector: Any) -> Portrait:
    """The only face of a photo, with what surrounds it."""
    return faces_in(data / face.picture, detector)[0]


def compose(path: Path, cuts: Sequence[Portrait], kind: str) -> list[list[Place]]:
    """A film of an officer and a stranger; returns where they stand in each frame, the later in front."""
    rng = np.random.default_rng(3)
    wall = cv2.resize(rng.integers(60, 200, (12, 20, 3), np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    quality = "36" if "compressed" in kind else "23"
    places: list[list[Place]] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": quality, "x264-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for n in range(FRAMES):
            share = n / (FRAMES - 1)
            way = 1 - abs(2 * share - 1) if kind == MEETING else share
            frame, standing = wall.copy(), []
            for who, cut in enumerate(cuts):
                start, end = next(path for word, path in PATHS.items() if word in kind)[who]
                height = (0.35 + 0.35 * share if kind == "zoom" else 0.5) * SIZE[1]
                standing.append(paste(frame, cut, start + (end - start) * way, height))
            if "blur" in kind:
                frame = cv2.filter2D(frame, -1, np.full((1, 9), 1 / 9, np.float32))
            places.append(standing)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return places


def paste(frame: Any, cut: Portrait, left: float, height: float) -> Place:
    """The cut-out, its face so many pixels high; returns where it stands."""
    scale = height / 1.6 / cut.box.height_px
    small = cv2.resize(cut.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = round(left), 60
    rows, columns = min(small.shape[0], frame.shape[0] - y), min(small.shape[1], frame.shape[1] - x)
    frame[y : y + rows, x : x + columns] = small[:rows, :columns]
    box = cut.box.scaled(scale, scale)
    face = Box(x1=box.x1 + x, y1=box.y1 + y, x2=box.x2 + x, y2=box.y2 + y)
    return Place(face=face, cut=Box(x1=x, y1=y, x2=x + columns, y2=y + rows))


def judged(
    path: Path, places: Sequence[Sequence[Place]], detector: Any, known: Identifier, name: str
) -> tuple[float, int]:
    """(share of the frames that show the officer's face in which it is kept, frames in which the stranger's is)."""
    evidence = examine(probe(path), [detector], threads=1).evidence
    sure = {f.track_id for f in evidence.findings if f.track_id is not None}
    return told(recognise(evidence, known, sure, threads=1), places, name)


def told(evidence: Evidence, places: Sequence[Sequence[Place]], name: str) -> tuple[float, int]:
    """The same of tracks that were named."""
    tracks = evidence.tracks
    painted = [t for t in tracks if not (t.identity and t.identity.role == "officer")]
    kept = [t for t in tracks if t.identity and t.identity.role == "officer" and t.identity.name == name]
    kept_any = [t for t in tracks if t.identity and t.identity.role == "officer"]
    mine, free, wrong = 0, 0, 0
    for index, (officer, stranger) in enumerate(places):
        time_s = Fraction(evidence.coverage.times_us[index], 1_000_000)
        if officer.face.overlap_px(stranger.cut) <= HIDDEN * officer.face.area_px:
            free += 1
            mine += shows(kept, time_s, officer.face) and not shows(painted, time_s, officer.face)
        wrong += shows(kept_any, time_s, stranger.face) and not shows(painted, time_s, stranger.face)
    return mine / max(free, 1), wrong


def shows(tracks: Iterable[Track], time_s: Fraction, face: Box) -> bool:
    """True if one of the tracks stands on the face at that time."""
    return any(box is not None and box.iou(face) > 0.3 for box in (t.box_at(time_s) for t in tracks))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["stills", "takes", "smeared", "clips"])
    parser.add_argument("--split", choices=["dev", "test"], default="test")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--embedding", default="face_recognition")
    parser.add_argument("--cache", type=Path, help="keep the encodings in this file, and take them from it")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--films", type=int, default=72)
    parser.add_argument("--seed", type=int, default=11, help="of the films")
    parser.add_argument("--kind", choices=[*KINDS, MEETING], help="of film; all but the last in turn if not given")
    parser.add_argument("--distance", type=float)
    parser.add_argument("--margin", type=float)
    parser.add_argument("--smeared", type=float, help="distance of a smeared look")
    parser.add_argument("--by", type=float, default=SMEAR, help="share of a face's height by which it is smeared")
    parser.add_argument("--upright", action="store_true", help="smear up and down, not sideways")
    arguments = parser.parse_args()
    {"stills": stills, "takes": takes, "smeared": smeared, "clips": clips}[arguments.what](arguments)


if __name__ == "__main__":
    main()
