"""Larger maps: nearest neighbours, bilinear, and channels laid out as pixels."""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from edge_models.edge.forms import Forms
from edge_models.edge.forms.upsampling import nearest
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten


class NearestByCopies(nn.Module):
    """Nearest neighbours by whole factors, (B, C, H, W) -> (B, C, r H, s W).

    before: pixel (y, x) of the result is pixel (y // r, x // s)
    after:  channels last, each pixel and then each row concatenated with itself
    """

    def __init__(self, factors: tuple[int, int]) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, x: Tensor) -> Tensor:
        return nearest(x.permute(0, 2, 3, 1), self.factors).permute(0, 3, 1, 2)


class BilinearByMatrices(nn.Module):
    """before: each pixel a weighted sum of four; after: A x B^T, A and B what the operator makes of
    single pixels along each axis: it treats the axes one after the other.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = F.linear(x.reshape(-1, width), self.columns)
        x = x.reshape(batch * channels, height, -1).transpose(1, 2)
        x = F.linear(x.reshape(-1, height), self.rows)
        return x.reshape(batch, channels, len(self.columns), -1).transpose(2, 3)


class PixelShuffle(nn.Module):
    """Channels to pixels, (1, C r r, H, W) -> (1, C, r H, r W), with tensors of five axes."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        r = self.factor
        x = x.reshape(channels // (r * r), r, r, height, width).permute(0, 3, 1, 4, 2)
        return x.reshape(1, channels // (r * r), r * height, r * width)


class PixelUnshuffle(nn.Module):
    """Pixels to channels, (1, C, r H, r W) -> (1, C r r, H, W), with tensors of five axes."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        r = self.factor
        x = x.reshape(channels, height // r, r, width // r, r).permute(0, 2, 4, 1, 3)
        return x.reshape(1, channels * r * r, height // r, width // r)


def _nearest(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size, result = arguments(node), shape(node.args[0]), shape(node)
    factors = result[2] // size[2], result[3] // size[3]
    if (result[2] % size[2], result[3] % size[3]) != (0, 0):
        return None
    if given["scale_factors"] is not None and tuple(given["scale_factors"]) != factors:
        return None
    return NearestByCopies(factors)


def _bilinear(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given, size, result = arguments(node), shape(node.args[0]), shape(node)
    matrices = []
    for axis in (0, 1):
        length = size[2 + axis]
        pixels = torch.eye(length).view(1, length, 1, length)
        factors = None if given["scale_factors"] is None else [1.0, given["scale_factors"][axis]]
        wanted = [1, result[2 + axis]] if factors is None else None
        weights = aten.upsample_bilinear2d.vec(pixels, wanted, given["align_corners"], factors)
        matrices.append(weights[0, :, 0].T.contiguous())
    return BilinearByMatrices(*matrices)


def _shuffled(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return PixelShuffle(arguments(node)["upscale_factor"]) if shape(node)[0] == 1 else None


def _unshuffled(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return PixelUnshuffle(arguments(node)["downscale_factor"]) if shape(node)[0] == 1 else None


REWRITES = (
    Rewrite("upsample_nearest2d", (aten.upsample_nearest2d.vec,), _nearest),
    Rewrite("upsample_bilinear2d", (aten.upsample_bilinear2d.vec,), _bilinear),
    Rewrite("pixel_shuffle", (aten.pixel_shuffle.default,), _shuffled),
    Rewrite("pixel_unshuffle", (aten.pixel_unshuffle.default,), _unshuffled),
)
