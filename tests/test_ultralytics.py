"""Any model of Ultralytics as a detector: the real loading code with a small network made on the spot."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from media_screen.detect import ModelSpec
from media_screen.detect.ultralytics_yolo import UltralyticsYolo, labels_of
from media_screen.errors import SettingsError
from media_screen.types import Frame

NAMES = {0: "pistol", 1: "car", 2: "cat"}


def spec(**told):
    row = {
        "name": "own", "runtime": "ultralytics", "file": "own.pt", "licence": "AGPL-3.0", "sha256": "0" * 64,
        "labels": ("handgun", "vehicle"), "names": {"pistol": "handgun", "car": "vehicle"}, "score": 0.3,
        "low_score": 0.1, "picture_px": 64, "frame_px": 64, "period_s": Fraction(1, 2),
    }  # fmt: skip
    return ModelSpec(**{**row, **told})


def test_classes_become_the_labels_of_the_row_and_others_are_left_out():
    assert labels_of(NAMES, spec()) == {0: "handgun", 1: "vehicle"}
    assert labels_of(NAMES, spec(names={}, labels=("car",))) == {1: "car"}


def test_several_prompts_may_mean_one_label():
    prompts = {"a pistol": "handgun", "a revolver": "handgun"}
    assert labels_of(dict(enumerate(prompts)), spec(names=prompts, labels=("handgun",))) == {0: "handgun", 1: "handgun"}


def test_a_label_without_a_class_would_never_be_found_and_is_an_error():
    with pytest.raises(SettingsError, match=r"no class of it is knife; it knows car, cat, pistol"):
        labels_of(NAMES, spec(names={}, labels=("car", "knife")))
    with pytest.raises(SettingsError, match="names say vehicle"):
        labels_of(NAMES, spec(labels=("handgun",)))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A network with random weights whose scores are high everywhere: enough to see what becomes of its boxes."""
    ultralytics = pytest.importorskip("ultralytics", reason="needs the extra `ultralytics`")
    torch = pytest.importorskip("torch")
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(1)
    model = ultralytics.YOLO("yolov8n.yaml", task="detect")
    model.model = DetectionModel("yolov8n.yaml", nc=len(NAMES), verbose=False)
    model.model.names = NAMES
    for branch in model.model.model[-1].cv3:
        torch.nn.init.zeros_(branch[-1].weight)
        branch[-1].bias.data = torch.tensor([0.5, -0.5, 2.0])
    model.ckpt = {}
    path = tmp_path_factory.mktemp("own") / "own.pt"
    model.save(str(path))
    return path


def test_a_pt_file_is_loaded_and_its_boxes_lie_in_the_full_frame(small):
    detector = UltralyticsYolo(spec(sha256=hashlib.sha256(small.read_bytes()).hexdigest()), path=small, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    shown = Frame(index=0, time_s=Fraction(0), pixels=pixels, width_px=640, height_px=480)
    first, again = detector.detect([shown, shown], 0.3)
    assert first == again
    # the cat's score is the highest everywhere, and a cat is no label of the row
    assert first == []


def test_what_the_row_names_is_told_with_its_score(small):
    detector = UltralyticsYolo(spec(labels=("animal",), names={"cat": "animal"}), path=small, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    (found,) = detector.detect([Frame(index=0, time_s=Fraction(0), pixels=pixels, width_px=640, height_px=480)], 0.3)
    assert found
    assert {d.label for d in found} == {"animal"}
    assert all(d.score == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-3) for d in found)
    assert max(d.box.x2 for d in found) > 64  # in pixels of the full frame
    assert all(0 <= d.box.x1 <= d.box.x2 <= 640 and 0 <= d.box.y1 <= d.box.y2 <= 480 for d in found)


def test_a_file_that_is_no_model_is_an_error_of_settings(tmp_path):
    pytest.importorskip("ultralytics", reason="needs the extra `ultralytics`")
    path = tmp_path / "own.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(SettingsError, match=r"cannot load own\.pt"):
        UltralyticsYolo(spec(), path=path, threads=1)
