"""Pools without what backends do not take: padding they would count otherwise, windows that reach
over the edge, sizes that adapt.
"""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten
LOWEST = -65504.0  # the least number of float16: below every number of a map, in float32 too
Pair = tuple[int, int]
RESNET = ((3, 3), (2, 2), (1, 1))  # the padded pool that is taken as it is


class AveragePoolOfPadded(nn.Module):
    """Average pool of the zero-padded map.

    before: sum over the window / n, n the divisor, which may count the padding or not
    after:  pad with zeros, sum over the window / (k * k), times k * k / n, one n a position; the
    product is left out where all are 1
    """

    share: Tensor

    def __init__(self, kernel: Pair, stride: Pair, pads: list[int], share: Tensor) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads = kernel, stride, pads
        self.counted = bool((share == 1).all())
        self.register_buffer("share", share)

    def forward(self, x: Tensor) -> Tensor:
        if any(self.pads):
            x = F.pad(x, self.pads)
        x = F.avg_pool2d(x, self.kernel, self.stride)
        return x if self.counted else x * self.share


class MaxPoolOfPadded(nn.Module):
    """before: the largest of a window that reaches over the edge
    after:  the same over the map padded with the least number of float16
    """

    def __init__(self, kernel: Pair, stride: Pair, pads: list[int]) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads = kernel, stride, pads

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, self.pads, value=LOWEST), self.kernel, self.stride)


class PoolToSize(nn.Module):
    """before: adaptive pool of (n h, m w) to (h, w); after: one with window and stride (n, m)."""

    def __init__(self, window: Pair, largest: bool) -> None:
        super().__init__()
        self.window = window
        self.pool = F.max_pool2d if largest else F.avg_pool2d

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x, self.window, self.window)


class AverageByMatrices(nn.Module):
    """Adaptive average pool to any size.

    before: the mean of each window, window i from floor(i H / h) to ceil((i + 1) H / h)
    after:  A x B^T with constant rows of 1 / n in the windows' places, for rows and columns
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, given: Pair, size: Pair) -> None:
        super().__init__()
        self.register_buffer("rows", _windows(given[0], size[0]))
        self.register_buffer("columns", _windows(given[1], size[1]))

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.columns).transpose(2, 3)
        return F.linear(x, self.rows).transpose(2, 3)


def _windows(given: int, size: int) -> Tensor:
    """(size, given): the mean over each window of an adaptive pool."""
    mean: Tensor = F.adaptive_avg_pool1d(torch.eye(given), size)  # (given, size)
    return mean.T.contiguous()


def write_strides(program: Program) -> None:
    """before: a pool's stride is left out; after: it is the kernel's size, as that means. Backends
    take no pool without one.
    """
    for node in program.nodes(aten.avg_pool2d.default, aten.max_pool2d.default):
        if not arguments(node)["stride"]:
            node.args = (*node.args[:2], node.args[1], *node.args[3:])
            program.fired["stride"] += 1


def pair(value: Any) -> Pair:
    """A size of both axes, given as one number, a list of one, or of two."""
    numbers = [value] if isinstance(value, int) else list(value)
    return (numbers[0], numbers[-1])


def _geometry(node: fx.Node) -> tuple[Pair, Pair, Pair, list[int]]:
    """Kernel, stride, padding, and the pads (left, right, top, bottom) that every window needs."""
    given = arguments(node)
    kernel = pair(given["kernel_size"])
    stride = pair(given["stride"])
    padding = pair(given["padding"])
    sizes, results = shape(node.args[0])[-2:], shape(node)[-2:]
    pads: list[int] = []
    for axis in (1, 0):
        reach = (results[axis] - 1) * stride[axis] + kernel[axis]
        pads += [padding[axis], max(reach - sizes[axis] - padding[axis], 0)]
    return kernel, stride, padding, pads


def _average(program: Program, node: fx.Node, forms: Forms) -> nn.Module | None:
    given = arguments(node)
    kernel, stride, padding, pads = _geometry(node)
    if not any(padding) and not given["ceil_mode"] and not given["divisor_override"]:
        return None
    counts = given["count_include_pad"] and not given["ceil_mode"]
    square = len({*kernel}) == len({*stride}) == len({*padding}) == 1
    if any(padding) and counts and square and not given["divisor_override"]:
        form = forms.padded_average_pool
        return form(shape(node)[1], kernel[0], stride[0], padding[0])
    ones = torch.ones(1, 1, *shape(node.args[0])[-2:])
    rest = [given[name] for name in ("padding", "ceil_mode", "count_include_pad")]
    whole = aten.avg_pool2d.default(ones, kernel, stride, *rest, given["divisor_override"])
    plain = F.avg_pool2d(F.pad(ones, pads), kernel, stride)
    return AveragePoolOfPadded(kernel, stride, pads, whole / plain)


def _largest(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given = arguments(node)
    kernel, stride, padding, pads = _geometry(node)
    if pair(given["dilation"]) != (1, 1) or not any(pads):
        return None
    if (kernel, stride, padding) == RESNET and not given["ceil_mode"]:
        return None
    return MaxPoolOfPadded(kernel, stride, pads)


def _adapted(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size = shape(node.args[0])[-2:], shape(node)[-2:]
    if size == (1, 1):
        return None
    window = _whole_window(given, size)
    return PoolToSize(window, largest=False) if window else AverageByMatrices(given, size)  # type: ignore[arg-type]


def _adapted_largest(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if node.target is not operator.getitem or node.args[1] != 0:
        return None
    window = _whole_window(shape(source.args[0])[-2:], shape(node)[-2:])
    return PoolToSize(window, largest=True) if window else None


def _whole_window(given: tuple[int, ...], size: tuple[int, ...]) -> Pair | None:
    if given[0] % size[0] or given[1] % size[1]:
        return None
    return given[0] // size[0], given[1] // size[1]


REWRITES = (
    Rewrite("avg_pool2d", (aten.avg_pool2d.default,), _average),
    Rewrite("max_pool2d", (aten.max_pool2d.default,), _largest),
    Rewrite("adaptive_avg_pool2d", (aten.adaptive_avg_pool2d.default,), _adapted),
    Rewrite(
        "adaptive_max_pool2d",
        (aten.adaptive_max_pool2d.default,),
        _adapted_largest,
        of_results=True,
    ),
)
