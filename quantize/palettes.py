"""Weights as entries of palettes, chosen by what they do to their layer's output.

The weights of a layer are rounded one input after the other, the strongest input first, and the
inputs that are still to come make up for what each rounding did to the output (Frantar et al.,
"GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
arXiv:2210.17323). Moments are sums over positions of x x^T, x what one output of a layer reads:
(groups, inputs, inputs).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

LLOYD_STEPS = 100
LEAST_ENERGY = 1e-3  # of an input, of the mean over the layer's: no weight is out of the palette
DAMPING = 0.03  # of the mean energy, added to each input's own
BLOCK = 64  # inputs after which the rest is corrected at once
ENTRY_BITS = 16  # of a palette's numbers

aten = torch.ops.aten


@dataclass(frozen=True)
class Rounded:
    """A layer's weight in a palette of 2**bits numbers, and which share of the energy of the
    layer's output its error has.
    """

    weight: Tensor
    bits: int
    error: float

    @property
    def stored_bits(self) -> int:
        """What the file holds of it."""
        return self.weight.numel() * self.bits + ENTRY_BITS * 2**self.bits


def palettized(
    graph: fx.GraphModule,
    images: Iterable[Tensor],
    bits: Sequence[int],
    average: float,
    progress: Callable[[], None],
) -> dict[str, Tensor]:
    """The weights of a graph's convolutions and linears in palettes, by name, each of one of
    ``bits``, ascending: as many as ``average`` bits a weight allow, where they take most error
    away. ``images`` are the graph's inputs; ``progress`` is called after each. Without images all
    inputs of a layer count alike.
    """
    moments = input_moments(graph, images, progress)
    layers = weighted_layers(graph)
    candidates = {
        name: rounded(weight, moments.get(name, _alike(weight)), bits)
        for name, weight in layers.items()
    }
    return {name: chosen.weight for name, chosen in choose(candidates, average).items()}


def weighted_layers(graph: fx.GraphModule) -> dict[str, Tensor]:
    """The weights of a graph's convolutions and linears, by name; but for those that are no part of
    its state.
    """
    state = graph.state_dict()
    names = {str(node.args[1].target) for node in _layers(graph)}
    return {name: weight for name, weight in state.items() if name in names}


def input_moments(
    graph: fx.GraphModule, images: Iterable[Tensor], progress: Callable[[], None]
) -> dict[str, Tensor]:
    """The moments of what each layer reads, by the name of its weight."""
    recorder = _Moments(graph)
    with torch.no_grad():
        for image in images:
            recorder.run(image)
            progress()
    return recorder.found


class _Moments(fx.Interpreter):
    """Runs a graph and notes what its layers read."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.layers = set(_layers(graph))
        self.found: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n in self.layers:
            arguments, _ = self.fetch_args_kwargs_from_env(n)
            weight: Any = n.args[1]
            read = _read(n, *arguments)  # (groups, inputs, positions)
            moments = read @ read.mT
            name = str(weight.target)
            self.found[name] = self.found[name] + moments if name in self.found else moments
        return super().run_node(n)


def _layers(graph: fx.GraphModule) -> list[Any]:
    kinds = (aten.conv2d.default, aten.linear.default)
    nodes: list[Any] = [node for node in graph.graph.nodes if node.target in kinds]
    return [node for node in nodes if node.args[1].op == "get_attr"]


def _read(
    node: fx.Node,
    x: Tensor,
    weight: Tensor,
    _: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """What the outputs of a layer read, (groups, inputs, positions)."""
    if node.target == aten.linear.default:
        return x.reshape(1, -1, x.shape[-1]).mT
    columns = F.unfold(x, weight.shape[2:], dilation, padding, stride)
    return columns.view(len(x), groups, -1, columns.shape[-1]).permute(1, 2, 0, 3).flatten(2)


def _alike(weight: Tensor) -> Tensor:
    return torch.eye(weight[0].numel()).unsqueeze(0)


def rounded(weight: Tensor, moments: Tensor, bits: Sequence[int]) -> list[Rounded]:
    """A weight (O, ...) in one palette, for each of ``bits``; its outputs are in as many groups as
    the moments have.
    """
    groups, size = moments.shape[:2]
    moments = moments.double()
    rows = weight.detach().double().reshape(groups, -1, size)
    energy = moments.diagonal(dim1=1, dim2=2)
    least = (LEAST_ENERGY * energy.mean()).clamp(min=torch.finfo(torch.float32).tiny)
    importance = energy.clamp(min=least)[:, None].expand_as(rows)
    orders = energy.argsort(dim=1, descending=True)
    influences = list(map(_influence, moments + least * torch.eye(size), orders))
    found = []
    for each in bits:
        entries = palette(rows.flatten(), importance.flatten(), 2**each)
        by_group = zip(rows, orders, influences, strict=True)
        result = torch.stack([_in_order(*group, entries) for group in by_group])
        error = _energy(result - rows, moments) / _energy(rows, moments).clamp(min=least)
        found.append(Rounded(result.view_as(weight).float(), each, error.item()))
    return found


def _energy(rows: Tensor, moments: Tensor) -> Tensor:
    return (rows @ moments * rows).sum()


def _influence(moments: Tensor, order: Tensor) -> Tensor:
    """How an error at each input is best made up for by those after it in the order."""
    moments = moments[order][:, order]
    damped = moments + DAMPING * moments.diagonal().mean() * torch.eye(len(moments))
    return torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)


def _in_order(rows: Tensor, order: Tensor, influence: Tensor, entries: Tensor) -> Tensor:
    """Rows (O, inputs) in the numbers of a palette, input by input in this order."""
    rows = rows[:, order]
    result = torch.empty_like(rows)
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        errors = torch.empty_like(rows[:, start:end])
        for column in range(start, end):
            result[:, column] = entries[nearest(rows[:, column].contiguous(), entries)]
            error = (rows[:, column] - result[:, column]) / influence[column, column]
            rows[:, column:end] -= error[:, None] * influence[column, column:end]
            errors[:, column - start] = error
        rows[:, end:] -= errors @ influence[start:end, end:]
    return result[:, order.argsort()]


def palette(numbers: Tensor, importance: Tensor, count: int) -> Tensor:
    """The means of weighted k-means over numbers (N,), ascending; it begins evenly over their
    order. Fewer than ``count`` where there are fewer numbers.
    """
    numbers, order = numbers.sort()
    weight = importance[order].double()
    entries = numbers.unique()
    if len(entries) <= count:
        return entries
    entries = numbers[torch.linspace(0, len(numbers) - 1, count).long()].unique()
    none = torch.zeros(1, dtype=torch.double)
    weights = torch.cat([none, weight.cumsum(0)])
    totals = torch.cat([none, (numbers * weight).cumsum(0)])
    for _ in range(LLOYD_STEPS):
        inner = torch.searchsorted(numbers, (entries[1:] + entries[:-1]) / 2)
        ends = torch.cat([torch.tensor([0]), inner, torch.tensor([len(numbers)])])
        held = weights[ends[1:]] - weights[ends[:-1]]
        means = (totals[ends[1:]] - totals[ends[:-1]]) / held.clamp(min=1e-300)
        moved = torch.where(held > 0, means.to(entries.dtype), entries)
        if torch.equal(moved, entries):
            break
        entries = moved
    return entries


def nearest(numbers: Tensor, entries: Tensor) -> Tensor:
    """The index of each number's nearest in an ascending palette."""
    return torch.bucketize(numbers, (entries[1:] + entries[:-1]) / 2)


def choose(candidates: Mapping[str, Sequence[Rounded]], average: float) -> dict[str, Rounded]:
    """One candidate of each layer, by ascending bits: from the smallest of all, the step that takes
    most error away for each bit that it stores, while ``average`` bits a weight hold it.
    """
    place = dict.fromkeys(candidates, 0)
    left = sum(each[0].weight.numel() * (average - each[0].bits) for each in candidates.values())
    while True:
        steps = [
            ((now.error - then.error) / cost, name, cost)
            for name, each in candidates.items()
            for now, then in zip(each[place[name] :], each[place[name] + 1 :][:1], strict=False)
            if (cost := then.stored_bits - now.stored_bits) <= left
        ]
        gain, name, cost = max(steps, default=(0.0, "", 0))
        if gain <= 0.0:
            return {name: each[place[name]] for name, each in candidates.items()}
        place[name] += 1
        left -= cost
