"""The official CoTNet family in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.folding import affine_of, convolution_from, fold_batch_norm, linear_from
from edge_models.edge.official_cot_layer import OfficialCoTLayer
from edge_models.edge.primitives import Forms, Size
from edge_models.reference.official_cotnet import Bottleneck as ReferenceBottleneck
from edge_models.reference.official_cotnet import OfficialCoTNet as ReferenceCoTNet


class Bottleneck(nn.Module):
    """The function of a reference bottleneck."""

    def __init__(self, reference: ReferenceBottleneck, forms: Forms) -> None:
        super().__init__()
        self.conv1 = convolution_from(fold_batch_norm(reference.conv1, reference.bn1))
        self.pool: nn.Module | None = None
        if reference.avd is not None:
            self.pool = forms.padded_average_pool(reference.conv1.out_channels, 3, 2, 1)
        self.conv2 = OfficialCoTLayer(reference.conv2, forms)
        self.conv3 = convolution_from(fold_batch_norm(reference.conv3, reference.bn3))
        self.downsample: nn.Module | None = None
        if reference.downsample is not None:
            convolution, norm = reference.downsample
            self.downsample = convolution_from(fold_batch_norm(convolution, norm), convolution)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.conv1(x))
        if self.pool is not None:
            x = self.pool(x)
        return torch.relu(self.conv3(self.conv2(x)) + shortcut)


class OfficialCoTNet(nn.Module):
    """The function of a reference network: (B, 3, H, W) -> logits (B, K)."""

    def __init__(self, reference: ReferenceCoTNet, forms: Forms | None = None) -> None:
        super().__init__()
        forms = forms or Forms()
        self.conv1 = forms.stem(fold_batch_norm(reference.conv1, reference.bn1), reference.conv1)
        self.maxpool = reference.maxpool
        blocks = []
        for stage in reference.stages():
            for block in stage:
                assert isinstance(block, ReferenceBottleneck)
                blocks.append(Bottleneck(block, forms))
        self.blocks = nn.Sequential(*blocks)
        self.fc = linear_from(affine_of(reference.fc))

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.maxpool(torch.relu(self.conv1(x))))
        return self.fc(x.mean(dim=(2, 3), keepdim=True).flatten(1))


def to_edge(reference: nn.Module, size: Size, batch: int, heads: str, forms: Forms) -> nn.Module:
    """The edge form of a reference network. It has one head and takes any size and batch."""
    assert isinstance(reference, ReferenceCoTNet)
    return OfficialCoTNet(reference, forms).eval()
