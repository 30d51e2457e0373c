"""The official family, CoTNet, CoTNeXt and SE-CoTNetD, with the keys of the published files.

Source: Li et al., "Contextual Transformer Networks for Visual Recognition" (arXiv:2107.12292);
JDAI-CV/CoTNet. Trunk and key names follow timm's ResNet; the layer stands at ``conv2``.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from edge_models.reference.official_cot_layer import OfficialCoTLayer
from edge_models.reference.split_attention import BlurPool, SplitAttention

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 convolution, ``conv2`` with an average pool before it (``avd``) or a blur pool behind it
    (``aa``) where there is one, 1x1 convolution; added to the shortcut.
    """

    conv2: OfficialCoTLayer | SplitAttention
    avd: nn.AvgPool2d | None
    aa: BlurPool | None
    downsample: nn.Sequential | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        conv2: OfficialCoTLayer | SplitAttention,
        downsample: nn.Sequential | None,
        avd: nn.AvgPool2d | None = None,
        aa: BlurPool | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, conv2.dim, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(conv2.dim)
        self.avd = avd
        self.conv2 = conv2
        self.aa = aa
        self.conv3 = nn.Conv2d(conv2.dim, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        if self.avd is not None:
            x = self.avd(x)
        x = self.conv2(x)
        if self.aa is not None:
            x = self.aa(x)
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class Classifier(nn.Module):
    """Stem, four stages and head: (B, 3, H, W) -> logits (B, num_classes). H and W are multiples
    of 32.
    """

    def __init__(
        self,
        conv1: nn.Module,
        bn1: nn.BatchNorm2d,
        maxpool: nn.MaxPool2d | None,
        stages: Sequence[nn.Sequential],
        channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.conv1 = conv1
        self.bn1 = bn1
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

    def stages(self) -> list[nn.Sequential]:
        """The four stages in order."""
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        for stage in self.stages():
            x = stage(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class OfficialCoTNet(Classifier):
    """CoTNet and CoTNeXt.

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
        super().__init__(
            conv1=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(width),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
            stages=_stages(layers, width, width, partial(_contextual_block, next)),
            channels=width * 2 ** (len(layers) - 1) * EXPANSION,
            num_classes=num_classes,
        )


class SECoTNetD(Classifier):
    """SE-CoTNetD: CoT layers in the last stage and every second block of the one before it,
    split attention elsewhere; a stem of three convolutions, a stride of 2 in all stages.

    Args:
        layers: bottlenecks in each of the four stages.
        stem_width: channels of the stem's first two convolutions; the third has twice as many.
        blur: strides by a blur pool behind ``conv2``, as in 152.
        width: planes of the first stage; each later stage doubles them.
        num_classes: width of the head.
    """

    def __init__(
        self,
        layers: Sequence[int] = (3, 4, 6, 3),
        stem_width: int = 32,
        blur: bool = False,
        width: int = 64,
        num_classes: int = 1000,
    ) -> None:
        stem = nn.Sequential(
            nn.Conv2d(3, stem_width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem_width),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem_width, stem_width, 3, padding=1, bias=False),
            nn.BatchNorm2d(stem_width),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem_width, 2 * stem_width, 3, padding=1, bias=False),
        )
        super().__init__(
            conv1=stem,
            bn1=nn.BatchNorm2d(2 * stem_width),
            maxpool=None,
            stages=_stages(layers, width, 2 * stem_width, partial(_mixed_block, blur)),
            channels=width * 2 ** (len(layers) - 1) * EXPANSION,
            num_classes=num_classes,
        )


def _stages(
    layers: Sequence[int],
    width: int,
    channels: int,
    block: Callable[[int, int, int, int], Bottleneck],
) -> list[nn.Sequential]:
    """Stages of ``block(in_channels, planes, stage, index)``, stage and index counted from 0."""
    stages = []
    for stage, depth in enumerate(layers):
        planes = width * 2**stage
        blocks = []
        for index in range(depth):
            blocks.append(block(channels, planes, stage, index))
            channels = planes * EXPANSION
        stages.append(nn.Sequential(*blocks))
    return stages


def _contextual_block(
    next: bool, in_channels: int, planes: int, stage: int, index: int
) -> Bottleneck:
    """A block of CoTNet, or of CoTNeXt."""
    stride = 2 if stage > 0 and index == 0 else 1
    layer = OfficialCoTLayer(planes)
    if next:
        layer = OfficialCoTLayer(planes * 3 // 2, key_groups=8, halves=2)
    out_channels = planes * EXPANSION
    downsample = None
    if index == 0:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    pool = nn.AvgPool2d(3, 2, padding=1) if stride > 1 else None
    return Bottleneck(in_channels, out_channels, layer, downsample, pool)


def _mixed_block(blur: bool, in_channels: int, planes: int, stage: int, index: int) -> Bottleneck:
    """A block of SE-CoTNetD; the first one of each stage has a stride of 2."""
    out_channels = planes * EXPANSION
    contextual = stage == 3 or (stage == 2 and index % 2 == 0)
    strided = index == 0
    downsample = None
    if strided:
        downsample = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    blurred = BlurPool(planes) if strided and blur else None
    if contextual:
        pool = nn.AvgPool2d(3, 2, padding=1) if strided and not blur else None
        return Bottleneck(
            in_channels, out_channels, OfficialCoTLayer(planes), downsample, pool, blurred
        )
    layer = SplitAttention(planes, stride=2 if strided and not blur else 1)
    return Bottleneck(in_channels, out_channels, layer, downsample, None, blurred)
