"""Average pools that count their zero padding, in every form that a target takes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
