"""YuNet-n in PyTorch: the network with its normalisation folded in, the loss, the loop, the ONNX file.

The folded network has no running statistics, so small batches cannot spoil them, and what is trained is exactly what
is exported.
"""

from __future__ import annotations

import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faces_draw import drawn
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
PARTS = {"cls": 1, "obj": 1, "bbox": 4}
# channels in and out of the two units of each backbone stage; a pool halves the picture after stages 0, 2, 3 and 4
STAGES = ((16, 16), (16, 64), (64, 64), (64, 64), (64, 64), (64, 64))
POOLED = (0, 2, 3, 4)
TAPPED = (3, 4, 5)
WIDTH = 64
HALF = False  # bfloat16 while training, but for the heads: far faster where the processor has it, far slower elsewhere


class Unit(nn.Module):
    """A pointwise and a depthwise convolution; a head's has no activation."""

    def __init__(self, given: int, made: int, *, active: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 1)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, groups=made)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size."""
        x = self.conv2(self.conv1(x))
        return functional.relu(x) if self.active else x


class Net(nn.Module):
    """Pictures (n, 3, h, w) BGR 0..255 -> per stride the logits cls, obj and the offsets bbox as (n, cells, k)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            nn.ModuleList([Unit(16, 16)] if i == 0 else [Unit(a, a), Unit(a, b)]) for i, (a, b) in enumerate(STAGES)
        )
        self.neck = nn.ModuleList(Unit(WIDTH, WIDTH) for _ in STRIDES)
        self.shared = nn.ModuleList(Unit(WIDTH, WIDTH) for _ in STRIDES)
        self.heads = nn.ModuleDict(
            {part: nn.ModuleList(Unit(WIDTH, k, active=False) for _ in STRIDES) for part, k in PARTS.items()}
        )

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        """Outputs by part, one a stride."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and HALF):
            taps = [tap.float() for tap in self.features(x)]
        return {
            part: [head(tap).permute(0, 2, 3, 1).flatten(1, 2) for head, tap in zip(heads, taps, strict=True)]
            for part, heads in self.heads.items()
        }

    def features(self, x: Tensor) -> list[Tensor]:
        """What the heads of each stride see."""
        x = functional.relu(self.stem(x))
        taps = []
        for i, stage in enumerate(self.stages):
            for unit in stage:
                x = unit(x)
            if i in TAPPED:
                taps.append(x)
            if i in POOLED:
                x = functional.max_pool2d(x, 2)
        for i in (2, 1, 0):
            taps[i] = self.neck[i](taps[i])
            if i:
                taps[i - 1] = taps[i - 1] + functional.interpolate(taps[i], scale_factor=2.0, mode="nearest")
        return [shared(tap) for shared, tap in zip(self.shared, taps, strict=True)]


def started(path: Path) -> Net:
    """The network with the published weights, each normalisation folded into the convolution before it."""
    given = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net = Net()
    with torch.no_grad():
        _fold(net.stem, given, "backbone.model0.conv1", "backbone.model0.bn1")
        for i, stage in enumerate(net.stages):
            for j, unit in enumerate(stage):
                _fill(unit, given, f"backbone.model{i}.conv{2 if i == 0 else j + 1}")
        for i in range(len(STRIDES)):
            _fill(net.neck[i], given, f"neck.lateral_convs.{i}")
            _fill(net.shared[i], given, f"bbox_head.multi_level_share_convs.{i}.0")
            for part in PARTS:
                _fill(net.heads[part][i], given, f"bbox_head.multi_level_{part}.{i}")
    return net


def _fill(unit: Unit, given: dict[str, Tensor], name: str) -> None:
    unit.conv1.weight.copy_(given[f"{name}.conv1.weight"])
    unit.conv1.bias.copy_(given[f"{name}.conv1.bias"])
    _fold(unit.conv2, given, f"{name}.conv2", f"{name}.bn" if unit.active else None)


def _fold(conv: nn.Conv2d, given: dict[str, Tensor], name: str, norm: str | None) -> None:
    weight, bias = given[f"{name}.weight"], given[f"{name}.bias"]
    if norm is not None:
        gain = given[f"{norm}.weight"] / torch.sqrt(given[f"{norm}.running_var"] + 1e-5)
        weight = weight * gain[:, None, None, None]
        bias = (bias - given[f"{norm}.running_mean"]) * gain + given[f"{norm}.bias"]
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)


# --------------------------------------------------------------------------------------------------------- the loss


def cells(side: int) -> tuple[Tensor, Tensor]:
    """Corner (x, y) and stride of every cell, in the order of the outputs."""
    corners, strides = [], []
    for stride in STRIDES:
        n = side // stride
        ys, xs = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        corners.append(torch.stack([xs, ys], dim=-1).reshape(-1, 2) * float(stride))
        strides.append(torch.full((n * n,), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def boxes_of(bbox: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """x1 y1 x2 y2 of every cell."""
    centres = bbox[..., :2] * strides[:, None] + corners
    halves = torch.exp(bbox[..., 2:].clamp(max=6)) * strides[:, None] / 2
    return torch.cat([centres - halves, centres + halves], dim=-1)


def pair_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, (len(a), len(b))."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    area = lambda x: (x[:, 2:] - x[:, :2]).clamp(min=0).prod(dim=1)  # noqa: E731 - a name for one line
    return shared / (area(a)[:, None] + area(b)[None] - shared).clamp(min=1e-6)


@torch.no_grad()
def assigned(
    scores: Tensor, boxes: Tensor, faces: Tensor, centres: Tensor, strides: Tensor, rule: dict[str, Any]
) -> tuple[Tensor, Tensor, Tensor]:
    """Which cells answer for which face: (cells, faces, IoUs), by the cheapest match, more cells to surer faces."""
    in_box = (
        torch.minimum(
            (centres[:, None] - faces[None, :, :2]).amin(dim=2), (faces[None, :, 2:] - centres[:, None]).amin(dim=2)
        )
        > 0
    )
    middle = (faces[:, :2] + faces[:, 2:]) / 2
    near = ((centres[:, None] - middle[None]).abs() < rule["centre_radius"] * strides[:, None, None]).all(dim=2)
    (open_cells,) = torch.nonzero((in_box | near).any(dim=1), as_tuple=True)
    iou = pair_iou(boxes[open_cells], faces)
    chance = scores[open_cells].clamp(1e-4, 1 - 1e-4)
    cost = -torch.log(chance)[:, None] - 3 * torch.log(iou + 1e-7) + 1e5 * ~(in_box & near)[open_cells]
    chosen = torch.zeros_like(iou, dtype=torch.bool)
    best = min(rule["candidates"], len(open_cells))
    counts = iou.topk(best, dim=0).values.sum(dim=0).int().clamp(min=1)
    for face, count in enumerate(counts.tolist()):
        chosen[cost[:, face].topk(min(count, len(open_cells)), largest=False).indices, face] = True
    several = chosen.sum(dim=1) > 1
    if several.any():  # a cell answers for one face, the cheapest
        chosen[several] = functional.one_hot(cost[several].argmin(dim=1), len(faces)).bool()
    rows, columns = torch.nonzero(chosen, as_tuple=True)
    return open_cells[rows], columns, iou[rows, columns]


def box_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """One less the IoU, plus how far centres and sides differ, as shares of the box around both."""
    low, high = torch.maximum(made[:, :2], wanted[:, :2]), torch.minimum(made[:, 2:], wanted[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    size, aim = made[:, 2:] - made[:, :2], wanted[:, 2:] - wanted[:, :2]
    iou = shared / (size.prod(dim=1) + aim.prod(dim=1) - shared).clamp(min=1e-6)
    around = torch.maximum(made[:, 2:], wanted[:, 2:]) - torch.minimum(made[:, :2], wanted[:, :2])
    apart = (made[:, :2] + made[:, 2:] - wanted[:, :2] - wanted[:, 2:]) / 2
    far = apart.square().sum(dim=1) / around.square().sum(dim=1).clamp(min=1e-6)
    sides = ((size - aim).square() / around.square().clamp(min=1e-6)).sum(dim=1)
    return 1 - iou + far + sides


def loss_of(
    out: dict[str, list[Tensor]],
    targets: list[tuple[Tensor, Tensor]],
    grid: tuple[Tensor, Tensor],
    rule: dict[str, Any],
) -> tuple[Tensor, dict[str, float]]:
    """Objectness over every cell outside ignored areas; class (towards the IoU) and box over the cells assigned."""
    corners, strides = grid
    cls, obj = (torch.cat(out[part], dim=1)[..., 0] for part in ("cls", "obj"))
    boxes = boxes_of(torch.cat(out["bbox"], dim=1), corners, strides)
    centres = corners + strides[:, None] / 2
    scores = (cls.sigmoid() * obj.sigmoid()).sqrt()
    is_face, counts = torch.zeros_like(obj), torch.ones_like(obj)
    class_loss, sides_loss, matched = obj.new_zeros(()), obj.new_zeros(()), 0
    for n, (faces, ignored) in enumerate(targets):
        if len(ignored):
            inside = (centres[:, None] > ignored[None, :, :2]) & (centres[:, None] < ignored[None, :, 2:])
            alike = pair_iou(boxes[n].detach(), ignored).amax(dim=1) > 0.4
            counts[n] = (~(inside.all(dim=2).any(dim=1) | alike)).float()
        if not len(faces):
            continue
        at, whose, iou = assigned(scores[n], boxes[n], faces, centres, strides, rule)
        is_face[n, at], counts[n, at] = 1, 1
        class_loss = class_loss + functional.binary_cross_entropy_with_logits(cls[n, at], iou, reduction="sum")
        sides_loss = sides_loss + box_loss(boxes[n, at], faces[whose]).sum()
        matched += len(at)
    share = max(matched, len(targets))
    objects = functional.binary_cross_entropy_with_logits(obj, is_face, counts, reduction="sum") / share
    class_loss, sides_loss = class_loss / share, sides_loss / share
    parts = {"obj": objects.item(), "cls": class_loss.item(), "box": sides_loss.item()}
    return objects + class_loss + rule["box"] * sides_loss, parts


# --------------------------------------------------------------------------------------------------------- the loop


def train(recipe: dict[str, Any], groups: dict[str, list[Any]], work: Path, start: Path | None) -> None:
    """The first stage: so many minutes of the recipe, over all resumptions together; the rate falls with the time."""
    rule = recipe["train"]
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(rule["threads"])
    net = Net() if start is None else started(start)
    net = net.to(memory_format=torch.channels_last)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    pull = torch.optim.AdamW(net.parameters(), lr=rule["rate"], weight_decay=rule["weight_decay"])
    step, spent = 0, 0.0
    saved = work / "checkpoint.pt"
    if saved.is_file():
        state = torch.load(saved, weights_only=True)
        net.load_state_dict(state["net"])
        pull.load_state_dict(state["pull"])
        average, step, spent = state["average"], state["step"], state["spent"]
    grid = cells(rule["side_px"])
    cache: dict[Path, Any] = {}
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(_batch, recipe, groups, step + i, cache) for i in range(3)]
        begun, told = time.monotonic(), time.monotonic()
        sums: dict[str, float] = {}
        while (now := spent + time.monotonic() - begun) < rule["minutes"] * 60:
            pictures, targets = coming.pop(0).result()
            coming.append(ahead.submit(_batch, recipe, groups, step + 3, cache))
            share = now / (rule["minutes"] * 60)
            rate = rule["last_rate"] + (rule["rate"] - rule["last_rate"]) * (1 + math.cos(math.pi * share)) / 2
            pull.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / rule["warm_up_steps"])
            loss, parts = loss_of(net(pictures), [(t.faces, t.ignored) for t in targets], grid, recipe["loss"])
            pull.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), rule["clip"])
            pull.step()
            step += 1
            keep = min(rule["ema"], (step + 1) / (step + 10))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            if step % rule["checkpoint_steps"] == 0:
                means = " ".join(f"{name} {value / rule['checkpoint_steps']:.3f}" for name, value in sums.items())
                print(f"step {step} {now / 60:.1f} min {means} {time.monotonic() - told:.0f} s", flush=True)
                sums, told = {}, time.monotonic()
                _save(saved, net, pull, average, step, now)
    _save(saved, net, pull, average, step, rule["minutes"] * 60)


def refine(recipe: dict[str, Any], groups: dict[str, list[Any]], work: Path, first: Path, start: Path) -> None:
    """The second stage: from the first one's weights, so many steps, held to what both it and the start say."""
    rule = recipe["train"]
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(rule["threads"])
    net = read(first)
    teachers = [(read(first).eval(), rule["first_share"]), (started(start).eval(), 1 - rule["first_share"])]
    for net_ in (net, *(teacher for teacher, _ in teachers)):
        net_.to(memory_format=torch.channels_last)
    for part in (net.stem, *net.stages[: rule["frozen_stages"]]):
        part.requires_grad_(requires_grad=False)
    learning = [value for value in net.parameters() if value.requires_grad]
    average = {name: value.clone() for name, value in net.state_dict().items()}
    pull = torch.optim.AdamW(learning, lr=rule["rate"], weight_decay=rule["weight_decay"])
    grid, cache = cells(rule["side_px"]), {}
    sums: dict[str, float] = {}
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as ahead:
        coming = [ahead.submit(_batch, recipe, groups, step, cache) for step in range(3)]
        for step in range(rule["steps"]):
            pictures, targets = coming.pop(0).result()
            coming.append(ahead.submit(_batch, recipe, groups, step + 3, cache))
            share = step / rule["steps"]
            rate = rule["last_rate"] + (rule["rate"] - rule["last_rate"]) * (1 + math.cos(math.pi * share)) / 2
            pull.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / rule["warm_up_steps"])
            loss, parts = _refining_loss(net(pictures), pictures, targets, teachers, grid, recipe["loss"])
            pull.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learning, rule["clip"])
            pull.step()
            keep = min(rule["ema"], (step + 2) / (step + 11))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value / rule["checkpoint_steps"]
            if (step + 1) % rule["checkpoint_steps"] == 0:
                told = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
                print(f"step {step + 1} {(time.monotonic() - begun) / 60:.1f} min {told}", flush=True)
                sums = {}
                torch.save({"average": average}, work / f"refined_{step + 1}.pt")


def _refining_loss(
    out: dict[str, list[Tensor]],
    pictures: Tensor,
    targets: list[Target],
    teachers: list[tuple[Net, float]],
    grid: tuple[Tensor, Tensor],
    rule: dict[str, Any],
) -> tuple[Tensor, dict[str, float]]:
    """The loss towards labels, where there are any, and the one towards the teachers, where they are asked."""
    parts: dict[str, float] = {}
    total = pictures.new_zeros(())
    labelled = [n for n, target in enumerate(targets) if target.labelled]
    if labelled:
        chosen = {part: [x[labelled] for x in levels] for part, levels in out.items()}
        told, parts = loss_of(chosen, [(targets[n].faces, targets[n].ignored) for n in labelled], grid, rule)
        total = total + told
    asked = [n for n, target in enumerate(targets) if target.taught]
    if asked:
        taught = teaching(teachers, pictures[asked])
        kept = kept_loss({part: torch.cat(levels, dim=1)[asked] for part, levels in out.items()}, taught, grid, rule)
        parts["kept"] = kept.item()
        total = total + rule["keep"] * kept
    return total, parts


@torch.no_grad()
def teaching(teachers: list[tuple[Net, float]], pictures: Tensor) -> dict[str, Tensor]:
    """What the teachers say of every cell together: the weighted mean of logits and of offsets."""
    told = [({part: torch.cat(levels, dim=1) for part, levels in net(pictures).items()}, w) for net, w in teachers]
    return {part: sum((w * out[part] for out, w in told), torch.zeros(())) for part in PARTS}


def kept_loss(
    out: dict[str, Tensor], taught: dict[str, Tensor], grid: tuple[Tensor, Tensor], rule: dict[str, Any]
) -> Tensor:
    """How far from the teachers: objectness over every cell; class and box where they see an object."""
    sure = taught["obj"].sigmoid()
    share = sure.sum().clamp(min=len(sure))
    differs = functional.binary_cross_entropy_with_logits
    objects = differs(out["obj"], sure, reduction="sum") - differs(taught["obj"], sure, reduction="sum")
    wanted = taught["cls"].sigmoid()
    classes = differs(out["cls"], wanted, reduction="none") - differs(taught["cls"], wanted, reduction="none")
    seen = sure[..., 0] > rule["kept_from"]
    made, aim = boxes_of(out["bbox"], *grid)[seen], boxes_of(taught["bbox"], *grid)[seen]
    return (objects + (sure * classes).sum() + rule["kept_box"] * box_loss(made, aim).sum()) / share


def _save(saved: Path, net: Net, pull: Any, average: dict[str, Tensor], step: int, spent: float) -> None:
    state = {"net": net.state_dict(), "pull": pull.state_dict(), "average": average, "step": step, "spent": spent}
    torch.save(state, saved.with_suffix(".new"))
    saved.with_suffix(".new").replace(saved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is known of one crop."""

    faces: Tensor
    ignored: Tensor
    labelled: bool  # boxes are to be believed
    taught: bool  # the teachers are asked


def _batch(recipe: dict[str, Any], groups: dict[str, list[Any]], step: int, cache: dict[Path, Any]) -> Any:
    """Pictures and targets of one step, from seed and step alone."""
    rng = random.Random(f"{recipe['seed']}/{step}")
    names = [name for name in recipe["mix"] if groups[name]]
    pictures, targets = [], []
    for _ in range(recipe["train"]["batch"]):
        name = rng.choices(names, [recipe["mix"][name] for name in names])[0]
        bgr, faces, ignored = drawn(rng.choice(groups[name]), recipe, rng, cache)
        pictures.append(bgr)
        targets.append(
            Target(
                faces=torch.from_numpy(faces).float(),
                ignored=torch.from_numpy(ignored).float(),
                labelled=name != "unlabelled",
                taught=name in recipe.get("taught", ()),
            )
        )
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return batch.contiguous(memory_format=torch.channels_last), targets


# --------------------------------------------------------------------------------------------------------- the file


def trained(saved: Path) -> Net:
    """The network of the running average."""
    net = Net()
    net.load_state_dict(torch.load(saved, weights_only=True)["average"])
    return net


@torch.no_grad()
def read(path: Path) -> Net:
    """The network of an ONNX file that `export` wrote."""
    import onnx
    from onnx import numpy_helper

    given = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in onnx.load(path).graph.initializer}
    net = Net()
    layers = {"stem": net.stem}
    units = {f"stage{i}.{j}": unit for i, stage in enumerate(net.stages) for j, unit in enumerate(stage)}
    for i in range(len(STRIDES)):
        units |= {f"neck{i}": net.neck[i], f"shared{i}": net.shared[i]}
        units |= {f"{part}{i}": net.heads[part][i] for part in PARTS}
    for name, unit in units.items():
        layers |= {f"{name}.1": unit.conv1, f"{name}.2": unit.conv2}
    for name, layer in layers.items():
        layer.weight.copy_(given[f"{name}.weight"])
        layer.bias.copy_(given[f"{name}.bias"])
    return net


class Sheet:
    """An ONNX graph while it is written: nodes and weights, each named."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        """A stored array."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, given: list[str], made: str, **options: Any) -> str:
        """A node with one output."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, given, [made], **options))
        return made

    def conv(self, layer: nn.Conv2d, given: str, name: str) -> str:
        """A convolution and its weights."""
        weight = self.constant(f"{name}.weight", layer.weight.detach().numpy())
        bias = self.constant(f"{name}.bias", layer.bias.detach().numpy())
        shape = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": list(layer.padding) * 2}
        return self.add("Conv", [given, weight, bias], name, group=layer.groups, **shape)

    def unit(self, layer: Unit, given: str, name: str) -> str:
        """Two convolutions and, but for a head's, an activation."""
        x = self.conv(layer.conv2, self.conv(layer.conv1, given, f"{name}.1"), f"{name}.2")
        return self.add("Relu", [x], f"{name}.relu") if layer.active else x


def export(net: Net, out: Path) -> None:
    """Write the ONNX file: free sizes, outputs named after part and stride, scores through a sigmoid."""
    from onnx import TensorProto, checker, helper, save

    sheet = Sheet()
    taps = _write_features(net, sheet)
    rows = {k: sheet.constant(f"rows{k}", np.array([0, -1, k], np.int64)) for k in sorted(set(PARTS.values()))}
    outputs = []
    for part, k in PARTS.items():
        for i, stride in enumerate(STRIDES):
            x = sheet.unit(net.heads[part][i], taps[i], f"{part}{i}")
            x = sheet.add("Transpose", [x], f"{part}{i}.last", perm=[0, 2, 3, 1])
            name = f"{part}_{stride}"
            if part == "bbox":
                sheet.add("Reshape", [x, rows[k]], name)
            else:
                sheet.add("Sigmoid", [sheet.add("Reshape", [x, rows[k]], f"{part}{i}.rows")], name)
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", f"cells_{stride}", k]))
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    graph = helper.make_graph(sheet.nodes, "faces", [given], outputs, sheet.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="media-screen")
    model.ir_version = 8
    checker.check_model(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(model, out)


def _write_features(net: Net, sheet: Sheet) -> list[str]:
    x = sheet.add("Relu", [sheet.conv(net.stem, "input", "stem")], "stem.relu")
    taps: list[str] = []
    for i, stage in enumerate(net.stages):
        for j, layer in enumerate(stage):
            x = sheet.unit(layer, x, f"stage{i}.{j}")
        if i in TAPPED:
            taps.append(x)
        if i in POOLED:
            x = sheet.add("MaxPool", [x], f"pool{i}", kernel_shape=[2, 2], strides=[2, 2])
    twice = sheet.constant("twice", np.array([1, 1, 2, 2], np.float32))
    doubling = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for i in (2, 1, 0):
        taps[i] = sheet.unit(net.neck[i], taps[i], f"neck{i}")
        if i:
            larger = sheet.add("Resize", [taps[i], "", twice], f"larger{i}", **doubling)
            taps[i - 1] = sheet.add("Add", [taps[i - 1], larger], f"sum{i - 1}")
    return [sheet.unit(shared, tap, f"shared{i}") for i, (shared, tap) in enumerate(zip(net.shared, taps, strict=True))]


def check(start: Path, start_onnx: Path) -> None:
    """With no step taken, our file answers like the published one."""
    import tempfile

    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "start.onnx"
        export(started(start), ours)
        one, other = (ort.InferenceSession(str(p), providers=["CPUExecutionProvider"]) for p in (ours, start_onnx))
        picture = np.random.default_rng(0).integers(0, 256, (2, 3, 320, 416)).astype(np.float32)
        names = [f"{part}_{stride}" for part in PARTS for stride in STRIDES]
        pairs = zip(one.run(names, {"input": picture}), other.run(names, {"input": picture}), strict=True)
        worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(f"largest difference {worst:.2e}")
    if worst > 1e-3:
        raise SystemExit("the network is not the published one")
