"""CoTNet (simplified CoT layer) in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.cot_layer import CoTLayer
from edge_models.edge.folding import (
    affine_of,
    convolution_from,
    fold_batch_norm,
    joined,
    linear_from,
)
from edge_models.edge.forms import Forms
from edge_models.reference.cotnet import Bottleneck as ReferenceBottleneck
from edge_models.reference.cotnet import CoTNet as ReferenceCoTNet
from edge_models.spec import Size


class Bottleneck(nn.Module):
    """The function of a reference bottleneck whose input map has (H, W) = ``size``."""

    def __init__(self, reference: ReferenceBottleneck, size: Size, forms: Forms) -> None:
        super().__init__()
        self.conv1 = convolution_from(
            fold_batch_norm(reference.conv1, reference.bn1), like=reference.conv1
        )
        self.pool: nn.Module | None = None
        if reference.avd is not None:
            self.pool = forms.padded_average_pool(reference.conv1.out_channels, 3, 2, 1)
            size = (size[0] // 2, size[1] // 2)
        self.conv2 = CoTLayer(reference.conv2, size, forms)
        last = fold_batch_norm(reference.conv3, reference.bn3)
        self.downsample: nn.Module | None = None
        self.joined = False
        if reference.downsample is not None:
            convolution, norm = reference.downsample
            shortcut = fold_batch_norm(convolution, norm)
            self.joined = forms.joins_shortcuts and convolution.stride == (1, 1)
            if self.joined:
                last = joined(last, shortcut)
            else:
                self.downsample = convolution_from(shortcut, convolution)
        self.conv3 = convolution_from(last)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.conv1(x))
        if self.pool is not None:
            x = self.pool(x)
        x = self.conv2(x)
        if self.joined:
            return torch.relu(self.conv3(torch.cat([x, shortcut], dim=1)))
        return torch.relu(self.conv3(x) + shortcut)


class CoTNet(nn.Module):
    """The function of a reference CoTNet for images of one size: (B, 3, H, W) -> logits (B, K)."""

    def __init__(self, reference: ReferenceCoTNet, size: Size, forms: Forms | None = None) -> None:
        super().__init__()
        forms = forms or Forms()
        self.conv1 = forms.stem(fold_batch_norm(reference.conv1, reference.bn1), reference.conv1)
        self.maxpool = reference.maxpool
        stages = []
        for level, stage in enumerate(reference.stages()):
            blocks = []
            for index, block in enumerate(stage):
                assert isinstance(block, ReferenceBottleneck)
                # the first block of a later stage still sees the map of the stage before
                stride = 4 * 2 ** (level - 1 if level > 0 and index == 0 else level)
                blocks.append(Bottleneck(block, (size[0] // stride, size[1] // stride), forms))
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.fc = linear_from(affine_of(reference.fc))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.maxpool(torch.relu(self.conv1(x))))
        return self.fc(x.mean(dim=(2, 3), keepdim=True).flatten(1))


def to_edge(reference: nn.Module, size: Size, batch: int, heads: str, forms: Forms) -> nn.Module:
    """The edge form of a reference CoTNet. It has one head and takes any batch."""
    assert isinstance(reference, ReferenceCoTNet)
    return CoTNet(reference, size, forms).eval()
