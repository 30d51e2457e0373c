"""Pieces of a tensor: splits, selections and strided slices, by slices of stride 1 and views."""

import operator

import torch
from torch import Tensor, fx, nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten


class Piece(nn.Module):
    """Positions ``start`` to ``stop`` along one axis, as a tensor of the shape ``size``.

    before: split(x)[i], chunk(x)[i], unbind(x)[i], select(x, i)
    after:  the slice that it is; a view drops the axis
    """

    def __init__(self, dim: int, start: int, stop: int, size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim, self.start, self.stop, self.size = dim, start, stop, size

    def forward(self, x: Tensor) -> Tensor:
        piece: Tensor = aten.slice.Tensor(x, self.dim, self.start, self.stop)
        return piece if piece.shape == self.size else piece.reshape(self.size)


class Viewed(nn.Module):
    """The same numbers in another shape: squeeze, unsqueeze, an expand that repeats nothing."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(self.size)


class StridedSlice(nn.Module):
    """Every ``step``-th position along an axis whose length ``step`` divides, from ``start`` on.

    before: x[..., start::step, :], rest numbers behind the axis
    after:  view the axis as (length / step, step * rest) and slice start * rest to
    (start + 1) * rest of the last
    """

    def __init__(self, given: tuple[int, ...], dim: int, start: int, step: int) -> None:
        super().__init__()
        rest = torch.Size(given[dim + 1 :]).numel()
        self.rows = (*given[:dim], given[dim] // step, step * rest)
        self.start, self.stop = start * rest, (start + 1) * rest
        self.result = (*given[:dim], given[dim] // step, *given[dim + 1 :])

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(self.rows)[..., self.start : self.stop].reshape(self.result)


class Rolled(nn.Module):
    """before: roll(x, s) along an axis of n; after: cat(x[n - s:], x[:n - s]), axis by axis."""

    def __init__(self, given: tuple[int, ...], shifts: list[int], dims: list[int]) -> None:
        super().__init__()
        pairs = zip(shifts, dims, strict=True)
        self.cuts = [(dim, given[dim] - shift % given[dim], given[dim]) for shift, dim in pairs]

    def forward(self, x: Tensor) -> Tensor:
        for dim, cut, length in self.cuts:
            if cut < length:
                parts = (aten.slice.Tensor(x, dim, cut, length), aten.slice.Tensor(x, dim, 0, cut))
                x = torch.cat(parts, dim)
        return x


def _part(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    """One result of a split: where it starts is what the results before it hold."""
    split = node.args[0]
    assert isinstance(split, fx.Node)
    assert node.target is operator.getitem
    given = arguments(split)
    dim = given["dim"] % len(shape(split.args[0]))
    index = node.args[1]
    assert isinstance(index, int)
    sizes = [part.shape[dim] for part in split.meta["val"]]
    index %= len(sizes)
    start = sum(sizes[:index])
    return Piece(dim, start, start + sizes[index], shape(node))


def _unbound(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    unbind = node.args[0]
    dim = arguments(unbind)["dim"] % len(shape(unbind.args[0]))  # type: ignore[arg-type,union-attr]
    index = node.args[1]
    assert isinstance(index, int)
    index %= shape(unbind.args[0])[dim]  # type: ignore[union-attr]
    return Piece(dim, index, index + 1, shape(node))


def _selected(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size = arguments(node), shape(node.args[0])
    dim = given["dim"] % len(size)
    index = given["index"] % size[dim]
    return Piece(dim, index, index + 1, shape(node))


def _viewed(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return Viewed(shape(node))


def _expanded(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    same = torch.Size(shape(node)).numel() == torch.Size(shape(node.args[0])).numel()
    return Viewed(shape(node)) if same else None


def _strided(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size = arguments(node), shape(node.args[0])
    dim, step = given["dim"] % len(size), given["step"]
    length = size[dim]
    if step == 1 or length % step or shape(node)[dim] != length // step:
        return None
    start = given["start"] or 0
    return StridedSlice(size, dim, start % length, step)


def _rolled(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size = arguments(node), shape(node.args[0])
    dims = [dim % len(size) for dim in given["dims"]]
    return Rolled(size, list(given["shifts"]), dims) if dims else None


SPLITS = (aten.split.Tensor, aten.split_with_sizes.default, aten.chunk.default)
REWRITES = (
    Rewrite("split", SPLITS, _part, of_results=True),
    Rewrite("unbind", (aten.unbind.int,), _unbound, of_results=True),
    Rewrite("select", (aten.select.int,), _selected),
    Rewrite(
        "squeeze",
        (aten.squeeze.dim, aten.squeeze.dims, aten.squeeze.default, aten.unsqueeze.default),
        _viewed,
    ),
    Rewrite("expand", (aten.expand.default,), _expanded),
    Rewrite("strided_slice", (aten.slice.Tensor,), _strided),
    Rewrite("roll", (aten.roll.default,), _rolled),
)
