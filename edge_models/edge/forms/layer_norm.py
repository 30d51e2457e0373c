"""Layer norm over the channels of tokens, without its affine part, in every form a target takes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST_MAGNITUDE = 2.0**-8  # of a token, where epsilon, 1e-6 or more, outweighs the variance


class LayerNormByLinear(nn.Module):
    """Layer norm over the last axis of (B, N, C) tokens, without its affine part.

    before: (x - mean) / sqrt(var + eps)
    after:  the same, each mean over C as a linear with the constant weight 1 / C: no reduction
    operator and no layout change. Its linears must stay float at INT8: they carry the statistics.
    ``centered``: the input's mean over C is zero already.
    """

    has_affine = False
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
    """The same by the layer norm operator.

    before: weight and bias left out
    after:  the constants 1 and 0 for them: ExecuTorch's Vulkan runtime up to 1.5.1 takes none left
    out. ``centered`` tokens go through the same operator.
    """

    has_affine = True  # ``weight`` and ``bias`` may be set to the affine part's

    weight: Tensor
    bias: Tensor

    def __init__(self, dim: int, eps: float, centered: bool = False) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps
        self.register_buffer("weight", torch.ones(dim))
        self.register_buffer("bias", torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.dim,), self.weight, self.bias, self.eps)


class LayerNormScaled(nn.Module):
    """Layer norm over the channels of (B, C, 1, N), without its affine part, for float16.

    before: c / sqrt(mean(c^2) + eps), with c = x - mean(x)
    after:  y / sqrt(mean(y^2) + (sqrt(eps) / m)^2), with m = max |c| of the token and y = c / m:
    squares of numbers up to 1, of which at least one is 1, neither overflow nor vanish.
    ``centered``: the input's mean over C is zero already. The constants are tensors:
    a number divided by a tensor becomes Core ML's inverse, which adds an epsilon of its own, and a
    clamp with one limit a clip whose other limit float16 does not hold.
    """

    has_affine = False
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
