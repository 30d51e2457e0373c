"""The Contextual Transformer layer of the official CoTNet family, with its local convolution.

Source: Li et al., "Contextual Transformer Networks for Visual Recognition" (arXiv:2107.12292); key
names of JDAI-CV/CoTNet. There the local convolution is a CUDA kernel; here it is its definition
over unfolded neighbourhoods.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = 3
TAPS = KERNEL * KERNEL
SHARE = 8  # channels of a map that share one channel of local weights
EMBED_FACTOR = 2  # dim / hidden width of the local weights' bottleneck
RADIX = 2  # maps that the attention weighs: dynamic and static context
ATTENTION_FACTOR = 4
SMALLEST_ATTENTION = 32


class LocalConvolution(nn.Module):
    """A 3x3 convolution over the zero-padded map whose weights differ by position and image.

    ``forward`` takes the map (B, C, H, W) and its weights (B, 9 * groups, H, W), channel
    g * 9 + tap, and gives (B, C, H, W). Each of ``halves`` equal parts of the channels is convolved
    on its own with its own part of the weights; in a part, channel c uses weight channel
    c % groups.
    """

    def __init__(self, halves: int = 1) -> None:
        super().__init__()
        self.halves = halves

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        groups = weights.shape[1] // TAPS // self.halves
        windows = F.unfold(x, KERNEL, padding=KERNEL // 2)  # (B, C * 9, H * W)
        windows = windows.view(batch * self.halves, -1, groups, TAPS, height, width)
        weights = weights.view(batch * self.halves, 1, groups, TAPS, height, width)
        return (windows * weights).sum(3).view(batch, channels, height, width)


class OfficialCoTLayer(nn.Module):
    """Static context from a grouped 3x3 convolution, dynamic context from a local convolution, and
    channel attention that weighs the two.

    Args:
        dim: number of input and output channels.
        key_groups: groups of the key convolution; 4 in CoTNet, 8 in CoTNeXt.
        halves: 2 for CoTNeXt's layer, whose pointwise convolutions have two groups.
    """

    def __init__(self, dim: int, key_groups: int = 4, halves: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.halves = halves
        padding = KERNEL // 2
        self.key_embed = nn.Sequential(
            nn.Conv2d(dim, dim, KERNEL, padding=padding, groups=key_groups, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(inplace=True),
        )
        hidden, groups = dim // EMBED_FACTOR, dim // SHARE
        self.embed = nn.Sequential(
            nn.Conv2d(2 * dim, hidden, 1, groups=halves, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, TAPS * groups, 1, groups=halves),
            nn.GroupNorm(groups, TAPS * groups),
        )
        self.conv1x1 = nn.Sequential(
            nn.Conv2d(dim, dim, 1, groups=halves, bias=False), nn.BatchNorm2d(dim)
        )
        self.local_conv = LocalConvolution(halves)
        self.bn = nn.BatchNorm2d(dim)
        attention = max(dim * RADIX // ATTENTION_FACTOR, SMALLEST_ATTENTION)
        self.se = nn.Sequential(
            nn.Conv2d(dim, attention, 1),
            nn.BatchNorm2d(attention),
            nn.ReLU(inplace=True),
            nn.Conv2d(attention, RADIX * dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to (B, dim, H, W)."""
        static_context = self.key_embed(x)
        if self.halves == 1:
            pair = torch.cat([x, static_context], dim=1)
        else:
            pair = torch.stack([x, static_context], dim=2).flatten(1, 2)  # x0, k0, x1, k1, ...
        weights = self.embed(pair)
        dynamic_context = F.silu(self.bn(self.local_conv(self.conv1x1(x), weights)))
        contexts = torch.stack([dynamic_context, static_context], dim=2)  # (B, C, 2, H, W)
        attention = self.se(contexts.sum(2).mean((2, 3), keepdim=True))
        attention = torch.softmax(attention.view(-1, self.dim, RADIX), dim=2)
        return (contexts * attention[..., None, None]).sum(2)
