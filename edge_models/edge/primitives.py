"""Operations that a target wants written its own way, each in every form that some target takes.

``Forms`` names one form of each operation; a target holds its ``Forms`` as data. The edge models
are written over these and hold no operation of their own that a target could want otherwise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, convolution_from, linear_from
from edge_models.edge.local_convolution import LocalConvolutionNative

Size = tuple[int, int]  # (height, width)


class StemNative(nn.Module):
    """The first convolution, (B, 3, H, W) -> (B, C, H / 2, W / 2), as it is."""

    def __init__(self, affine: Affine, like: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution_from(affine, like)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


class ColumnPairs(nn.Conv2d):
    """Neighbouring columns beside each other as channels: (B, C, H, W) with zero columns at both
    sides -> (B, 2 * C, H, W / 2 + padding). A convolution that copies; exact in INT8 too where the
    result keeps the scale of the input.
    """

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__(channels, 2 * channels, (1, 2), (1, 2), (0, padding), bias=False)
        copies = torch.eye(2 * channels).view(2 * channels, 2, channels, 1)  # (O, column, I, row)
        self.weight = nn.Parameter(copies.permute(0, 2, 3, 1).contiguous(), requires_grad=False)


class StemByColumnPairs(nn.Module):
    """The same over pairs of columns: INT8 kernels take channels in groups of eight, of which three
    channels leave five empty.

    before: a k x k convolution of stride 2, k odd
    after:  a convolution k x (k + 1) / 2 of stride (2, 1) over pairs; the added column weighs zero
    """

    def __init__(self, affine: Affine, like: nn.Conv2d) -> None:
        super().__init__()
        if like.kernel_size[1] % 2 == 0 or like.stride != (2, 2):
            raise ValueError("pairs of columns need an odd kernel and stride 2")
        rows, columns = (int(size) for size in like.padding)
        self.pairs = ColumnPairs(like.in_channels, columns)
        weight = F.pad(affine.weight, (0, 1)).unflatten(3, (-1, 2))  # (O, I, k, (k + 1) / 2, 2)
        weight = weight.permute(0, 4, 1, 2, 3).flatten(1, 2)
        over_pairs = nn.Conv2d(2 * like.in_channels, len(weight), 1, (2, 1), (rows, 0))
        self.convolution = convolution_from(Affine(weight, affine.bias), over_pairs)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self.pairs(x))


class SoftmaxByMeans(nn.Module):
    """H*W * softmax over H*W positions, times a value map; all tensors (B, C, H, W).

    before: H*W * exp(a) / sum(exp(a))
    after:  e / mean(e), with e = exp(a - max a): values near 1 instead of 1 / (H*W), no transpose
    of a channels-last map. The mean keeps its dimensions, as backends take it only so.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        maximum = F.max_pool2d(attention, self.size, stride=self.size)  # (B, C, 1, 1)
        exponential = torch.exp(attention - maximum)
        return exponential / exponential.mean(dim=(2, 3), keepdim=True) * value


class SoftmaxNative(nn.Module):
    """The same product as ``SoftmaxByMeans`` with the softmax operator on the last axis."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        height, width = self.size
        weights = torch.softmax(attention.flatten(2), dim=-1) * float(height * width)
        return weights.unflatten(2, (height, width)) * value


class AveragePoolDepthwise(nn.Module):
    """Average pool that counts its zero padding, (B, C, H, W), as a depthwise convolution.

    before: sum over the k x k window, zeros outside the map, / (k * k)
    after:  depthwise convolution with the constant weight 1 / (k * k); quantizes like any other.
    """

    weight: Tensor

    def __init__(self, channels: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.register_buffer("weight", torch.full((channels, 1, kernel, kernel), kernel**-2.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.padding, groups=x.shape[1])


class AveragePoolNative(nn.AvgPool2d):
    """Average pool by the operator itself."""

    def __init__(self, channels: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(kernel, stride, padding)


class LayerNormByLinear(nn.Module):
    """Layer norm over the last axis of (B, N, C) tokens, without its affine part.

    before: (x - mean) / sqrt(var + eps)
    after:  the same, each mean over C as a linear with the constant weight 1 / C: no reduction
    operator and no layout change. Its linears must stay float at INT8: they carry the statistics.
    ``centered``: the input's mean over C is zero already.
    """

    mean: Tensor

    def __init__(self, dim: int, eps: float, centered: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.centered = centered
        self.register_buffer("mean", torch.full((1, dim), 1.0 / dim))

    def forward(self, x: Tensor) -> Tensor:
        if not self.centered:
            x = x - F.linear(x, self.mean)
        variance = F.linear(x * x, self.mean)
        return x * torch.rsqrt(variance + self.eps)


class LayerNormNative(nn.Module):
    """The same by the layer norm operator."""

    def __init__(self, dim: int, eps: float, centered: bool = False) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.dim,), eps=self.eps)


class RowTokens:
    """Tokens as rows, (B, N, C): a linear is a matrix product over the last axis."""

    @staticmethod
    def linear(affine: Affine) -> nn.Module:
        return linear_from(affine)

    @staticmethod
    def constant(rows: Tensor) -> Tensor:
        """(B, N, C) rows in this layout."""
        return rows

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        """(B, C, H, W) -> tokens in row-major order of the pixels."""
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        """The class token, as a sequence of one."""
        return tokens[:, :1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        """All but the class token."""
        return tokens[:, 1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=1)

    @staticmethod
    def as_vector(tokens: Tensor) -> Tensor:
        """A sequence of one token -> (B, C)."""
        return tokens.flatten(1)


class AttentionBatched(nn.Module):
    """softmax(q k^T) v for each head, (B, N, C) row tokens, as batched products of 3-D operands.

    The scale 1 / sqrt(C / heads) is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, tokens, dim = query.shape
        heads = self.num_heads
        split = (batch, tokens, heads, dim // heads)
        query = query.view(split).permute(0, 2, 1, 3).flatten(0, 1)  # (B * heads, N, C / heads)
        key = key.view(split).permute(0, 2, 3, 1).flatten(0, 1)  # (B * heads, C / heads, N)
        value = value.view(split).permute(0, 2, 1, 3).flatten(0, 1)
        context = torch.bmm(torch.softmax(torch.bmm(query, key), dim=-1), value)
        context = context.unflatten(0, (batch, heads)).permute(0, 2, 1, 3)
        return context.flatten(2)


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


class UpsamplingDepthToSpace(nn.Module):
    """As ``UpsamplingBroadcast``, with every pixel of a cell written by the linear itself and one
    transpose (depth to space) to put them in place: more products, no broadcast."""

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.channels = len(affine.bias)
        repeated = Affine(affine.weight.repeat(stride**2, 1), affine.bias.repeat(stride**2))
        self.project = linear_from(repeated)

    def forward(self, tokens: Tensor) -> Tensor:
        (height, width), stride = self.size, self.stride
        x = torch.relu(self.project(tokens))  # (B, h * w, stride * stride * C)
        x = x.view(-1, width, stride, stride * self.channels).permute(0, 2, 1, 3)
        x = x.reshape(-1, height * stride, width * stride, self.channels)
        return x.permute(0, 3, 1, 2)


class UpsamplingNative(nn.Module):
    """The same by the nearest-neighbour operator."""

    def __init__(self, affine: Affine, stride: int, size: Size) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.project = linear_from(affine)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.relu(self.project(tokens)).unflatten(1, self.size).permute(0, 3, 1, 2)
        return x if self.stride == 1 else F.interpolate(x, scale_factor=float(self.stride))


@dataclass(frozen=True)
class Forms:
    """One form of each primitive. The defaults are the operators themselves."""

    stem: type[nn.Module] = StemNative
    softmax_mean: type[nn.Module] = SoftmaxNative
    padded_average_pool: type[nn.Module] = AveragePoolNative
    average_pool: type[nn.Module] = AveragePoolNative
    layer_norm: type[nn.Module] = LayerNormNative
    tokens: type[RowTokens] = RowTokens
    attention: type[nn.Module] = AttentionBatched
    upsampling: type[nn.Module] = UpsamplingNative
    residual_scale: float = 1.0  # of a transformer's tokens, where float16 would not hold them
    local_convolution: type[nn.Module] = LocalConvolutionNative
