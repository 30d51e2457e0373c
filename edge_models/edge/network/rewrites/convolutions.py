"""Convolutions with groups that Vulkan computes wrongly, by those that it computes rightly; those
of an image's few channels in the form of a stem.
"""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, convolution_from, dense
from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.pools import pair
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten
TAKEN = (3, 5)  # kernels of a depthwise convolution, with stride 1 and padding
TEXEL = 4  # channels that lie together
OF_AN_IMAGE = 4  # channels at most: its colours, and one more


class DepthwiseByParts(nn.Module):
    """A depthwise convolution with a kernel of k x k, stride s and padding p.

    before: y[i] = sum over r of w[r] x[s i + r - p], along either axis
    after:  pad the map, convolve with stride 1 and padding, once for each part of at most 5 rows
    and columns of the kernel, zeros beside a smaller one; take every s-th position of the sum
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, padding: int) -> None:
        super().__init__()
        self.stride, self.padding, self.kernel = stride, padding, weight.shape[2]
        size = 3 if self.kernel <= 3 else 5
        self.reach = size // 2
        starts = range(0, self.kernel, size)
        self.places = [(row, column) for row in starts for column in starts]
        channels = len(weight)
        like = nn.Conv2d(channels, channels, size, padding=self.reach, groups=channels)
        parts = []
        for row, column in self.places:
            part = weight[:, :, row : row + size, column : column + size]
            parts.append(F.pad(part, (0, size - part.shape[3], 0, size - part.shape[2])))
        self.more = starts[-1] + size - self.kernel  # rows below that a part's zeros reach
        self.parts = nn.ModuleList(
            convolution_from(
                Affine(part, bias if place == (0, 0) else torch.zeros_like(bias)), like
            )
            for part, place in zip(parts, self.places, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows, columns = (n + 2 * self.padding - self.kernel + 1 for n in (height, width))
        before, after = self.padding, self.padding + self.more
        if after > 0 and len(self.places) > 1:
            x = F.pad(x, (before, after, before, after))
            shift = self.reach
        else:
            shift = self.reach - self.padding
        found = []
        for part, (row, column) in zip(self.parts, self.places, strict=True):
            top, left = row + shift, column + shift
            found.append(part(x)[:, :, top : top + rows, left : left + columns])
        total = found[0]
        for other in found[1:]:
            total = total + other
        return total[:, :, :: self.stride, :: self.stride]


def _convolution(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, layer = arguments(node), program.affine(node)
    groups = given["groups"]
    if groups == 1 or layer is None:
        return None
    weight, bias = layer
    stride, padding, dilation = (pair(given[name]) for name in ("stride", "padding", "dilation"))
    kernel = (weight.shape[2], weight.shape[3])
    if groups == len(weight) and weight.shape[1] == 1:
        square = all(one == other for one, other in (kernel, stride, padding))
        if not square or dilation != (1, 1):
            return None
        if kernel[0] in TAKEN and stride == (1, 1) and padding[0] > 0:
            return None
        if kernel[0] > 1:
            return DepthwiseByParts(weight, bias, stride[0], padding[0])
    whole = weight.shape[1] % TEXEL == 0 and len(weight) // groups % TEXEL == 0
    if kernel == (3, 3) and whole and stride == dilation == (1, 1):
        return None
    return _dense(layer, groups, stride, padding, dilation)


def _dense(
    layer: Affine,
    groups: int,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> nn.Conv2d:
    """before: a convolution of groups; after: one of all channels, zeros between the groups."""
    weight, bias = dense(layer, groups)
    kernel = (weight.shape[2], weight.shape[3])
    made = nn.Conv2d(weight.shape[1], len(weight), kernel, stride, padding, dilation)
    made.weight = nn.Parameter(weight, requires_grad=False)
    made.bias = nn.Parameter(bias, requires_grad=False)
    return made


def _stem(program: Program, node: fx.Node, forms: Forms) -> nn.Module | None:
    given, layer = arguments(node), program.affine(node)
    if layer is None or given["groups"] > 1:
        return None
    stride, padding, dilation = (pair(given[name]) for name in ("stride", "padding", "dilation"))
    result, channels, rows, columns = layer.weight.shape
    whole = columns > 1 and shape(node.args[0])[3] % 2 == 0
    if channels > OF_AN_IMAGE or not whole or stride != (2, 2) or dilation != (1, 1):
        return None
    return forms.stem(layer, nn.Conv2d(channels, result, (rows, columns), stride, padding))


REWRITES = (
    Rewrite("grouped_convolution", (aten.conv2d.default,), _convolution),
    Rewrite("stem", (aten.conv2d.default,), _stem),
)
