"""Batches -> weights: YOLOv8n of Ultralytics with a head of our classes, its masked loss, the loop, the ONNX writer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss

COCO_CLASSES = 80
STRIDES = (8, 16, 32)
BACKBONE = 10  # the layers before the neck
BOX_GAIN, CLASS_GAIN, DFL_GAIN = 7.5, 0.5, 1.5  # of the library's own recipe

if TYPE_CHECKING:
    from pathlib import Path

Batch = Callable[[int], tuple[Any, Any, Any]]  # step -> pictures, targets, mask; see Loss


def network(classes: int = COCO_CLASSES) -> Any:
    """YOLOv8n; with other than COCO's classes only the last layer differs, so that all before it keeps its weights."""
    net = DetectionModel("yolov8n.yaml", ch=3, nc=COCO_CLASSES, verbose=False)
    head = net.model[-1]
    if classes != COCO_CLASSES:
        for branch in head.cv3:
            branch[-1] = nn.Conv2d(branch[-1].in_channels, classes, 1)
        head.nc, head.no = classes, classes + 4 * head.reg_max
        net.nc = classes
    return net


def coco_weights(quantised: Path) -> dict[str, Any]:
    """State of `network()` from an int8 ONNX whose initialisers keep the names of the fused network.

    Raises:
        KeyError: a layer of the network has no weights in the file.
    """
    told = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(quantised)).graph.initializer}

    def weights(name: str) -> Any:
        whole, scale = told[name + "_quantized"].astype(np.float32), told[name + "_scale"]
        return torch.from_numpy((whole - told[name + "_zero_point"].astype(np.float32)) * scale)

    state = network().state_dict()
    for key in state:
        layer, _, part = key.rpartition(".")
        if part == "weight" and f"{key}_quantized" in told:
            state[key] = weights(key).reshape(state[key].shape)
        elif part == "bias" and key in told:
            state[key] = torch.from_numpy(told[key].copy())
        elif layer.endswith(".bn"):  # folded into the convolution: what is left of it adds the bias
            state[key] = _plain_norm(part, state[key], told[layer.removesuffix("bn") + "conv.bias"])
    return state


def _plain_norm(part: str, like: Any, bias: Any) -> Any:
    if part == "bias":
        return torch.from_numpy(bias.copy())
    if part == "running_var":
        return torch.ones_like(like) - 1e-3  # its epsilon: root of the two together is one
    return torch.ones_like(like) if part == "weight" else torch.zeros_like(like)


def begin(quantised: Path, kin: list[list[int]]) -> Any:
    """The network to train: each class starts as the mean of the COCO classes that are its kin."""
    state = coco_weights(quantised)
    net = network(len(kin))
    own = net.state_dict()
    for key, value in state.items():
        if own[key].shape == value.shape:
            own[key] = value
        else:
            own[key] = torch.stack([value[k].mean(0) if k else value.mean(0) for k in kin])
    net.load_state_dict(own)
    return net


class Loss:
    """The library's loss, in which a class counts only where it is known whether it is there.

    `targets` are rows of picture, class, centre x, centre y, width, height (0..1); `mask` is a float array
    (pictures, classes, side / 8, side / 8): 1 where a class is labelled, 0 where nothing is known of it.
    """

    def __init__(self, net: Any) -> None:
        net.args = _Gains()
        self._loss = v8DetectionLoss(net)
        self._plain = nn.BCEWithLogitsLoss(reduction="none")
        self._loss.bce = self._known
        self._mask: Any = None

    def _known(self, scores: Any, targets: Any) -> Any:
        # a labelled object counts wherever it lies: only what is told to be absent may be unknown
        return self._plain(scores, targets) * torch.maximum(self._mask, (targets > 0).float())

    def __call__(self, predictions: Any, targets: Any, mask: Any) -> tuple[Any, list[float]]:
        """Loss a picture, and its parts: box, class, distribution."""
        levels = [mask] + [-nn.functional.max_pool2d(-mask, n) for n in (2, 4)]  # unknown where any part is
        self._mask = torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)
        batch = {"batch_idx": targets[:, 0], "cls": targets[:, 1], "bboxes": targets[:, 2:]}
        total, parts = self._loss(predictions, batch)
        return total.sum() / len(mask), [float(p) for p in parts.values()]


class _Gains:
    box, cls, dfl = BOX_GAIN, CLASS_GAIN, DFL_GAIN


def freeze(net: Any, layers: int) -> None:
    """Layers before this one keep their weights, and their norms what they are."""
    for name, weight in net.named_parameters():
        weight.requires_grad = int(name.split(".")[1]) >= layers and ".dfl." not in name
    net.train()
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d) and int(name.split(".")[1]) < layers:
            module.eval()


def unfold(net: Any, batches: Sequence[Any]) -> None:
    """Give folded norms the statistics of these pictures, and weights that undo them: the network tells the same.

    Without statistics of its own a norm is none, and the network learns many times more slowly.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    sums: dict[Any, list[Any]] = {}

    def note(norm: Any, given: tuple[Any, ...], _out: Any) -> None:
        moments = [given[0].mean((0, 2, 3)), given[0].square().mean((0, 2, 3))]
        sums[norm] = [a + b for a, b in zip(sums.get(norm, [0, 0]), moments, strict=True)]

    hooks = [norm.register_forward_hook(note) for norm in norms]
    net.eval()
    with torch.no_grad():
        for pictures in batches:
            net(pictures)
        for norm, moments in sums.items():
            mean, square = (moment / len(batches) for moment in moments)
            spread = (square - mean**2).clamp(min=1e-4)
            slope = norm.weight / (norm.running_var + norm.eps).sqrt()  # what it did until now
            shift = norm.bias - norm.running_mean * slope
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(spread)
            norm.weight.copy_(slope * (spread + norm.eps).sqrt())
            norm.bias.copy_(shift + slope * mean)
    for hook in hooks:
        hook.remove()


def optimiser(net: Any, rule: dict[str, Any]) -> Any:
    """AdamW: the backbone slower, the last layers faster than the rest; no decay of norms and biases."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, weight in net.named_parameters():
        layer = int(name.split(".")[1])
        pace = rule["backbone_pace"] if layer < BACKBONE else 1.0
        if ".cv3." in name and name.split(".")[-2] == "2":
            pace = rule["last_pace"]
        decay = rule["weight_decay"] if weight.ndim > 1 else 0.0
        groups.setdefault((pace, decay), []).append(weight)
    return torch.optim.AdamW([{"params": ws, "pace": p, "weight_decay": d} for (p, d), ws in groups.items()], lr=0.0)


def train(net: Any, rule: dict[str, Any], batch: Batch, saved: Path, tell: Callable[[str], None]) -> Any:
    """Train for the recipe's steps, on from `saved` where it is there; returns the running average of the weights."""
    torch.set_num_threads(rule["threads"])
    steps = optimiser(net, rule)
    begun_at = 0
    if saved.exists():
        held = torch.load(saved, weights_only=True)
        net.load_state_dict(held["net"])
        steps.load_state_dict(held["optimiser"])
        average, begun_at = held["average"], held["step"]
        tell(f"goes on from step {begun_at}")
    else:
        unfold(net, [batch(step)[0] for step in range(rule["unfolded_by"])])
        average = {k: v.clone() for k, v in net.state_dict().items()}
    net.to(memory_format=torch.channels_last)  # a sixth less time on a processor
    loss_of, frozen, begun = Loss(net), -1, time.monotonic()
    for step in range(begun_at, rule["steps"]):
        done = step / rule["steps"]
        layers = rule["frozen_first"] if step < rule["warm_up_steps"] else rule["frozen_then"]
        if layers != frozen:
            freeze(net, layers)
            frozen = layers
        rate = _rate(rule, step, done)
        for group in steps.param_groups:
            group["lr"] = rate * group["pace"]
        loss, parts = _loss(net, loss_of, batch(step))
        steps.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), rule["clip"])
        steps.step()
        _average(average, net, min(rule["ema"], (step + 1) / (step + 21)))
        if (step + 1) % 20 == 0:
            spent = time.monotonic() - begun
            tell(f"step {step + 1} at {spent:.0f} s, rate {rate:.6f}, " + " ".join(f"{p:.3f}" for p in parts))
        if (step + 1) % rule["kept_every"] == 0 or step + 1 == rule["steps"]:
            keep(saved, net, steps, average, step + 1)
    return average


def side_at(rule: dict[str, Any], step: int) -> int:
    """Pixels of the pictures at this step."""
    return int([side for begin, side in rule["sides_px"].items() if step >= begin * rule["steps"]][-1])


def _loss(net: Any, loss_of: Loss, drawn: tuple[Any, Any, Any]) -> tuple[Any, list[float]]:
    """Loss of a batch; convolutions in bfloat16 where the processor multiplies it: three fifths of the time."""
    pictures, targets, mask = drawn
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):  # noqa: SLF001
        told = net(pictures.to(memory_format=torch.channels_last))
    return loss_of(_single(told), targets, mask)


def _single(told: Any) -> Any:
    """The same in single precision, however deep it lies."""
    if isinstance(told, dict):
        return {name: _single(part) for name, part in told.items()}
    return [_single(part) for part in told] if isinstance(told, (list, tuple)) else told.float()


def _rate(rule: dict[str, Any], step: int, done: float) -> float:
    warm = min(1.0, (step + 1) / rule["warm_up_steps"])
    return warm * (rule["last_rate"] + (rule["rate"] - rule["last_rate"]) * (1 + math.cos(math.pi * done)) / 2)


def _average(average: dict[str, Any], net: Any, share: float) -> None:
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                average[key].mul_(share).add_(value, alpha=1 - share)


def keep(saved: Path, net: Any, steps: Any, average: Any, step: int) -> None:
    """All that is needed to go on, whole or not at all."""
    new = saved.with_suffix(".new")
    torch.save({"net": net.state_dict(), "optimiser": steps.state_dict(), "average": average, "step": step}, new)
    new.replace(saved)


def calibrate(net: Any, slopes: list[float], shifts: list[float]) -> None:
    """Turn each class's logit into slope x logit + shift, in the last layer: it costs nothing when it runs."""
    slope, shift = torch.tensor(slopes), torch.tensor(shifts)
    with torch.no_grad():
        for branch in net.model[-1].cv3:
            branch[-1].weight.mul_(slope[:, None, None, None])
            branch[-1].bias.mul_(slope).add_(shift)


def only(net: Any, kept: Sequence[int]) -> None:
    """Drop the other classes from the last layer."""
    head = net.model[-1]
    for branch in head.cv3:
        last = branch[-1]
        last.weight = nn.Parameter(last.weight[kept].detach())
        last.bias = nn.Parameter(last.bias[kept].detach())
    head.nc, head.no = len(kept), len(kept) + 4 * head.reg_max
    net.nc = len(kept)


def export(net: Any, out: Path, side: int) -> None:
    """Write ONNX: `images` (1, 3, h, w) RGB 0..1 -> `output` (1, 4 + classes, boxes), simplified, sides of 32 n px.

    Weights lie in half precision and are widened when the file is loaded: half the file, and the speed of single.
    """
    import onnxslim

    net = net.eval().fuse(verbose=False)
    net.model[-1].export, net.model[-1].format, net.model[-1].dynamic = True, "onnx", True
    axes = {"images": {2: "height", 3: "width"}, "output": {2: "boxes"}}
    torch.onnx.export(
        net, (torch.zeros(1, 3, side, side),), str(out), input_names=["images"], output_names=["output"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    onnx.save(halved(onnxslim.slim(onnx.load(str(out)))), str(out))


def halved(model: Any) -> Any:
    """The same network with its convolutions' weights kept as float16, each behind a cast that a runtime folds."""
    graph = model.graph
    wide = [w for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT and len(w.dims) == 4]
    for weight in wide:
        narrow = numpy_helper.to_array(weight).astype(np.float16)
        graph.initializer.remove(weight)
        graph.initializer.append(numpy_helper.from_array(narrow, weight.name + ".half"))
        cast = onnx.helper.make_node("Cast", [weight.name + ".half"], [weight.name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)
    return model
