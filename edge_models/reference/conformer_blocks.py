"""The blocks of a Conformer, as published: see ``conformer``."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6  # of every block's norms; the stem's bn1 and trans_norm keep PyTorch's 1e-5
EXPANSION = 4


class Attention(nn.Module):
    """Multi-head self-attention over (B, N, C) tokens."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, N, head dim)
        attention = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.proj((attention @ value).transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block over (B, N, C) tokens."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int = 4) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPSILON)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=EPSILON)
        self.mlp = Mlp(dim, dim * mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ConvBlock(nn.Module):
    """ResNet bottleneck that also returns, and takes in, the features at its 3x3 convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, res_conv: bool = False
    ) -> None:
        super().__init__()
        middle = out_channels // EXPANSION
        self.conv1 = nn.Conv2d(in_channels, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle, eps=EPSILON)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle, eps=EPSILON)
        self.act2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(middle, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels, eps=EPSILON)
        self.act3 = nn.ReLU(inplace=True)
        self.res_conv = res_conv
        if res_conv:
            self.residual_conv = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            self.residual_bn = nn.BatchNorm2d(out_channels, eps=EPSILON)

    def forward(self, x: Tensor, from_tokens: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the block's output and the features after its 3x3 convolution."""
        residual = x
        x = self.act1(self.bn1(self.conv1(x)))
        if from_tokens is not None:
            x = x + from_tokens
        middle = self.act2(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(middle))
        if self.res_conv:
            residual = self.residual_bn(self.residual_conv(residual))
        return self.act3(x + residual), middle


class FCUDown(nn.Module):
    """Feature map -> tokens: 1x1 convolution, average pool, layer norm, GELU, class token."""

    def __init__(self, in_channels: int, dim: int, dw_stride: int) -> None:
        super().__init__()
        self.conv_project = nn.Conv2d(in_channels, dim, 1)
        self.sample_pooling = nn.AvgPool2d(dw_stride, dw_stride)
        self.ln = nn.LayerNorm(dim, eps=EPSILON)
        self.act = nn.GELU()

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        x = self.sample_pooling(self.conv_project(x)).flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :1], self.act(self.ln(x))], dim=1)


class FCUUp(nn.Module):
    """Tokens -> feature map: 1x1 convolution of the patches, BN, ReLU, nearest upsampling."""

    def __init__(self, dim: int, out_channels: int, up_stride: int) -> None:
        super().__init__()
        self.up_stride = up_stride
        self.conv_project = nn.Conv2d(dim, out_channels, 1)
        self.bn = nn.BatchNorm2d(out_channels, eps=EPSILON)
        self.act = nn.ReLU(inplace=True)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        batch, _, dim = tokens.shape
        x = tokens[:, 1:].transpose(1, 2).reshape(batch, dim, height, width)
        x = self.act(self.bn(self.conv_project(x)))
        return F.interpolate(x, size=(height * self.up_stride, width * self.up_stride))


class ConvTransBlock(nn.Module):
    """One stage: convolution block, FCU down, transformer block, FCU up, fusion block.

    Args:
        in_channels, out_channels: of the convolution branch.
        dim, num_heads: of the transformer branch.
        dw_stride: feature map pixels per token along an axis.
        stride: of the convolution block.
        res_conv: whether the convolution block projects its shortcut.
        last_fusion: the last block's fusion has stride 2 and projects its shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dim: int,
        num_heads: int,
        dw_stride: int,
        stride: int = 1,
        res_conv: bool = False,
        last_fusion: bool = False,
    ) -> None:
        super().__init__()
        self.dw_stride = dw_stride
        middle = out_channels // EXPANSION
        self.cnn_block = ConvBlock(in_channels, out_channels, stride, res_conv)
        self.fusion_block = ConvBlock(
            out_channels, out_channels, 2 if last_fusion else 1, last_fusion
        )
        self.squeeze_block = FCUDown(middle, dim, dw_stride)
        self.expand_block = FCUUp(dim, middle, dw_stride)
        self.trans_block = Block(dim, num_heads)

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) and (B, 1 + H*W/dw_stride**2, dim) to the next pair."""
        x, middle = self.cnn_block(x)
        height, width = middle.shape[2:]
        tokens = self.trans_block(self.squeeze_block(middle, tokens) + tokens)
        up = self.expand_block(tokens, height // self.dw_stride, width // self.dw_stride)
        x, _ = self.fusion_block(x, up)
        return x, tokens
