"""Tokens as the rows of one matrix, (N, C): for targets that run one image and compute by matrices.

before: (1, N, C), of which every linear takes the matrix out and puts it back
after:  (N, C) from the feature map to the heads; the same numbers in two operators fewer a linear
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, linear_from
from edge_models.edge.primitives import RowTokens, Size


class MatrixTokens(RowTokens):
    """Tokens as rows of a matrix, (N, C), of one image."""

    @staticmethod
    def constant(rows: Tensor) -> Tensor:
        if len(rows) != 1:
            raise ValueError("tokens of one image alone are a matrix")
        return rows[0]

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        return x.view(x.shape[1], -1).permute(1, 0)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        return tokens[:1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        return tokens[1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=0)

    @staticmethod
    def as_vector(tokens: Tensor) -> Tensor:
        return tokens


class AttentionOfMatrices(nn.Module):
    """softmax(q k^T) v for each head, (N, C) tokens, as products of 3-D operands.

    The scale 1 / sqrt(C / heads) is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        tokens, dim = query.shape
        split = (tokens, self.num_heads, dim // self.num_heads)
        query = query.view(split).permute(1, 0, 2)  # (heads, N, C / heads)
        key = key.view(split).permute(1, 2, 0)  # (heads, C / heads, N)
        value = value.view(split).permute(1, 0, 2)
        context = torch.bmm(torch.softmax(torch.bmm(query, key), dim=-1), value)
        return context.permute(1, 0, 2).reshape(tokens, dim)


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


class SoftmaxByLargest(nn.Module):
    """H*W * softmax over H*W positions, times a value map; all tensors (B, C, H, W).

    before: H*W * exp(a) / sum(exp(a))
    after:  e / mean(e), with e = exp(a - max a): values near 1 instead of 1 / (H*W), which float16
    holds to its full precision. The largest by a reduction, as a pool would write its place too.
    """

    def __init__(self, _: Size) -> None:
        super().__init__()

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        exponential = torch.exp(attention - torch.amax(attention, dim=(2, 3), keepdim=True))
        return exponential / exponential.mean(dim=(2, 3), keepdim=True) * value
