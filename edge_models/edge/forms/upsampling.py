"""ReLU(W t + b) of tokens, upsampled to a map by nearest neighbours, in every target's form."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, linear_from, pointwise_from
from edge_models.spec import Size


class UpsamplingBroadcast(nn.Module):
    """ReLU(W t + b) of row tokens, upsampled to a map by nearest neighbours, without a resize.

    before: interpolate(to_map(ReLU(W t + b)), stride), nearest
    after:  each output channel's weights stand ``stride`` times, so that the linear itself writes
    every pixel ``stride`` times along a row; the row is repeated by a product with constant ones.
    """

    ones: Tensor

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.channels = len(affine.bias)
        repeated = Affine(affine.weight.repeat(stride, 1), affine.bias.repeat(stride))
        self.project = linear_from(repeated)
        self.register_buffer("ones", torch.ones(1, 1, stride, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        height, width = self.size
        x = torch.relu(self.project(tokens))  # (B, h * w, stride * C)
        if self.stride > 1:
            row = width * self.stride * self.channels
            x = x.view(-1, height, 1, row) * self.ones  # (B, h, stride, w * stride * C)
        x = x.view(-1, height * self.stride, width * self.stride, self.channels)
        return x.permute(0, 3, 1, 2)


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
