"""H*W * softmax over the H*W positions of a map, times a value map; tensors (B, C, H, W).

before: H*W * exp(a) / sum(exp(a))
after:  e / mean(e), with e = exp(a - max a): values near 1 instead of 1 / (H*W), which float16
holds to its full precision, and no transpose of a channels-last map. The mean keeps its dimensions,
as backends take it only so.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.spec import Size


class SoftmaxByPool(nn.Module):
    """The largest by a pool over the whole map, which XNNPACK takes."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        maximum = F.max_pool2d(attention, self.size, stride=self.size)  # (B, C, 1, 1)
        exponential = torch.exp(attention - maximum)
        return exponential / exponential.mean(dim=(2, 3), keepdim=True) * value


class SoftmaxByReduction(nn.Module):
    """The largest by a reduction: a pool would write its place too."""

    def __init__(self, _: Size) -> None:
        super().__init__()

    def forward(self, attention: Tensor, value: Tensor) -> Tensor:
        exponential = torch.exp(attention - torch.amax(attention, dim=(2, 3), keepdim=True))
        return exponential / exponential.mean(dim=(2, 3), keepdim=True) * value
