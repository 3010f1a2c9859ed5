"""A labelled picture + a random generator -> a square crop to learn from: moved, turned, lit, blurred, masked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from evaluate_faces import read_picture

if TYPE_CHECKING:
    import random
    from pathlib import Path

LONGEST_KEPT_PX = 1280  # pictures are kept in memory at most so large
LEAST_SHARE = 0.5  # of the crop's side that the picture takes: black borders teach little
KEPT_SHARE = 0.5  # of a face that the crop must show for it to be one to find
MASK_COLOURS = ((235, 235, 235), (200, 160, 110), (40, 40, 40), (150, 150, 200), (170, 190, 120), (90, 70, 60))


def drawn(sample: Any, recipe: dict[str, Any], rng: random.Random, cache: dict[Path, Any]) -> tuple[Any, Any, Any]:
    """BGR crop, boxes of the faces in it and of what does not count."""
    rule, side = recipe["augment"], recipe["train"]["side_px"]
    picture, scale = _kept(sample.path, cache)
    faces, ignored = sample.faces * scale, sample.ignored * scale
    if rng.random() < rule["mask"]:
        picture = _masked(picture, faces, rng)
    crop, (faces, ignored) = _moved(picture, faces, ignored, rule, side, rng)
    faces, lost = _shown(faces, side, recipe["loss"]["smallest_face_px"])
    ignored = np.concatenate([np.clip(ignored, 0, side), lost])
    if rng.random() < rule.get("defocus", 0):
        crop, faces, ignored = _defocused(crop, faces, ignored, rule, rng)
    crop = _spoilt(crop, rule, rng)
    return crop, faces, ignored[(ignored[:, 2:] > ignored[:, :2]).all(axis=1)]


def _kept(path: Path, cache: dict[Path, Any]) -> tuple[Any, float]:
    if path not in cache:
        bgr = np.ascontiguousarray(read_picture(path)[:, :, ::-1])
        scale = min(1.0, LONGEST_KEPT_PX / max(bgr.shape[:2]))
        if scale < 1:
            bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cache[path] = bgr, scale
    return cache[path]


def _moved(picture: Any, faces: Any, ignored: Any, rule: dict[str, Any], side: int, rng: random.Random) -> Any:
    height, width = picture.shape[:2]
    low, high = rule["scale"]
    if len(faces) and rng.random() < rule["zoom_on_face"]:
        face = faces[rng.randrange(len(faces))]
        smallest, largest = rule["face_px"]
        wanted = math.exp(rng.uniform(math.log(smallest), math.log(largest)))
        scale = min(high, max(low, wanted / max(1.0, face[3] - face[1])))
        aim = (face[:2] + face[2:]) / 2
    else:
        scale = math.exp(rng.uniform(math.log(low), math.log(high))) * side / max(height, width)
        aim = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    scale = max(scale, LEAST_SHARE * side / max(height, width))
    turn = math.radians(rng.uniform(-1, 1) * rule["rotate_degrees"]) if rng.random() < rule["rotate"] else 0.0
    flip = -1 if rng.random() < 0.5 else 1
    stretch = math.exp(rng.uniform(-0.1, 0.1))
    while scale < 0.6:  # halves first, else thin lines break up
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        faces, ignored, aim, scale = faces / 2, ignored / 2, aim / 2, scale * 2
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    matrix = np.array([[cos * flip * stretch, -sin * stretch], [sin * flip, cos]])
    place = np.array([_placed(s * scale, a * scale, side, rng) for s, a in zip(picture.shape[1::-1], aim, strict=True)])
    if flip < 0:
        place[0] = side - place[0]
    offset = place - matrix @ aim
    warp = np.concatenate([matrix, offset[:, None]], axis=1)
    crop = cv2.warpAffine(picture, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return crop, [_turned(boxes, matrix, offset) for boxes in (faces, ignored)]


def _placed(length: float, at: float, side: int, rng: random.Random) -> float:
    """Where the aim falls in the crop, such that the picture covers the crop as far as it can."""
    low, high = sorted((side - (length - at), at))
    return rng.uniform(max(0.0, low), min(float(side), high)) if min(side, high) > max(0, low) else rng.uniform(0, side)


def _turned(boxes: Any, matrix: Any, offset: Any) -> Any:
    """The box around the turned ellipse in a box: heads are rounder than their boxes."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix.T + offset
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (matrix**2).T)
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _shown(faces: Any, side: int, smallest: float) -> tuple[Any, Any]:
    """Faces to find, cut to the crop, and those too small or too much cut off."""
    cut = np.clip(faces, 0, side)
    area = np.prod(cut[:, 2:] - cut[:, :2], axis=1)
    whole = np.prod(faces[:, 2:] - faces[:, :2], axis=1)
    to_find = (area >= KEPT_SHARE * whole) & (cut[:, 3] - cut[:, 1] >= smallest)
    return cut[to_find], cut[~to_find & (area > 0)]


def _masked(picture: Any, faces: Any, rng: random.Random) -> Any:
    """Some faces covered from the nose down."""
    picture = picture.copy()
    for x1, y1, x2, y2 in faces:
        if rng.random() < 0.5 or y2 - y1 < 12:
            continue
        w, h = x2 - x1, y2 - y1
        top = rng.uniform(0.42, 0.6)
        outline = [(0.04, top + 0.06), (0.5, top - 0.06), (0.96, top + 0.06), (0.9, 0.8), (0.5, 1.0), (0.1, 0.8)]
        points = np.array([(x1 + u * w + rng.gauss(0, 0.02) * w, y1 + v * h) for u, v in outline], np.int32)
        base = np.array(rng.choice(MASK_COLOURS), float) * rng.uniform(0.6, 1.1)
        cover = picture.copy()
        cv2.fillPoly(cover, [points], np.clip(base, 0, 255).tolist(), lineType=cv2.LINE_AA)
        shade = cv2.GaussianBlur(picture, (0, 0), max(1.0, w / 6)).mean(axis=2, keepdims=True) / 160
        inside = cv2.fillPoly(np.zeros(picture.shape[:2], np.uint8), [points], 1)[..., None]
        shaded = np.clip(cover * np.clip(shade, 0.4, 1.2), 0, 255).astype(np.uint8)
        picture = np.where(inside > 0, shaded, picture)
    return picture


def _spoilt(crop: Any, rule: dict[str, Any], rng: random.Random) -> Any:
    """Light, colour, blur and compression."""
    x = crop.astype(np.float32)
    noise = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < rule["tone"]:
        x = (x / 255) ** math.exp(rng.gauss(0, 0.25)) * 255 * rng.uniform(0.7, 1.25)
        x = x * np.array([rng.uniform(0.9, 1.1) for _ in range(3)], np.float32) + rng.uniform(-15, 15)
    if rng.random() < rule["grey"]:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < rule["blur"]:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 2.2))
    if rng.random() < rule["motion"]:
        x = cv2.filter2D(x, -1, _streak(rng.randint(3, 11), rng.uniform(0, math.pi)))
    if rng.random() < rule["night"]:
        x = x * rng.uniform(0.15, 0.5) * np.array([rng.uniform(0.75, 1.1) for _ in range(3)], np.float32)
        x = x + noise.normal(0, rng.uniform(2, 9), x.shape)
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < rule["jpeg"]:
        x = cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(20, 90)])[1], cv2.IMREAD_COLOR)
    return x


def _defocused(crop: Any, faces: Any, ignored: Any, rule: dict[str, Any], rng: random.Random) -> tuple[Any, Any, Any]:
    """The crop far out of focus: a face of few blurs' height is none any more, one of some more counts neither way."""
    low, high = rule["defocus_px"]
    spread = math.exp(rng.uniform(math.log(low), math.log(high)))
    heights = (faces[:, 3] - faces[:, 1]) / spread
    gone, clear = rule["defocus_gone"], rule["defocus_clear"]
    doubted = faces[(heights >= gone) & (heights < clear)]
    return cv2.GaussianBlur(crop, (0, 0), spread), faces[heights >= clear], np.concatenate([ignored, doubted])


def _streak(length: int, angle: float) -> Any:
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = np.array([math.cos(angle), math.sin(angle)]) * middle
    ends = [tuple(round(v) for v in (middle + s * reach)) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()
