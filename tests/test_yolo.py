"""The runtime of YOLO networks, with small networks made on the spot: what it shows them, and where its boxes lie."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from media_screen.detect import ModelSpec
from media_screen.detect.yolo import MULTIPLE_PX, PAD, Yolo, agreed
from media_screen.errors import DetectorFailed, SettingsError
from media_screen.types import Frame

LABELS = ("red", "green", "blue")
BOX = (40.0, 20.0, 32.0, 16.0)  # centre and sides, in pixels of what the network sees


def network(path, *, height="h", width="w", half=False, boxes=(BOX,)):
    """Scores are the mean of each colour over the upper left 64 x 32 px; boxes are always the same."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    given = np.array([[*box] for box in boxes], np.float16 if half else np.float32).T[None]
    nodes = [
        helper.make_node("Slice", ["images", "from", "to", "axes"], ["part"]),
        helper.make_node("ReduceMean", ["part"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["one"]),
        helper.make_node("Expand", ["one", "shape"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output"], axis=1),
    ]
    constants = {
        "from": np.array([0, 0], np.int64),
        "to": np.array([32, 64], np.int64),
        "axes": np.array([2, 3], np.int64),
        "last": np.array([2], np.int64),
        "shape": np.array([1, 3, len(boxes)], np.int64),
        "boxes": given,
    }
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", kind, [1, 3, height, width])],
        [helper.make_tensor_value_info("output", kind, [1, 4 + len(LABELS), len(boxes)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def detector(path, **told):
    row = {
        "name": "colours", "runtime": "yolo", "file": path.name, "licence": "none",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "labels": LABELS, "score": 0.4, "low_score": 0.1,
        "picture_px": 128, "frame_px": 128, "period_s": Fraction(1, 2),
    }  # fmt: skip
    return Yolo(ModelSpec(**{**row, **told}), path=path, threads=1)


def frame(colour, *, size=(128, 64), full=None):
    width, height = size
    pixels = np.full((height, width, 3), colour, np.uint8)
    return Frame(index=0, time_s=Fraction(0), pixels=pixels, width_px=(full or size)[0], height_px=(full or size)[1])


@pytest.fixture
def colours(tmp_path):
    return network(tmp_path / "colours.onnx")


@pytest.mark.parametrize("colour", LABELS)
def test_the_network_sees_red_green_blue_from_nought_to_one(colours, colour):
    pixels = [0, 0, 0]
    pixels[LABELS.index(colour)] = 204
    (found,) = detector(colours).detect([frame(pixels)], 0.1)
    assert [d.label for d in found] == [colour]
    assert found[0].score == pytest.approx(0.8, abs=0.01)


def test_boxes_lie_in_pixels_of_the_full_frame(colours):
    (found,) = detector(colours).detect([frame((200, 0, 0), full=(1280, 640))], 0.1)
    box = found[0].box
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((240, 120, 560, 280))


def test_a_box_that_reaches_out_is_cut_at_the_rim(tmp_path):
    path = network(tmp_path / "out.onnx", boxes=[(120.0, 60.0, 40.0, 40.0)])
    (found,) = detector(path).detect([frame((200, 0, 0))], 0.1)
    assert (found[0].box.x2, found[0].box.y2) == (128, 64)


def test_a_picture_is_enlarged_or_reduced_to_the_side_of_its_row(colours):
    (small,) = detector(colours).detect([frame((200, 0, 0), size=(64, 32))], 0.1)
    (large,) = detector(colours).detect([frame((200, 0, 0), size=(512, 256))], 0.1)
    assert small[0].box.x1 * 8 == pytest.approx(large[0].box.x1)


def test_a_network_of_free_size_is_shown_no_needless_grey(tmp_path):
    free = detector(network(tmp_path / "free.onnx"))
    batch, _ = free._letterbox(frame((255, 255, 255), size=(128, 40)).pixels, 128)
    assert batch.shape == (1, 3, 2 * MULTIPLE_PX, 128)
    assert batch[0, 0, 40:] == pytest.approx(PAD / 255)


def test_a_network_of_fixed_size_gets_its_square_and_tells_the_same(tmp_path, colours):
    fixed = detector(network(tmp_path / "fixed.onnx", height=128, width=128))
    batch, _ = fixed._letterbox(frame((255, 255, 255), size=(128, 40)).pixels, 128)
    assert batch.shape == (1, 3, 128, 128)
    shown = frame((200, 10, 10), full=(256, 128))
    assert fixed.detect([shown], 0.1) == detector(colours).detect([shown], 0.1)


def test_a_network_in_half_precision_runs(tmp_path):
    half = detector(network(tmp_path / "half.onnx", half=True))
    (found,) = half.detect([frame((0, 0, 204))], 0.1)
    assert [(d.label, round(d.score, 2)) for d in found] == [("blue", 0.8)]


def test_of_boxes_that_mean_the_same_the_best_is_told_once(tmp_path):
    near = [BOX, (BOX[0] + 2, *BOX[1:]), (100.0, 40.0, 20.0, 20.0)]
    (found,) = detector(network(tmp_path / "near.onnx", boxes=near)).detect([frame((200, 0, 0))], 0.1)
    assert len(found) == 2


def test_a_frame_gets_the_same_answer_alone_and_in_company(colours):
    frames = [frame((200, 0, 0)), frame((0, 90, 0)), frame((0, 0, 0))]
    together = detector(colours).detect(frames, 0.1)
    assert together == [detector(colours).detect([f], 0.1)[0] for f in frames]
    assert together[2] == []
    assert detector(colours).detect([], 0.1) == []


def test_a_row_that_names_other_classes_than_the_network_has_is_an_error(colours):
    with pytest.raises(SettingsError, match="3 classes, but its row names 2"):
        detector(colours, labels=("red", "green"))


def test_a_network_that_does_not_run_is_a_failed_detector_and_no_empty_answer(tmp_path):
    path = network(tmp_path / "wide.onnx", height=64, width=64)
    broken = detector(path)
    broken._sides = [128]
    broken._is_fixed = False
    with pytest.raises(DetectorFailed, match="colours did not run"):
        broken.detect([frame((200, 0, 0))], 0.1)


def test_an_operating_point_of_a_label_stands_before_that_of_the_row():
    row = ModelSpec(
        name="n", runtime="yolo", file="", sha256="", licence="", labels=LABELS, score=0.2, low_score=0.1,
        picture_px=64, frame_px=64, period_s=Fraction(1), scores={"blue": 0.6},
    )  # fmt: skip
    assert [row.score_of(label) for label in LABELS] == [0.2, 0.2, 0.6]


def looked(*rows):
    return np.array(rows, np.float32).reshape(-1, 6)


def test_two_looks_that_agree_tell_an_object_once_with_the_mean_of_their_scores():
    first = looked([1, 0.9, 0, 0, 100, 100], [2, 0.4, 200, 0, 300, 100])
    second = looked([1, 0.3, 10, 0, 110, 100])
    told = agreed([first, second])
    assert told[:, 0].tolist() == [1, 2]
    assert told[0, 1] == pytest.approx(0.6)
    assert told[0, 2:] == pytest.approx([2.5, 0, 102.5, 100])  # three quarters of the weight are the first look's
    assert told[1, 1] == pytest.approx(0.2)  # seen by one of two


def test_looks_that_name_different_things_or_places_do_not_agree():
    one, place, thing = ([0, 0.8, 0, 0, 50, 50], [0, 0.8, 40, 40, 90, 90], [1, 0.8, 0, 0, 50, 50])
    for other in (place, thing):
        assert agreed([looked(one), looked(other)])[:, 1] == pytest.approx([0.4, 0.4])
    assert agreed([looked(), looked()]).shape == (0, 6)
    assert len(agreed([looked(one, one), looked(one)])) == 2  # a look's own two stay two


def test_a_row_may_ask_for_several_looks(colours):
    shown = frame((200, 0, 0), size=(256, 128))
    (both,) = detector(colours, looks_px=(64, 128)).detect([shown], 0.1)
    # the boxes of this network are the same in any copy: what is read from one of half the size lies twice as far out
    singles = [detector(colours, frame_px=side).detect([shown], 0.1)[0][0] for side in (64, 128)]
    assert sorted(d.box.x1 for d in both) == pytest.approx(sorted(d.box.x1 for d in singles))
    assert [d.score for d in both] == pytest.approx([singles[0].score / 2] * 2)
