"""What motion does to a face: it is seen along any direction, and not where a face is at rest, small or compressed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import PORTRAIT

from media_screen.config import load_detectors
from media_screen.identify.quality import LEAST_EVEN, face_of
from media_screen.identify.smear import evenness, smeared
from media_screen.recognise import faces_in
from media_screen.types import Box, Portrait


@pytest.fixture(scope="module")
def portrait():
    (found,) = faces_in(PORTRAIT, load_detectors({"face"}, threads=1)[0])
    return found


def filtered(portrait, kernel):
    return replace(portrait, pixels=cv2.filter2D(portrait.pixels, -1, (kernel / kernel.sum()).astype(np.float32)))


def side(portrait):
    return max(3, round(portrait.box.height_px / 12))


@pytest.mark.parametrize("direction", ["sideways", "upright", "falling", "rising"])
def test_motion_is_seen_along_every_direction(portrait, direction):
    n = side(portrait)
    kernels = {"sideways": np.ones((1, n)), "upright": np.ones((n, 1)), "falling": np.eye(n), "rising": np.eye(n)[::-1]}
    assert evenness(portrait) > 0.6
    assert evenness(filtered(portrait, kernels[direction])) < LEAST_EVEN


def test_a_face_at_rest_is_not_taken_for_one_that_moves(portrait):
    share = 60 / portrait.box.height_px
    small = cv2.resize(portrait.pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    coded = cv2.imdecode(cv2.imencode(".jpg", portrait.pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    soft = cv2.GaussianBlur(portrait.pixels, (0, 0), 0.02 * portrait.box.height_px)
    at_rest = [replace(portrait, pixels=small, box=portrait.box.scaled(share, share))]
    at_rest += [replace(portrait, pixels=pixels) for pixels in (coded, soft)]
    assert min(evenness(each) for each in at_rest) > LEAST_EVEN


def test_what_is_smeared_on_purpose_is_taken_for_smeared(portrait):
    moved = smeared(portrait)
    assert evenness(moved) < LEAST_EVEN
    assert moved.box.height_px <= 120.5
    assert face_of(moved).shape == (112, 112)


def test_without_a_face_nothing_is_even():
    assert evenness(Portrait(pixels=np.zeros((9, 9, 3), np.uint8), box=Box(x1=20, y1=0, x2=30, y2=9), size_px=9)) == 0
