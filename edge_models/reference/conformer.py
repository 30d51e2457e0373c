"""Conformer: a convolution branch and a transformer branch that exchange features in every block.

Source: Peng et al., "Conformer: Local Features Coupling Global Representations for Visual
Recognition" (ICCV 2021) and the published code, pengzhiliang/Conformer, whose names these are.
"""

import torch
from torch import Tensor, nn

from edge_models.reference.conformer_blocks import Block, ConvBlock, ConvTransBlock

STEM_CHANNELS = 64


class Conformer(nn.Module):
    """Conformer classifier: (B, 3, H, W) -> [convolution logits, transformer logits].

    Args:
        patch_size: image pixels per token along an axis; a multiple of 4.
        base_channel, channel_ratio: width of the convolution branch.
        embed_dim, num_heads: width and heads of the transformer branch.
        depth: number of stages, at least 4; the convolution branch halves its map and doubles its
            channels at one and at two thirds of them.
        num_classes: width of both heads.
    """

    def __init__(
        self,
        patch_size: int = 16,
        base_channel: int = 64,
        channel_ratio: int = 1,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        patch_stride = patch_size // 4
        channels = base_channel * channel_ratio
        self.depth = depth
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.trans_norm = nn.LayerNorm(embed_dim)
        self.trans_cls_head = nn.Linear(embed_dim, num_classes)
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.conv_cls_head = nn.Linear(4 * channels, num_classes)
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv_1 = ConvBlock(STEM_CHANNELS, channels, res_conv=True)
        self.trans_patch_conv = nn.Conv2d(
            STEM_CHANNELS, embed_dim, patch_stride, stride=patch_stride
        )
        self.trans_1 = Block(embed_dim, num_heads)
        in_channels = channels
        for index in range(2, depth + 1):
            level = (index - 1) * 3 // depth
            starts_level = level > (index - 2) * 3 // depth
            out_channels = channels * 2**level
            block = ConvTransBlock(
                in_channels,
                out_channels,
                embed_dim,
                num_heads,
                dw_stride=patch_stride // 2**level,
                stride=2 if starts_level else 1,
                res_conv=starts_level,
                last_fusion=index == depth,
            )
            self.add_module(f"conv_trans_{index}", block)
            in_channels = out_channels
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def blocks(self) -> list[ConvTransBlock]:
        """The ConvTransBlocks in order."""
        return [self.get_submodule(f"conv_trans_{i}") for i in range(2, self.depth + 1)]  # type: ignore[misc]

    def features(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Map (B, C, H, W) and tokens (B, 1 + N, embed_dim) after each stage."""
        stem = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        x, _ = self.conv_1(stem)
        tokens = self.trans_patch_conv(stem).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = self.trans_1(tokens)
        after = [(x, tokens)]
        for block in self.blocks():
            x, tokens = block(x, tokens)
            after.append((x, tokens))
        return after

    def forward(self, x: Tensor) -> list[Tensor]:
        x, tokens = self.features(x)[-1]
        conv_logits = self.conv_cls_head(self.pooling(x).flatten(1))
        return [conv_logits, self.trans_cls_head(self.trans_norm(tokens)[:, 0])]
