"""CoTNet with the simplified CoT layer: a ResNet whose 3x3 convolution is a CoTLayer.

Trunk and key names follow torchvision's and timm's ResNet (``conv1``, ``bn1``, ``layer1`` ...
``fc``); the CoT layer stands at ``conv2`` of a bottleneck, as in JDAI-CV/CoTNet.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_models.reference.cot_layer import CoTLayer

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 convolution, zero-padded average pool where strided, CoT layer, 1x1 convolution."""

    def __init__(self, in_channels: int, planes: int, stride: int, groups: int) -> None:
        super().__init__()
        out_channels = planes * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.avd = nn.AvgPool2d(3, 2, padding=1) if stride > 1 else None
        self.conv2 = CoTLayer(planes, groups=groups)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        if self.avd is not None:
            x = self.avd(x)
        x = self.bn3(self.conv3(self.conv2(x)))
        return self.relu(x + shortcut)


class CoTNet(nn.Module):
    """CoTNet classifier: (B, 3, H, W) -> logits (B, num_classes). H and W are multiples of 32.

    Args:
        layers: bottlenecks in each of the four stages.
        width: planes of the first stage; each later stage doubles them.
        groups: groups of the key convolution in every CoT layer.
        num_classes: width of the head.
    """

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        groups: int = 1,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        for stage, depth in enumerate(layers):
            planes = width * 2**stage
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(Bottleneck(channels, planes, stride, groups))
                channels = planes * EXPANSION
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

    def stages(self) -> list[nn.Sequential]:
        """The four stages in order."""
        return [self.get_submodule(f"layer{stage}") for stage in (1, 2, 3, 4)]  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages():
            x = stage(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))
