"""Looks + people -> who a track shows: agreement, margins, changes, and every doubt to the safe side."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from media_screen.identify import EmbeddingSpec, Encoding
from media_screen.identify.looks import closely, few, near_frames
from media_screen.identify.votes import Known, Look, Take, mean, named, nearest, takes_of
from media_screen.types import Box, Detection, Sighting, Track

SPEC = EmbeddingSpec(name="test", runtime="test", distance=0.3, margin=0.1, other=0.6)
A, B, STRANGER = (np.asarray(v, np.float32) for v in ([1, 0, 0], [0, 1, 0], [0, 0, 1]))
OFFICER = Known(name="A", role="officer", vector=A)
OTHER = Known(name="B", role="officer", vector=B)
ACCUSED = Known(name="B", role="accused", vector=B)
BETWEEN = np.asarray([0.55, 0, 0], np.float32)  # neither near enough nor plainly somebody else


def track(count, *, step=Fraction(1, 2), box=(0, 0, 100, 100), number=7):
    x1, y1, x2, y2 = box
    found = Detection(label="face", score=0.9, box=Box(x1=x1, y1=y1, x2=x2, y2=y2), detector="faces")
    sightings = tuple(Sighting(frame_index=i * 10, time_s=i * step, detection=found) for i in range(count))
    end_s = (count - 1) * step + Fraction(3, 10)
    return Track(track_id=number, label="face", sightings=sightings, start_s=Fraction(0), end_s=end_s)


def looks(of, vectors, **worse):
    good = {"size_px": 120.0, "sharpness": 300.0, "turn": 0.0, "evenness": 1.0, **worse}
    return [
        Look(sighting=s, encoding=Encoding(vector=v, **good))
        for s, v in zip(of.sightings, vectors, strict=True)
        if v is not None
    ]


def roles(tracks):
    return [t.identity.role for t in tracks]


def test_a_track_that_agrees_all_along_is_the_officers():
    whole = track(6)
    (part,) = named(whole, looks(whole, [A] * 6), [OFFICER, OTHER], SPEC)
    assert (part.identity.name, part.identity.agreeing, part.identity.looks) == ("A", 6, 6)
    assert replace(part, identity=None) == whole


@pytest.mark.parametrize("vectors", [[A, A, None, None, None, None], [BETWEEN] * 6, [STRANGER] * 6])
def test_too_few_or_too_far_is_nobody(vectors):
    whole = track(6)
    assert roles(named(whole, looks(whole, vectors), [OFFICER], SPEC)) == ["unknown"]


def test_one_look_is_enough_for_a_still_picture_alone():
    whole = track(1)
    assert roles(named(whole, looks(whole, [A]), [OFFICER], SPEC, single=True)) == ["officer"]
    assert roles(named(whole, looks(whole, [A]), [OFFICER], SPEC)) == ["unknown"]


@pytest.mark.parametrize("worse", [{"size_px": 20.0}, {"sharpness": 3.0}, {"turn": 0.9}])
def test_poor_looks_keep_nobody(worse):
    whole = track(6)
    (part,) = named(whole, looks(whole, [A] * 6, **worse), [OFFICER], SPEC)
    assert (part.identity.role, part.identity.unsure) == ("unknown", "too-poor")


def test_a_margin_to_everybody_else_is_required():
    twin = Known(name="A's twin", role="officer", vector=A + np.float32(0.03))
    whole = track(6)
    (part,) = named(whole, looks(whole, [A] * 6), [OFFICER, twin], SPEC)
    assert (part.identity.role, part.identity.unsure) == ("unknown", "two-alike")


def at(y):
    """A's vector, moved so far towards a twin who stands at 0.25."""
    return A + np.asarray([0, y, 0], np.float32)


@pytest.mark.parametrize(
    ("vectors", "role"),
    [
        ([at(-0.2), at(0.12), at(-0.2), at(0.12), at(-0.2)], "officer"),
        ([at(-0.2), at(0.12), at(-0.2), at(0.12), at(0.12)], "unknown"),  # their mean would do; too few looks agree
        ([at(0.07), at(0.125), at(0.07), at(0.125), at(0.07)], "unknown"),  # enough agree; their mean does not
    ],
)
def test_the_margin_is_asked_of_each_look_and_of_their_mean(vectors, role):
    twin, whole = Known(name="A's twin", role="officer", vector=at(0.25)), track(5)
    assert roles(named(whole, looks(whole, vectors), [OFFICER, twin], SPEC)) == [role]


def test_where_the_identity_changes_the_track_is_cut_and_the_rest_overlaps_at_its_rim():
    whole = track(10)
    kept, rest = named(whole, looks(whole, [A] * 5 + [STRANGER] * 5), [OFFICER], SPEC)
    assert roles([kept, rest]) == ["officer", "unknown"]
    assert kept.end_s == rest.start_s == whole.sightings[4].time_s
    assert (kept.start_s, rest.end_s) == (whole.start_s, whole.end_s)
    for moment in range(48):  # every moment is somebody's
        time_s = Fraction(moment, 10)
        assert any(part.box_at(time_s) for part in (kept, rest))


def test_a_stranger_between_two_appearances_of_an_officer_is_covered():
    whole = track(12)
    parts = named(whole, looks(whole, [A] * 4 + [STRANGER] + [A] * 7), [OFFICER], SPEC)
    assert roles(parts) == ["officer", "unknown", "officer"]
    assert parts[1].start_s <= whole.sightings[4].time_s <= parts[1].end_s


def test_two_officers_in_one_track_are_told_apart():
    whole = track(10)
    parts = named(whole, looks(whole, [A] * 5 + [B] * 5), [OFFICER, OTHER], SPEC)
    assert [t.identity.name for t in parts if t.identity.role == "officer"] == ["A", "B"]


def test_fewer_than_half_of_the_good_looks_are_too_few():
    whole = track(7)
    for vectors, role in (
        ([A, BETWEEN, BETWEEN, A, BETWEEN, BETWEEN, A], "unknown"),
        ([A, BETWEEN, A, A, A, BETWEEN, A], "officer"),
    ):
        assert roles(named(whole, looks(whole, vectors), [OFFICER], SPEC)) == [role]


def test_a_long_silence_is_nobody():
    whole = track(20)
    parts = named(whole, looks(whole, [A] * 4 + [None] * 12 + [A] * 4), [OFFICER], SPEC)
    assert roles(parts) == ["officer", "unknown", "officer"]


def test_a_short_doubt_is_bridged_but_not_where_another_face_is_near():
    whole = track(10)
    doubt = [A] * 4 + [BETWEEN] * 2 + [A] * 4
    assert roles(named(whole, looks(whole, doubt), [OFFICER], SPEC)) == ["officer"]
    near = frozenset({whole.sightings[4].frame_index})
    assert roles(named(whole, looks(whole, doubt), [OFFICER], SPEC, near=near)) == ["officer", "unknown", "officer"]


def test_beyond_the_last_look_that_agrees_a_track_is_kept_for_a_second_only():
    whole = track(12)
    kept, rest = named(whole, looks(whole, [A] * 4 + [None] * 8), [OFFICER], SPEC)
    assert kept.end_s == whole.sightings[5].time_s
    assert rest.identity.role == "unknown"


@pytest.mark.parametrize("worse", [{}, {"sharpness": 3.0}])
def test_whoever_must_be_hidden_is_known_by_one_look_however_poor(worse):
    whole = track(6)
    seen = looks(whole, [A] * 5 + [B], **worse)
    assert roles(named(whole, seen, [OFFICER, ACCUSED], SPEC)) == ["accused"]
    protected = Known(name="C", role="protected", vector=B)
    assert roles(named(whole, seen, [OFFICER, ACCUSED, protected], SPEC)) == ["protected"]


def test_nearest_of_nobody_is_infinitely_far():
    assert nearest(A, []).person is None
    assert nearest(A, [OFFICER]).margin == float("inf")


def test_a_mean_is_as_long_as_what_it_is_made_of():
    assert np.linalg.norm(mean([A, B])) == pytest.approx(1.0)


def test_a_stranger_costs_a_few_looks_and_an_officer_one_every_half_second():
    whole = track(60, step=Fraction(1, 6))
    assert len(few(whole)) <= 5
    assert len(closely(whole, frozenset())) == 20
    small = track(60, step=Fraction(1, 6), box=(0, 0, 20, 20))
    assert not few(small)
    assert not closely(small, frozenset())


def test_a_short_track_is_looked_at_often_for_it_has_to_tell_as_well():
    for count, looked in ((3, 3), (7, 7), (13, 12)):
        assert len(closely(track(count, step=Fraction(1, 6)), frozenset())) >= looked


def test_where_another_face_comes_near_each_side_gets_looks_enough_to_vote():
    whole = track(120, step=Fraction(1, 6))
    near = frozenset(s.frame_index for s in whole.sightings[60:63])
    chosen = {s.frame_index // 10 for s in closely(whole, near)}
    assert chosen >= {*range(54, 69)}  # a second before, and a second after
    assert len(chosen) < 60


def test_another_face_within_reach_is_noticed():
    mine, far, beside = track(5), track(5, box=(500, 0, 600, 100)), track(5, box=(120, 0, 220, 100))
    assert not near_frames(mine, [mine, far])
    assert near_frames(mine, [mine, beside]) == {0, 10, 20, 30, 40}


# --- takes: where the same film shows an officer for certain ---

FILM = replace(SPEC, take=0.2)


def lit(z):
    """A's vector as a film's light changes it."""
    return A + np.asarray([0, 0, z], np.float32)


def take(z=0.25, *, start_s=0, end_s=1, track_id=1):
    return Take(name="A", vector=lit(z), track_id=track_id, start_s=Fraction(start_s), end_s=Fraction(end_s))


def later(count):
    """A track of number 7 from the second second on."""
    whole = track(count)
    sightings = tuple(replace(s, time_s=s.time_s + 2) for s in whole.sightings)
    return replace(whole, sightings=sightings, start_s=Fraction(2), end_s=whole.end_s + 2)


def test_a_piece_that_is_like_a_take_is_the_officers_and_says_so():
    whole = later(6)
    seen = looks(whole, [lit(0.4)] * 6)
    assert roles(named(whole, seen, [OFFICER, OTHER], FILM)) == ["unknown"]
    (part,) = named(whole, seen, [OFFICER, OTHER], FILM, takes=[take()])
    assert (part.identity.role, part.identity.name, part.identity.agreeing) == ("officer", "A", 6)
    assert part.identity.take == pytest.approx(0.15)
    (sure,) = named(whole, looks(whole, [A] * 6), [OFFICER, OTHER], FILM, takes=[take()])
    assert sure.identity.take is None  # the enrolment alone tells


@pytest.mark.parametrize(
    ("vectors", "takes"),
    [
        ([lit(0.4)] * 6, [take(-0.25)]),  # not like the take
        ([lit(0.62)] * 6, [take(0.55)]),  # like it, but too far from the enrolment
        ([lit(0.4)] * 6, [replace(take(), name="B")]),  # somebody else's
        ([lit(0.4), lit(0.4), None, None, None, None], [take()]),  # too few
        ([lit(0.4), BETWEEN, BETWEEN, lit(0.4), BETWEEN, BETWEEN, lit(0.4)], [take(0.4)]),  # most are not
    ],
)
def test_a_take_joins_nothing_else(vectors, takes):
    whole = later(len(vectors))
    assert "officer" not in roles(named(whole, looks(whole, vectors), [OFFICER, OTHER], FILM, takes=takes))


def test_nobody_is_in_two_places_at_once():
    whole = later(6)
    seen = looks(whole, [lit(0.4)] * 6)
    for of, role in ((1, "unknown"), (7, "officer")):  # of another track; of this one
        takes = [take(), take(start_s=3, end_s=4, track_id=of)]
        assert roles(named(whole, seen, [OFFICER], FILM, takes=takes)) == [role]


def test_a_margin_is_required_of_what_is_like_a_take_too():
    twin, whole = Known(name="A's twin", role="officer", vector=lit(0.9)), later(6)
    assert roles(named(whole, looks(whole, [lit(0.42)] * 6), [OFFICER, twin], FILM, takes=[take()])) == ["unknown"]


def test_whoever_is_to_be_hidden_stays_so_whatever_take_is_near():
    accused, whole = Known(name="C", role="accused", vector=lit(0.5)), later(6)
    assert roles(named(whole, looks(whole, [lit(0.4)] * 6), [OFFICER, accused], FILM, takes=[take()])) == ["accused"]


def test_a_take_is_a_part_that_the_enrolment_alone_names_an_officers():
    whole = track(10)
    seen = looks(whole, [lit(0.1)] * 5 + [STRANGER] * 5)
    (taken,) = takes_of(named(whole, seen, [OFFICER], FILM), seen, 7, FILM)
    assert (taken.name, taken.track_id, taken.start_s, taken.end_s) == ("A", 7, 0, 2)
    assert np.linalg.norm(taken.vector - lit(0.1)) < 0.01
    assert not takes_of(named(whole, seen, [OFFICER], SPEC), seen, 7, SPEC)  # an embedding that has no such distance
    hidden = looks(whole, [B] * 10)
    assert not takes_of(named(whole, hidden, [ACCUSED], FILM), hidden, 7, FILM)


# --- looks that are smeared by motion ---

MOVED = np.asarray([0.8, 0, 0.6], np.float32)  # A's photos, smeared: far from the sharp ones
RUNNING = replace(FILM, smeared=0.15)
MOVER = replace(OFFICER, smeared=MOVED)


def moving(of, vectors):
    return looks(of, vectors, evenness=0.1)


def aside(by):
    """A's smeared vector, so much farther away."""
    return MOVED + np.asarray([0, by, 0], np.float32)


def test_a_smeared_look_is_compared_with_smeared_photos_and_says_so():
    whole = track(6)
    (part,) = named(whole, moving(whole, [aside(0.1)] * 6), [MOVER, OTHER], RUNNING)
    assert (part.identity.name, part.identity.smeared, part.identity.agreeing) == ("A", True, 6)
    assert part.identity.distance == pytest.approx(0.1)
    assert roles(named(whole, looks(whole, [aside(0.1)] * 6), [MOVER, OTHER], RUNNING)) == ["unknown"]


@pytest.mark.parametrize("officer", [MOVER, OFFICER])
def test_a_smeared_look_is_nobody_however_like_the_sharp_photos(officer):
    for single, count in ((False, 6), (True, 1)):
        whole = track(count)
        assert roles(named(whole, moving(whole, [A] * count), [officer], RUNNING, single=single)) == ["unknown"]
        assert roles(named(whole, looks(whole, [A] * count), [officer], RUNNING, single=single)) == ["officer"]


def test_the_distance_of_a_smeared_look_is_its_own():
    whole = track(6)
    assert roles(named(whole, moving(whole, [aside(0.2)] * 6), [MOVER], RUNNING)) == [
        "unknown"
    ]  # nearer than sharp may
    unmeasured = replace(RUNNING, smeared=0.0)
    assert roles(named(whole, moving(whole, [MOVED] * 6), [MOVER], unmeasured)) == ["unknown"]


def test_whoever_is_enrolled_without_smeared_photos_still_has_to_be_farther():
    whole = track(6)
    for vector, role in ((aside(0.05), "unknown"), (aside(0.9), "officer")):
        without = Known(name="C", role="officer", vector=vector)
        assert roles(named(whole, moving(whole, [MOVED] * 6), [MOVER, without], RUNNING)) == [role]


def test_smeared_looks_among_others_are_no_doubt_and_no_mean_is_made_of_both():
    whole = track(7)
    mixed = looks(whole, [A, A, A, A, None, None, None]) + moving(whole, [None] * 4 + [MOVED] * 3)
    (part,) = named(whole, mixed, [MOVER], RUNNING)
    assert (part.identity.name, part.identity.smeared, part.identity.agreeing) == ("A", False, 7)
    assert part.identity.distance == pytest.approx(0)
    parts = named(
        whole, looks(whole, [A] * 4 + [None] * 3) + moving(whole, [None] * 4 + [STRANGER] * 3), [MOVER], RUNNING
    )
    assert roles(parts) == ["officer", "unknown"]


def test_a_take_is_compared_with_looks_of_its_kind_alone():
    whole = later(6)
    seen = moving(whole, [lit(0.4)] * 6)  # 0.25 and more from the smeared photos
    for smeared, role in ((False, "unknown"), (True, "officer")):
        takes = [replace(take(), smeared=smeared)]
        (part,) = named(whole, seen, [MOVER], RUNNING, takes=takes)
        assert part.identity.role == role
    assert part.identity.take == pytest.approx(0.15)
    first = track(6)
    mixed = looks(first, [A, A, None, None, None, None]) + moving(first, [None] * 2 + [MOVED] * 4)
    (taken,) = takes_of(named(first, mixed, [MOVER], RUNNING), mixed, 7, RUNNING)
    assert taken.smeared
    assert np.linalg.norm(taken.vector - MOVED) < 0.01


@pytest.mark.parametrize("vector", [B, MOVED])
def test_whoever_must_be_hidden_is_known_by_a_smeared_look_either_way(vector):
    whole = track(6)
    accused = replace(ACCUSED, smeared=MOVED)
    assert roles(named(whole, moving(whole, [vector] * 6), [accused], RUNNING)) == ["accused"]
