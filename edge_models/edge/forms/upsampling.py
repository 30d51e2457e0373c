"""ReLU(W t + b) of tokens, upsampled to a map by nearest neighbours, in every target's form."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, linear_from, pointwise_from
from edge_models.spec import Size


class UpsamplingByCopies(nn.Module):
    """ReLU(W t + b) of row tokens, upsampled to a map by nearest neighbours, without a resize.

    before: interpolate(to_map(ReLU(W t + b)), stride), nearest
    after:  channels last, each pixel and then each row concatenated with itself
    """

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.project = linear_from(affine)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.project(tokens))
        x = x.view(len(x), *self.size, -1)  # (B, h, w, C)
        return nearest(x, (self.stride, self.stride)).permute(0, 3, 1, 2)


def nearest(x: Tensor, factors: tuple[int, int]) -> Tensor:
    """(B, H, W, C) -> (B, r H, s W, C) for ``factors`` (r, s)."""
    batch, height, width, channels = x.shape
    rows, columns = factors
    x = repeated(x, 3, columns)  # (B, H, W, s C)
    x = repeated(x.reshape(batch, height, 1, -1), 2, rows)  # (B, H, r, W s C)
    return x.reshape(batch, rows * height, columns * width, channels)


def repeated(x: Tensor, axis: int, times: int) -> Tensor:
    """So many copies of a tensor beside each other."""
    return x if times == 1 else torch.cat([x] * times, axis)


class UpsamplingOfMatrix(nn.Module):
    """ReLU(W t + b) of (N, C) tokens, upsampled to a map by the nearest-neighbour operator."""

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.channels = len(affine.bias)
        self.project = linear_from(affine)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.project(tokens)).permute(1, 0)
        x = x.reshape(1, self.channels, *self.size)
        return x if self.stride == 1 else F.interpolate(x, scale_factor=float(self.stride))


class UpsamplingOfColumns(nn.Module):
    """ReLU(W t + b) of (B, C, 1, N) tokens, upsampled to a map by nearest neighbours."""

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.project = pointwise_from(affine)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.project(tokens)).flatten(2).unflatten(2, self.size)
        return x if self.stride == 1 else F.interpolate(x, scale_factor=float(self.stride))
