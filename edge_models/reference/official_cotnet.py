"""The official CoTNet family: CoTNet and CoTNeXt, with the keys of their published checkpoints.

Source: Li et al., "Contextual Transformer Networks for Visual Recognition" (arXiv:2107.12292);
JDAI-CV/CoTNet. Trunk and key names follow timm's ResNet; the layer stands at ``conv2``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.reference.official_cot_layer import OfficialCoTLayer
from edge_models.spec import DIGITS_INPUT, DIGITS_LABELS, ModelSpec, Shape

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 convolution, average pool where there is one (``avd``), ``conv2``, 1x1 convolution."""

    conv2: OfficialCoTLayer
    avd: nn.Module | None
    downsample: nn.Sequential | None

    def __init__(
        self,
        in_channels: int,
        planes: int,
        conv2: OfficialCoTLayer,
        avd: nn.Module | None,
        downsample: nn.Sequential | None,
    ) -> None:
        super().__init__()
        out_channels = planes * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, conv2.dim, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(conv2.dim)
        self.avd = avd
        self.conv2 = conv2
        self.conv3 = nn.Conv2d(conv2.dim, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        if self.avd is not None:
            x = self.avd(x)
        x = self.bn3(self.conv3(self.conv2(x)))
        return self.relu(x + shortcut)


class OfficialCoTNet(nn.Module):
    """Classifier: (B, 3, H, W) -> logits (B, num_classes). H and W are multiples of 32.

    Args:
        layers: bottlenecks in each of the four stages.
        width: planes of the first stage; each later stage doubles them.
        next: CoTNeXt (2x48d): inner width 1.5 x planes, its own CoT layer.
        num_classes: width of the head.
    """

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        next: bool = False,
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
                blocks.append(_block(channels, planes, stride, next))
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


def _block(in_channels: int, planes: int, stride: int, next: bool) -> Bottleneck:
    layer = OfficialCoTLayer(planes * 3 // 2, 8, halves=2) if next else OfficialCoTLayer(planes)
    pool = nn.AvgPool2d(3, 2, padding=1) if stride > 1 else None
    out_channels = planes * EXPANSION
    downsample = None
    if stride > 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    return Bottleneck(in_channels, planes, layer, pool, downsample)


def read_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Constructor arguments that the tensors' shapes tell: classes."""
    head = shapes.get("fc.weight", ())
    return {"num_classes": head[0]} if len(head) == 2 else {}


def _spec(name: str, layers: Sequence[int], next: bool = False) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="official_cotnet",
        build=OfficialCoTNet,
        config={"layers": tuple(layers), "width": 64, "next": next, "num_classes": 1000},
        read_config=read_config,
    )


SPECS = (
    _spec("cotnet50", (3, 4, 6, 3)),
    _spec("cotnet101", (3, 4, 23, 3)),
    _spec("cotnext50_2x48d", (3, 4, 6, 3), next=True),
    _spec("cotnext101_2x48d", (3, 4, 23, 3), next=True),
    ModelSpec(
        name="digits_cotnet",
        family="official_cotnet",
        build=OfficialCoTNet,
        config={"layers": (1, 1, 1, 1), "width": 16, "next": False, "num_classes": 10},
        read_config=read_config,
        input=DIGITS_INPUT,
        labels=DIGITS_LABELS,
        embedded="digits_cotnet.safetensors",
    ),
)
