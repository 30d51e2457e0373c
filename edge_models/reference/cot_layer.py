"""The simplified Contextual Transformer layer.

Source: Li et al., "Contextual Transformer Networks for Visual Recognition" (arXiv:2107.12292),
in the simplified form that is widely copied: the k x k attention maps are averaged and a softmax
over all positions replaces the local matrix multiplication. With ``groups=4`` it is the
``CoTAttention`` of External-Attention-pytorch.
"""

import torch
from torch import Tensor, nn

ATTENTION_FACTOR = 4  # width of the attention bottleneck: 2 * dim / 4


class CoTLayer(nn.Module):
    """Static context from a k x k convolution plus dynamic context from a spatial softmax.

    Args:
        dim: number of input and output channels.
        kernel_size: k of the key convolution and of the k * k attention maps.
        groups: groups of the key convolution; 1 for the simplified layer, 4 for CoTAttention.
    """

    def __init__(self, dim: int, kernel_size: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.kernel_size = kernel_size
        self.key_embed = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size, padding=kernel_size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(inplace=True),
        )
        self.value_embed = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.BatchNorm2d(dim))
        hidden = 2 * dim // ATTENTION_FACTOR
        self.attention_embed = nn.Sequential(
            nn.Conv2d(2 * dim, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, kernel_size * kernel_size * dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to (B, dim, H, W)."""
        batch, dim, height, width = x.shape
        static_context = self.key_embed(x)
        value = self.value_embed(x).view(batch, dim, height * width)
        attention = self.attention_embed(torch.cat([static_context, x], dim=1))
        # (B, k*k*C, H, W) -> (B, C, k*k, H, W), averaged over the k*k maps
        attention = attention.reshape(batch, dim, self.kernel_size**2, height, width)
        attention = attention.mean(dim=2).view(batch, dim, height * width)
        dynamic_context = torch.softmax(attention, dim=-1) * value
        return static_context + dynamic_context.view(batch, dim, height, width)
