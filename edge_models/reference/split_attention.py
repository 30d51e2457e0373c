"""The split-attention convolution with one split, and the blur pool, of SE-CoTNetD.

Sources: Zhang et al., "ResNeSt: Split-Attention Networks" (arXiv:2004.08955); Zhang, "Making
Convolutional Networks Shift-Invariant Again" (arXiv:1904.11486). Key names of timm.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4
SMALLEST_HIDDEN = 32


class SplitAttention(nn.Module):
    """3x3 convolution whose channels are weighed by a gate of their means, (B, dim, H, W)."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.dim = dim
        hidden = max(dim // REDUCTION, SMALLEST_HIDDEN)
        self.conv = nn.Conv2d(dim, dim, 3, stride=stride, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(dim)
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.bn0(self.conv(x)))
        gate = F.silu(self.bn1(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(self.fc2(gate))


class BlurPool(nn.Module):
    """Every second pixel of the map smoothed by [1, 2, 1] / 4 along both axes, reflected at edges.

    The filter is no entry of a state dict.
    """

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        weight = (line[:, None] * line).repeat(channels, 1, 1, 1)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.weight, stride=2, groups=x.shape[1])
