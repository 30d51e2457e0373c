"""A user's file: a ResNet-18 for digits with CoT layers in the place of each block's second 3x3.

Source of the network: He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385),
narrower.
"""

import torch
from torch import Tensor, nn

WIDTHS = (8, 16, 32, 64)
BLOCKS = 2
SIDE = 64


class ContextLayer(nn.Module):
    """The CoT layer as a user has it: its own names, an own order of its parts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.values = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.weights = nn.Sequential(
            nn.Conv2d(2 * width, width // 2, 1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, 9 * width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, columns = x.shape
        local = self.local(x)
        weights = self.weights(torch.cat([local, x], 1)).view(batch, width, 9, height, columns)
        weights = weights.mean(2).flatten(2).softmax(-1)
        return local + (weights * self.values(x).flatten(2)).view(x.shape)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.second = ContextLayer(width)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet18(nn.Module):
    """(B, 3, 64, 64) -> (B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 7, 2, 3, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs, blocks = WIDTHS[0], []
        for level, width in enumerate(WIDTHS):
            for index in range(BLOCKS):
                blocks.append(Block(inputs, width, 2 if level and not index else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.pool(self.stem(x))))  # type: ignore[no-any-return]


def make_net() -> nn.Module:
    return ResNet18().eval()
