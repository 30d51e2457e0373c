"""Networks of one's own at real size, with weights that carry images as trained ones do: a user's
file.
"""

import torch
from torch import Tensor, nn

from edge_models.reference.conformer import Conformer
from edge_models.reference.cotnet import CoTNet
from edge_models.spec import Size
from tests.benchmarks.own_weights import like_trained
from tests.edge_models.edge.network.foreign_cot import ContextAttention
from tests.edge_models.edge.network.published_networks import PartialBlock, PyramidPool, unit

NETWORKS: dict[str, Size] = {
    "resnet50_cot": (224, 224),
    "yolov5s_cot": (320, 320),
    "conformer_maps": (224, 224),
}


class Bottleneck(nn.Module):
    """ResNet-50's, with CoTAttention in the place of the 3x3 convolution."""

    def __init__(self, given: int, planes: int, stride: int) -> None:
        super().__init__()
        self.reduce = unit(given, planes)
        self.pool = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        self.context = ContextAttention(planes)
        self.expand = unit(planes, 4 * planes, act=None)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or given != 4 * planes:
            self.shortcut = unit(given, 4 * planes, stride=stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.context(self.pool(self.reduce(x))))
        return torch.relu(y + self.shortcut(x))


def resnet50_cot() -> nn.Module:
    """A ResNet-50 with CoTAttention: (B, 3, H, W) -> logits (B, 1000)."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    given = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        planes = 64 * 2**stage
        for index in range(depth):
            layers.append(Bottleneck(given, planes, 2 if stage and not index else 1))
            given = 4 * planes
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, 1000)]
    return like_trained(nn.Sequential(*layers, *head), NETWORKS["resnet50_cot"], ("expand.1",))


def cotnet50_groups() -> nn.Module:
    """The catalog's `cotnet50_simple` with four groups: the same network by its own class."""
    torch.manual_seed(0)
    network = CoTNet((3, 4, 6, 3), 64, groups=4, num_classes=1000)
    return like_trained(network, NETWORKS["resnet50_cot"], ("bn3",))


class Yolov5s(nn.Module):
    """Backbone, path aggregation and raw maps of a head of three levels, CoT layers in its C3."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.SiLU
        self.stem = nn.Sequential(unit(3, 32, 5, 2, act=act), unit(32, 64, 3, 2, act=act))
        self.low = nn.Sequential(PartialBlock(64, 64), unit(64, 128, 3, 2, act=act))
        self.middle = nn.Sequential(PartialBlock(128, 128), unit(128, 256, 3, 2, act=act))
        self.high = nn.Sequential(PartialBlock(256, 256), unit(256, 512, 3, 2, act=act))
        self.top = nn.Sequential(PartialBlock(512, 512), PyramidPool(512), unit(512, 256, act=act))
        self.up = nn.Upsample(scale_factor=2)
        self.join = nn.Sequential(PartialBlock(512, 256), unit(256, 128, act=act))
        self.fine = PartialBlock(256, 128)
        self.down = nn.ModuleList(unit(n, n, 3, 2, act=act) for n in (128, 256))
        self.coarse = nn.ModuleList([PartialBlock(256, 256), PartialBlock(512, 512)])
        self.heads = nn.ModuleList(nn.Conv2d(n, 255, 1) for n in (128, 256, 512))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        eighth = self.low(self.stem(x))
        sixteenth = self.middle(eighth)
        top = self.top(self.high(sixteenth))
        joined = self.join(torch.cat([self.up(top), sixteenth], 1))
        levels = [self.fine(torch.cat([self.up(joined), eighth], 1))]
        for down, block, other in zip(self.down, self.coarse, (joined, top), strict=True):
            levels.append(block(torch.cat([down(levels[-1]), other], 1)))
        return tuple(head(level) for head, level in zip(self.heads, levels, strict=True))


def yolov5s_cot() -> nn.Module:
    torch.manual_seed(0)
    ends = ("inner.1.key_embed.1", "inner.1.value_embed.1")
    return like_trained(Yolov5s(), NETWORKS["yolov5s_cot"], ends)


class Maps(Conformer):
    """Conformer-S as detection code takes it: its maps after stages 4, 8, 11 and 12."""

    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.features(x)
        return [features[stage - 1][0] for stage in (4, 8, 11, 12)]


def conformer_maps() -> nn.Module:
    torch.manual_seed(0)
    network = Maps(channel_ratio=4, embed_dim=384, num_heads=6)
    return like_trained(network, NETWORKS["conformer_maps"], ("bn3", "attn.proj", "mlp.fc2"))
