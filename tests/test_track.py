"""Tracks: both directions of time, never across a cut, nothing lost between two looks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_screen.track import JUST_BEFORE_S, LEAD_S, MAX_GAP_S, Seen, link, same_objects
from media_screen.types import Box, Detection

RATE = 25
END_S = Fraction(10)


def at(frame: int) -> Fraction:
    return Fraction(frame, RATE)


def box(x: float, y: float = 40, size: float = 50) -> Box:
    return Box(x1=x, y1=y, x2=x + size, y2=y + size * 1.3)


def face(x: float, score: float = 0.9, *, y: float = 40, size: float = 50, label: str = "face") -> Detection:
    return Detection(label=label, score=score, box=box(x, y, size), detector="d")


def looks(rows: dict[int, list[Detection]]) -> list[Seen]:
    return [Seen(frame_index=f, time_s=at(f), detections=tuple(ds)) for f, ds in sorted(rows.items())]


def tracks(rows, *, cuts=(), score=0.5, end_s=END_S):
    return link(looks(rows), cuts_s=[at(c) for c in cuts], end_s=end_s, score=score)


def test_a_moving_face_is_one_track_with_a_box_in_every_frame_between_looks():
    (track,) = tracks({f: [face(10 + 4 * f)] for f in range(0, 50, 5)})
    for frame in range(46):
        assert track.box_at(at(frame)).x1 == pytest.approx(10 + 4 * frame)


def test_a_track_is_held_before_its_first_and_after_its_last_sighting():
    (track,) = tracks({20: [], 25: [face(100)], 30: [face(100)], 35: []})
    assert track.box_at(at(25) - LEAD_S) == track.box_at(at(25))
    assert track.box_at(at(30) + LEAD_S) == track.box_at(at(30))
    assert track.box_at(at(25) - LEAD_S - Fraction(1, 100)) is None
    assert track.box_at(at(30) + LEAD_S + Fraction(1, 100)) is None


def test_no_track_crosses_a_cut_and_none_is_held_over_one():
    first, second = tracks({0: [face(100)], 5: [face(100)], 10: [face(100)], 15: [face(100)]}, cuts=[10])
    assert first.end_s == at(10) - JUST_BEFORE_S
    assert second.start_s == at(10) - JUST_BEFORE_S
    assert first.box_at(at(10)) is None
    assert second.box_at(at(9)) is None
    assert second.box_at(at(10)) is not None


def test_a_weak_sighting_counts_if_the_track_is_clear_later():
    (track,) = tracks({0: [face(100, 0.35)], 5: [face(102, 0.4)], 10: [face(104, 0.9)]})
    assert track.sightings[0].time_s == 0


def test_a_weak_sighting_counts_if_the_track_was_clear_before():
    (track,) = tracks({0: [face(100, 0.9)], 5: [face(102, 0.4)], 10: [face(104, 0.35)]})
    assert track.sightings[-1].time_s == at(10)


def test_what_is_never_clear_is_no_track():
    assert tracks({f: [face(100, 0.45)] for f in range(0, 50, 5)}) == []


def test_a_face_in_one_frame_alone_is_covered():
    (track,) = tracks({20: [], 25: [face(100)], 30: []})
    assert track.box_at(at(25)) == box(100)


def test_a_gap_that_is_too_long_is_not_interpolated():
    gap = int(MAX_GAP_S * RATE)
    assert len(tracks({0: [face(100)], gap: [face(100)]})) == 1
    assert len(tracks({0: [face(100)], gap + 1: [face(100)]})) == 2


def test_two_faces_side_by_side_stay_two():
    one, two = tracks({f: [face(10), face(200)] for f in range(0, 50, 5)})
    assert {t.sightings[0].detection.box.x1 for t in (one, two)} == {10, 200}
    assert len(one.sightings) == len(two.sightings) == 10


def test_two_people_who_cross_keep_their_ways():
    rows = {f: [face(10 + 4 * f, y=40), face(210 - 4 * f, y=60)] for f in range(0, 51, 2)}
    one, two = sorted(tracks(rows), key=lambda t: t.sightings[0].detection.box.x1)
    assert [s.detection.box.y1 for s in one.sightings] == [40] * 26
    assert [s.detection.box.y1 for s in two.sightings] == [60] * 26


def test_a_jump_across_the_picture_is_another_face():
    assert len(tracks({0: [face(10)], 5: [face(400)]})) == 2


def test_another_label_is_another_track():
    assert len(tracks({0: [face(10)], 5: [face(10, label="knife")]})) == 2


def test_a_close_up_is_not_the_passer_by_behind_it():
    assert len(tracks({0: [face(100, size=40)], 5: [face(60, size=200, y=0)]})) == 2


def test_ids_go_on_from_the_first():
    made = link(looks({0: [face(10), face(300)]}), cuts_s=[], end_s=END_S, score=0.5, first_id=7)
    assert [t.track_id for t in made] == [7, 8]


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 300), st.integers(10, 120)), max_size=6), st.data())
def test_every_clear_sighting_is_inside_a_track_at_its_own_time(faces, data):
    rows: dict[int, list[Detection]] = {}
    for x, y, size in faces:
        frame = data.draw(st.integers(0, 200))
        rows.setdefault(frame, []).append(face(x, y=y, size=size))
    cuts = data.draw(st.lists(st.integers(1, 200), max_size=3, unique=True).map(sorted))
    made = tracks(rows, cuts=cuts)
    for frame, detections in rows.items():
        for detection in detections:
            assert any(t.box_at(at(frame)) == detection.box for t in made)


def test_nothing_new_between_two_looks_is_the_same_objects():
    before, after = [face(100)], [face(104)]
    assert same_objects(before, after, 0.5)
    assert not same_objects(before, [], 0.5)
    assert not same_objects([], after, 0.5)
    assert not same_objects(before, [face(300)], 0.5)
    assert same_objects(before, [face(104, 0.35)], 0.5)  # still there, only weaker
    assert same_objects([face(300, 0.4)], [], 0.5)  # never clear: nothing came or went
