"""Small networks of the published kinds, written from their papers, with CoT layers put in.

He et al. (arXiv:1512.03385), Ronneberger et al. (1505.04597), Ultralytics' YOLOv5 and v8 as
described in their documentation, Howard et al. (1905.02244), Liu et al. (2201.03545), Touvron et
al. (2012.12877). Each makes an image (B, 3, H, W) to what such a network returns.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.reference import CoTLayer
from tests.edge_models.edge.network.foreign_conformer import Encoder
from tests.edge_models.edge.network.foreign_cot import ContextAttention, Contextual
from tests.edge_models.layers import made, settled


def unit(
    given: int,
    width: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(given, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]
    if act is not None:
        layers.append(act(inplace=True) if act is not nn.GELU else act())  # type: ignore[call-arg]
    return nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """ResNet's block; its second 3x3 convolution is a CoT layer where ``contextual``."""

    def __init__(self, given: int, width: int, stride: int, contextual: bool) -> None:
        super().__init__()
        self.first = unit(given, width, 3, stride)
        self.second = ContextAttention(width) if contextual else unit(width, width, 3, act=None)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or given != width:  # ResNet-D: a pool, then the projection
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                unit(given, width, act=None),
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """A residual classifier with the usual stem and head."""

    def __init__(self, width: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(3, width, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.layer1 = BasicBlock(width, width, 1, contextual=False)
        self.layer2 = BasicBlock(width, 2 * width, 2, contextual=True)
        self.layer3 = BasicBlock(2 * width, 4 * width, 2, contextual=True)
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    """An encoder and a decoder with skips; the official CoT layer at the bottom."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.enter = self.pair(3, width)
        self.down = self.pair(width, 2 * width)
        self.bottom = nn.Sequential(unit(2 * width, 4 * width, 3), Contextual(4 * width))
        self.up = self.pair(6 * width, 2 * width)
        self.leave = nn.Sequential(CoTLayer(2 * width), unit(2 * width, width))
        self.mask = nn.Conv2d(2 * width, 1, 1)

    @staticmethod
    def pair(given: int, width: int) -> nn.Sequential:
        norm = nn.GroupNorm(4, width)
        return nn.Sequential(
            unit(given, width, 3), nn.Conv2d(width, width, 3, 1, 1), norm, nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        first = self.enter(x)
        second = self.down(F.max_pool2d(first, 2))
        x = F.interpolate(self.bottom(F.max_pool2d(second, 2)), scale_factor=2)
        x = self.leave(self.up(torch.cat([x, second], 1)))
        x = F.interpolate(x, size=first.shape[2:])
        return self.mask(torch.cat([x, first], 1))


class SplitBlock(nn.Module):
    """C2f: the map in two halves, each block's result kept; the last block a CoT layer."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.enter = unit(given, width, act=nn.SiLU)
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(unit(half, half, 3, act=nn.SiLU), unit(half, half, 3, act=nn.SiLU)),
                ContextAttention(half),
            ]
        )
        self.leave = unit(2 * width, width, act=nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(parts[-1] + block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class PartialBlock(nn.Module):
    """C3: a CoT layer on one of two projections."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.one, self.two = unit(given, half, act=nn.SiLU), unit(given, half, act=nn.SiLU)
        self.inner = nn.Sequential(unit(half, half, act=nn.SiLU), CoTLayer(half, groups=4))
        self.leave = unit(width, width, act=nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        return self.leave(torch.cat((one + self.inner(one), self.two(x)), 1))


class PyramidPool(nn.Module):
    """SPPF: three 5x5 pools one after the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = unit(width, width // 2, act=nn.SiLU), unit(2 * width, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Yolo(nn.Module):
    """Stem by ``Focus`` or a convolution, a backbone of C3 or C2f, SPPF, an upsampling neck, and
    the raw maps of a head: per level (B, anchors, H, W, 5 + classes), or (B, outputs, H, W).
    """

    def __init__(self, block: type[nn.Module], focus: bool, width: int = 8) -> None:
        super().__init__()
        self.focus, self.anchors = focus, 3 if focus else 0
        self.stem = unit(12 if focus else 3, width, 3, 1 if focus else 2, act=nn.SiLU)
        twice, more = 2 * width, 4 * width
        self.low = nn.Sequential(unit(width, twice, 3, 2, act=nn.SiLU), block(twice, twice))
        self.high = nn.Sequential(
            unit(twice, more, 3, 2, act=nn.SiLU), block(more, more), PyramidPool(more)
        )
        self.up = nn.Upsample(scale_factor=2)
        self.neck = block(6 * width, 2 * width)
        outputs = 3 * 7 if focus else 4 * 4 + 2
        self.heads = nn.ModuleList(
            [nn.Conv2d(2 * width, outputs, 1), nn.Conv2d(4 * width, outputs, 1)]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.focus:
            corners = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
            x = torch.cat(corners, 1)
        low = self.low(self.stem(x))
        high = self.high(low)
        maps = [self.neck(torch.cat([self.up(high), low], 1)), high]
        raw = [head(level) for head, level in zip(self.heads, maps, strict=True)]
        if not self.focus:
            return raw
        return [level.unflatten(1, (3, 7)).permute(0, 1, 3, 4, 2).contiguous() for level in raw]


class Inverted(nn.Module):
    """MobileNetV3's block: widen, depthwise, squeeze and excite, narrow."""

    def __init__(self, given: int, wide: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.widen = unit(given, wide, act=nn.Hardswish)
        self.depthwise = unit(wide, wide, kernel, stride, wide, act=nn.Hardswish)
        self.squeeze, self.excite = nn.Conv2d(wide, wide // 4, 1), nn.Conv2d(wide // 4, wide, 1)
        self.narrow = unit(wide, width, act=None)
        self.same = stride == 1 and given == width

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.widen(x))
        gate = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1))))
        y = self.narrow(y * F.hardsigmoid(gate))
        return x + y if self.same else y


class MobileNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            unit(3, 8, 3, 2, act=nn.Hardswish), Inverted(8, 16, 16, 3, 2),
            Inverted(16, 32, 16, 5, 1), CoTLayer(16), Inverted(16, 32, 24, 5, 2),
            unit(24, 32, act=nn.Hardswish),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(32, 32), nn.Hardswish(inplace=True), nn.Dropout(0.2), nn.Linear(32, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise, layer norm and linears with channels last, layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class MapNorm(nn.LayerNorm):
    """Layer norm of a map's channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, width: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 4, 4), MapNorm(width, eps=1e-6))
        self.first = nn.Sequential(ConvNeXtBlock(width), CoTLayer(width, groups=4))
        self.between = nn.Sequential(MapNorm(width, eps=1e-6), nn.Conv2d(width, 2 * width, 2, 2))
        self.second = ConvNeXtBlock(2 * width)
        self.norm, self.head = nn.LayerNorm(2 * width), nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.between(self.first(self.stem(x))))
        return self.head(self.norm(x.mean((-2, -1))))


class DeiT(nn.Module):
    """Class and distillation tokens, a CoT layer on the patches' map before them."""

    def __init__(self, width: int = 24, classes: int = 10, side: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.local = CoTLayer(width, groups=4)
        self.cls, self.dist = (nn.Parameter(torch.randn(1, 1, width)) for _ in range(2))
        self.places = nn.Parameter(torch.randn(1, (side // 8) ** 2 + 2, width) * 0.1)
        self.blocks = nn.Sequential(Encoder(width, 3), Encoder(width, 3))
        self.fast = nn.TransformerEncoderLayer(
            width, 3, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head, self.other = nn.Linear(width, classes), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.local(self.patches(x)).flatten(2).transpose(1, 2)
        first = [token.expand(len(x), -1, -1) for token in (self.cls, self.dist)]
        rows = torch.cat([*first, rows], 1) + self.places
        rows = self.norm(self.fast(self.blocks(rows)))
        return (self.head(rows[:, 0]) + self.other(rows[:, 1])) / 2


Made = Callable[[], tuple[nn.Module, tuple[int, int]]]


def of_size(build: type[nn.Module], size: tuple[int, int], **config: object) -> Made:
    return lambda: (settled(made(build, **config), size), size)


NETWORKS: dict[str, Made] = {
    "ResNet": of_size(ResNet, (64, 64)),
    "U-Net": of_size(UNet, (32, 48)),
    "YOLOv5": of_size(Yolo, (64, 64), block=PartialBlock, focus=True),
    "YOLOv8": of_size(Yolo, (64, 64), block=SplitBlock, focus=False),
    "MobileNetV3": of_size(MobileNet, (32, 32)),
    "ConvNeXt": of_size(ConvNeXt, (32, 32)),
    "DeiT": of_size(DeiT, (32, 32)),
}
