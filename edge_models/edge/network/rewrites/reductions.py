"""Means, sums and largest values over any axes, by those over the positions of a map."""

import math
import operator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten
POSITIONS = (2, 3)


class MeanOfPositions(nn.Module):
    """before: the mean over the last two axes of (B, C, H, W), which it drops
    after:  the mean that keeps them, and a view
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(POSITIONS, keepdim=True).flatten(1)


class OverPositions(nn.Module):
    """A reduction over any axes.

    before: reduce(x) over axes of n numbers together
    after:  permute them behind the others, view as (1, others, n, 1) and reduce the positions of
    that map: ``mean``; ``sum`` as n times the mean; ``largest`` as a pool over the whole map
    """

    def __init__(self, given: tuple[int, ...], kind: str, dims: list[int], keep: bool) -> None:
        super().__init__()
        others = [axis for axis in range(len(given)) if axis not in dims]
        self.order = [*others, *dims]
        self.count = math.prod(given[axis] for axis in dims)
        self.kind = kind
        kept = [1 if axis in dims else size for axis, size in enumerate(given)]
        self.result = kept if keep else [given[axis] for axis in others]

    def forward(self, x: Tensor) -> Tensor:
        if self.order != sorted(self.order):
            x = x.permute(self.order)
        x = x.reshape(1, -1, self.count, 1)
        if self.kind == "largest":
            x = F.max_pool2d(x, (self.count, 1), (self.count, 1))
        else:
            x = x.mean(POSITIONS, keepdim=True)
        if self.kind == "sum":
            x = x * float(self.count)
        return x.reshape(self.result)


class MeanOfLast(nn.Module):
    """before: mean of the last axis, C long, kept; after: a linear with the weight 1 / C."""

    weight: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((1, length), 1 / length))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class MeanOfChannels(nn.Module):
    """before: mean of a map's channels, kept; after: a 1x1 convolution with the weight 1 / C."""

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((1, channels, 1, 1), 1 / channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight)


def _dims(node: fx.Node) -> tuple[list[int], bool]:
    given, rank = arguments(node), len(shape(node.args[0]))
    dims = given["dim"]
    listed = [dims] if isinstance(dims, int) else list(dims or range(rank))
    return sorted(dim % rank for dim in listed), bool(given["keepdim"])


def _mean(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    size = shape(node.args[0])
    dims, keep = _dims(node)
    if len(size) == 4 and dims == [2, 3]:
        return None if keep else MeanOfPositions()
    if keep and dims == [len(size) - 1]:
        return MeanOfLast(size[-1])
    if keep and len(size) == 4 and dims == [1]:
        return MeanOfChannels(size[1])
    return OverPositions(size, "mean", dims, keep)


def _mean_kept(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    size = shape(node.args[0])
    dims, keep = _dims(node)
    if len(size) == 4 and dims == [2, 3] and not keep:
        return MeanOfPositions()
    if (len(size) == 4 and dims == [2, 3]) or (len(dims) == 1 and keep):
        return None
    return OverPositions(size, "mean", dims, keep)


def _sum(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return OverPositions(shape(node.args[0]), "sum", *_dims(node))


def _amax(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    size, (dims, keep) = shape(node.args[0]), _dims(node)
    if len(size) == 4 and dims == [2, 3] and keep:
        return None
    return OverPositions(size, "largest", dims, keep)


def _max(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if node.target is not operator.getitem or node.args[1] != 0:
        return None
    return OverPositions(shape(source.args[0]), "largest", *_dims(source))


REWRITES = (
    Rewrite("mean", (aten.mean.dim,), _mean),
    Rewrite("mean_of_several_axes", (aten.mean.dim,), _mean_kept),
    Rewrite("sum", (aten.sum.dim_IntList,), _sum),
    Rewrite("amax", (aten.amax.default,), _amax),
    Rewrite("max", (aten.max.dim,), _max, of_results=True),
)
