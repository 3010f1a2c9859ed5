"""An embedding of one's own: placed by the box, brought to length 1, and refused where it is not what is named."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from faces import head
from onnx import TensorProto, helper

from media_screen.config import load_embedder
from media_screen.errors import SettingsError
from media_screen.types import Box, Portrait


@pytest.fixture
def named(tmp_path):
    """Mean colour of the picture, in the order in which the channels come; and the YAML file that names it."""
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 32, 32])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 3, 1, 1])
    node = helper.make_node("GlobalAveragePool", ["input"], ["vector"])
    graph = helper.make_graph([node], "mean", [picture], [vector])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "mean.onnx")
    digest = hashlib.sha256((tmp_path / "mean.onnx").read_bytes()).hexdigest()

    def write(**more):
        row = {"name": "mean", "runtime": "onnx", "file": "mean.onnx", "sha256": digest}
        row |= {"distance": 0.3, "margin": 0.1, "other": 0.5, "bgr": "false", **more}
        lines = [f"{'  - ' if n == 0 else '    '}{key}: {value}" for n, (key, value) in enumerate(row.items())]
        (tmp_path / "mine.yaml").write_text("embeddings:\n" + "\n".join(lines) + "\n")
        return str(tmp_path / "mine.yaml")

    return write


def portrait(tint):
    return Portrait(pixels=head(tint), box=Box(x1=70, y1=50, x2=150, y2=130), size_px=90.0)


def test_vectors_have_length_one_and_follow_the_order_of_channels(named):
    green, blue = load_embedder(named()).encode([portrait("green"), portrait("blue")])
    assert np.linalg.norm(green.vector) == pytest.approx(1)
    assert (int(green.vector.argmax()), int(blue.vector.argmax())) == (1, 2)
    turned = load_embedder(named(bgr="true")).encode([portrait("blue")])[0]
    assert int(turned.vector.argmax()) == 0


def test_the_face_is_placed_where_the_network_wants_it(named):
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[40:60, 20:40] = (255, 0, 0)
    face = Portrait(pixels=pixels, box=Box(x1=20, y1=40, x2=40, y2=60), size_px=20.0)
    filling = load_embedder(named(box="[0, 0, 1, 1]"))._placed(face)
    assert filling[16, 16, 0] > 250
    assert filling[2:-2, 2:-2, 0].min() > 200
    small = load_embedder(named(box="[0.25, 0.25, 0.75, 0.75]"))._placed(face)
    assert small[16, 16, 0] > 250
    assert small[2, 2].max() == 0


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"file": "none.onnx"}, {"runtime": "torch"}, {"colour": 1}])
def test_what_is_not_as_it_is_named_is_refused(named, wrong):
    with pytest.raises(SettingsError):
        load_embedder(named(**wrong))


def test_an_unknown_name_is_refused():
    with pytest.raises(SettingsError, match="no embedding"):
        load_embedder("nobody's")
