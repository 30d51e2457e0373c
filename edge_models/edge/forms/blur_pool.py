"""The blur pool of maps with an even number of rows and columns, in every form that a target takes.

before: reflect one pixel at all four sides, then a 3x3 convolution by [1, 2, 1] / 4 along both
axes, of stride 2
after:  the second row above the first, the second column left of the first: the convolution does
not reach the other sides. A concatenation of slices, as no backend reflects.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BlurPoolDepthwise(nn.Module):
    """By a depthwise convolution, (B, C, H, W) -> (B, C, H / 2, W / 2); ``weight``: the filter,
    (C, 1, 3, 3).
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(_reflected(x), self.weight, stride=2, groups=x.shape[1])


class BlurPoolByMeans(nn.Module):
    """By two means of 2x2 pixels: [1, 2, 1] / 4 is [1, 1] / 2 after [1, 1] / 2, the second of
    stride 2.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        del weight  # the means are the filter

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.avg_pool2d(_reflected(x), 2, 1), 2, 2)


def _reflected(x: Tensor) -> Tensor:
    x = torch.cat([x[:, :, 1:2], x], dim=2)
    return torch.cat([x[..., 1:2], x], dim=3)
