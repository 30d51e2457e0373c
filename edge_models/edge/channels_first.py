"""Forms for the Neural Engine: rank-4 tensors whose channels stand first, (B, C, 1, N) for tokens.

It computes in float16, whose numbers end at 65504 and lose digits below 6e-5: squares and sums are
taken of numbers that were scaled to about 1 first.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, convolution_from
from edge_models.edge.primitives import RowTokens, Size

SMALLEST_MAGNITUDE = 2.0**-8  # of a token, where epsilon, 1e-6 or more, outweighs the variance


class ChannelTokens(RowTokens):
    """Tokens as columns, (B, C, 1, N): a linear is a 1x1 convolution, a map's pixels are tokens
    without a transpose.
    """

    @staticmethod
    def linear(affine: Affine) -> nn.Module:
        return _pointwise(affine)

    @staticmethod
    def constant(rows: Tensor) -> Tensor:
        return rows.transpose(1, 2).unsqueeze(2).contiguous()

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], 1, -1)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        return tokens[..., :1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        return tokens[..., 1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=3)


def _pointwise(affine: Affine) -> nn.Conv2d:
    """The same product for every column of (B, C, 1, N)."""
    return convolution_from(Affine(affine.weight[:, :, None, None], affine.bias))


class LayerNormScaled(nn.Module):
    """Layer norm over the channels of (B, C, 1, N), without its affine part, for float16.

    before: c / sqrt(mean(c^2) + eps), with c = x - mean(x)
    after:  y / sqrt(mean(y^2) + (sqrt(eps) / m)^2), with m = max |c| of the token and y = c / m:
    squares of numbers up to 1, of which at least one is 1, neither overflow nor vanish.
    ``centered``: the input's mean over C is zero already. The constants are tensors:
    a number divided by a tensor becomes Core ML's inverse, which adds an epsilon of its own, and a
    clamp with one limit a clip whose other limit float16 does not hold.
    """

    root_eps: Tensor
    smallest: Tensor

    def __init__(self, dim: int, eps: float, centered: bool = False) -> None:
        super().__init__()
        self.centered = centered
        self.register_buffer("root_eps", torch.full((1, 1, 1, 1), eps**0.5))
        self.register_buffer("smallest", torch.full((1, 1, 1, 1), SMALLEST_MAGNITUDE))

    def forward(self, x: Tensor) -> Tensor:
        if not self.centered:
            x = x - x.mean(dim=1, keepdim=True)
        magnitude = torch.maximum(x.abs().amax(dim=1, keepdim=True), self.smallest)
        x = x / magnitude
        epsilon = self.root_eps / magnitude
        return x * torch.rsqrt((x * x).mean(dim=1, keepdim=True) + epsilon * epsilon)


class SoftmaxByReductions(nn.Module):
    """H*W * softmax over the positions of (B, C, H, W) times a value map, as ``SoftmaxByMeans``,
    its maximum by the reduction operator instead of a pool over the whole map.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        exponential = torch.exp(attention - attention.amax(dim=(2, 3), keepdim=True))
        return exponential / exponential.mean(dim=(2, 3), keepdim=True) * value


class AttentionByHeads(nn.Module):
    """softmax(q k^T) v for each head of (B, C, 1, N), as rank-4 products without a transpose.

    The channels of a head stand together, so that heads are an axis by a reshape alone; the
    transposed operands are flags of the product. The scale is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, channels, _, tokens = query.shape
        split = (batch, self.num_heads, channels // self.num_heads, tokens)
        query, key, value = query.reshape(split), key.reshape(split), value.reshape(split)
        weights = torch.softmax(query.transpose(2, 3) @ key, dim=-1)  # (B, heads, N, N)
        context = value @ weights.transpose(2, 3)  # (B, heads, C / heads, N)
        return context.reshape(batch, channels, 1, tokens)


class UpsamplingOfColumns(nn.Module):
    """ReLU(W t + b) of (B, C, 1, N) tokens, upsampled to a map by nearest neighbours."""

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.project = _pointwise(affine)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.project(tokens)).flatten(2).unflatten(2, self.size)
        return x if self.stride == 1 else F.interpolate(x, scale_factor=float(self.stride))
