"""The second look: each fault that an output can have is told, and what is no fault is not."""

from __future__ import annotations

from array import array
from dataclasses import replace
from fractions import Fraction

import pytest

from media_screen import verify
from media_screen.types import Box, Coverage, Detection, Evidence, MediaInfo, Sighting, Track
from tests.builders import media

FACE = Box(x1=100, y1=60, x2=150, y2=120)
HEAD = FACE.grown(0.35, 0.5, 0.35, 0.3)
SCORES = {"face": 0.5}


def evidence(info: MediaInfo | None = None, *tracks: Track, times_us=(0, 40_000, 80_000), audio=1, errors=()):
    coverage = Coverage(
        frames_decoded=len(times_us),
        times_us=array("q", times_us),
        duration_s=Fraction(times_us[-1], 1_000_000),
        audio_tracks=audio,
        decode_errors=errors,
    )
    return Evidence(media=info or media(), tracks=tracks, tags=(), findings=(), coverage=coverage, models=())


def track(*sightings: tuple[int, Box, float], track_id: int = 0) -> Track:
    seen = tuple(
        Sighting(
            frame_index=f,
            time_s=Fraction(f, 25),
            detection=Detection(label="face", score=score, box=box, detector="faces"),
        )
        for f, box, score in sightings
    )
    return Track(track_id=track_id, label="face", sightings=seen, start_s=seen[0].time_s, end_s=seen[-1].time_s)


def test_an_output_like_its_input_has_no_fault():
    assert verify.structure_faults(evidence(), evidence()) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (evidence(times_us=(0, 40_000)), "3 frames became 2"),
        (evidence(times_us=(0, 40_000, 80_000, 120_000)), "3 frames became 4"),
        (evidence(times_us=(0, 40_000, 83_000)), "moved by 3 ms"),
        (evidence(audio=0), "1 audio tracks became 0"),
        (evidence(errors=("frame 2: damaged",)), "does not decode"),
        (evidence(media(width_px=1918)), "1920x1080 became 1918x1080"),
    ],
)
def test_each_fault_of_structure_is_told(after, words):
    assert any(words in fault for fault in verify.structure_faults(evidence(), after))


def test_times_rounded_to_a_millisecond_are_no_fault():
    assert verify.structure_faults(evidence(), evidence(times_us=(0, 41_000, 80_500))) == []


def exposed(tracks, painted):
    return verify.exposed(evidence(None, *tracks), lambda frame: painted.get(frame, []), SCORES)


def test_a_face_under_paint_is_not_exposed():
    assert exposed([track((0, FACE, 0.9), (1, FACE, 0.9))], {0: [HEAD], 1: [HEAD]}) == []


def test_a_face_without_paint_is_exposed_with_its_frame():
    (found,) = exposed([track((0, FACE, 0.9), (1, FACE, 0.9))], {0: [HEAD]})
    assert found.frames == (1,)
    assert [s.frame_index for s in found.track.sightings] == [1]


@pytest.mark.parametrize(("share", "is_exposed"), [(0.9, False), (0.5, True), (0.2, True)])
def test_a_face_half_under_paint_is_exposed(share, is_exposed):
    part = replace(FACE, x2=FACE.x1 + share * FACE.width_px)
    assert bool(exposed([track((0, FACE, 0.9))], {0: [part]})) is is_exposed


def test_two_halves_of_paint_cover_a_face():
    left, right = replace(FACE, x2=125), replace(FACE, x1=125)
    assert exposed([track((0, FACE, 0.9))], {0: [left, right]}) == []


def test_a_weak_sighting_alone_is_no_exposure():
    assert exposed([track((0, FACE, 0.45))], {}) == []


def test_what_the_copy_alone_looks_like_is_told_from_a_face():
    rim = replace(HEAD, x1=HEAD.x2 - 5, x2=HEAD.x2 + 60)
    open_tracks = exposed([track((0, rim, 0.8))], {0: [HEAD]})
    assert open_tracks
    elsewhere = Detection(label="face", score=0.9, box=FACE, detector="faces")
    assert verify.shown_by_source(open_tracks, {0: [elsewhere]}) == []
    assert verify.shown_by_source(open_tracks, {}) == []


def test_a_face_that_the_source_shows_however_weakly_stays_exposed():
    rim = replace(HEAD, x1=HEAD.x2 - 5, x2=HEAD.x2 + 60)
    open_tracks = exposed([track((0, rim, 0.8))], {0: [HEAD]})
    weak = Detection(label="face", score=0.13, box=rim.grown(0.2, 0.1, 0.1, 0.2), detector="faces")
    assert verify.shown_by_source(open_tracks, {0: [weak]}) == open_tracks


def test_the_source_is_asked_about_clear_sightings_first_and_about_others_only_where_it_confirms_one():
    open_tracks = exposed([track((0, FACE, 0.3), (1, FACE, 0.8), (2, FACE, 0.3))], {})
    weak = Detection(label="face", score=0.2, box=FACE, detector="faces")
    assert verify.to_confirm(open_tracks, {}) == {1}
    assert verify.to_confirm(open_tracks, {1: []}) == set()
    assert verify.to_confirm(open_tracks, {1: [weak]}) == {0, 2}
    assert verify.to_confirm(open_tracks, {0: [], 1: [weak], 2: []}) == set()


def test_of_a_track_only_the_frames_that_the_source_confirms_stay():
    open_tracks = exposed([track((0, FACE, 0.8), (1, FACE, 0.8))], {})
    weak = Detection(label="face", score=0.2, box=FACE, detector="faces")
    (left,) = verify.shown_by_source(open_tracks, {1: [weak]})
    assert left.frames == (1,)


@pytest.mark.parametrize(
    ("numbers", "said"), [([3, 4, 5, 9], "3-5, 9"), ([1], "1"), ([2, 1, 1], "1-2"), ([], ""), ([0, 2], "0, 2")]
)
def test_frame_numbers_are_told_in_ranges(numbers, said):
    assert verify.in_ranges(numbers) == said


# --- what the frames show ---


def lit(frames, *, kind="video"):
    """Evidence of a film whose frames' sixteen patches have these mean lumas."""
    times_us = tuple(n * 40_000 for n in range(len(frames)))
    shown = evidence(media(kind=kind), times_us=times_us)
    lights = array("B", [light for frame in frames for light in frame])
    return replace(shown, coverage=replace(shown.coverage, lights=lights))


ROOM = [range(100, 116)] * 4
DARK = [ROOM[0], ROOM[1], [30] * 16, ROOM[3]]
DIM = [ROOM[0], ROOM[1], [*range(100, 115), 116], ROOM[3]]


def test_a_frame_that_shows_something_else_is_told():
    faults = verify.picture_faults(lit(ROOM), lit(DARK), painted_share=lambda _: 0.3)
    assert faults == ["frames 2 of the output show something else"]
    assert verify.picture_faults(lit(ROOM), lit(ROOM), painted_share=lambda _: 0.0) == []


def test_a_frame_that_is_mostly_painted_may_look_different():
    assert verify.picture_faults(lit(ROOM), lit(DARK), painted_share=lambda n: 0.5 * (n == 2)) == []


def test_a_copied_frame_must_be_the_very_same():
    faults = verify.picture_faults(lit(ROOM), lit(DIM), copied=[range(1, 3)], painted_share=lambda _: 0.0)
    assert faults == ["frames 2 of the output were copied and are not the same"]
    assert verify.picture_faults(lit(ROOM), lit(DIM), copied=[range(2)], painted_share=lambda _: 0.0) == []


def test_pictures_that_are_no_film_are_not_compared_so():
    assert verify.picture_faults(lit(ROOM, kind="image"), lit(DARK, kind="image"), painted_share=lambda _: 0) == []
