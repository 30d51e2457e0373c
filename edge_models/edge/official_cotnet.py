"""The official CoTNet family in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.equalization import moments, ranges, scaled_columns
from edge_models.edge.folding import (
    affine_of,
    convolution_from,
    fold_batch_norm,
    linear_from,
    scaled_rows,
)
from edge_models.edge.forms import Forms
from edge_models.edge.official_cot_layer import OfficialCoTLayer
from edge_models.edge.split_attention import SplitAttention
from edge_models.reference import OfficialCoTLayer as ReferenceCoTLayer
from edge_models.reference import official_cotnet as reference
from edge_models.spec import Size


class Bottleneck(nn.Module):
    """The function of a reference bottleneck whose input's channels were divided by ``given`` and
    whose output's are divided by ``wanted``, (C,) each; equal where the shortcut is the input.
    ``carried``: other blocks of its stage add to its output.
    """

    def __init__(
        self,
        source: reference.Bottleneck,
        given: Tensor,
        wanted: Tensor,
        forms: Forms,
        carried: bool,
    ) -> None:
        super().__init__()
        first = scaled_columns(fold_batch_norm(source.conv1, source.bn1), given)
        last = scaled_rows(fold_batch_norm(source.conv3, source.bn3), 1 / wanted)
        channels = source.conv1.out_channels
        self.pool = None if source.avd is None else forms.padded_average_pool(channels, 3, 2, 1)
        if isinstance(source.conv2, ReferenceCoTLayer):
            inner = ranges(moments(source.bn1))
            first = scaled_rows(first, 1 / inner)
            layer = OfficialCoTLayer(source.conv2, inner, forms)
            last = scaled_columns(last, layer.divisor)
            self.conv2: nn.Module = layer
        else:
            self.conv2 = SplitAttention(source.conv2)
        self.conv1 = convolution_from(first)
        self.blur = None if source.aa is None else forms.blur_pool(source.aa.weight)
        self.conv3 = convolution_from(last)
        self.downsample = (
            None
            if source.downsample is None
            else _shortcut(source.downsample, given, wanted, forms)
        )
        self.sum = CarriedSum() if carried else ShortcutSum()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.conv1(x))
        if self.pool is not None:
            x = self.pool(x)
        x = self.conv2(x)
        if self.blur is not None:
            x = self.blur(x)
        return self.sum(self.conv3(x), shortcut)


class ShortcutSum(nn.Module):
    """ReLU(branch + shortcut), (B, C, H, W) each."""

    def forward(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        return torch.relu(branch + shortcut)


class CarriedSum(ShortcutSum):
    """The same in a stage of several blocks, which add to it one after the other: rounded to 8
    bits, the error of each sum is carried on.
    """


def _shortcut(source: nn.Sequential, given: Tensor, wanted: Tensor, forms: Forms) -> nn.Module:
    """Convolution and norm, in SE-CoTNetD behind a pool.

    before: 2x2 average pool in ceil mode that does not count what lies outside
    after:  2x2 average pool: a map with an even number of rows and columns has no such part
    """
    *pool, convolution, norm = source
    affine = scaled_columns(fold_batch_norm(convolution, norm), given)
    folded = convolution_from(scaled_rows(affine, 1 / wanted), convolution)
    if not pool:
        return folded
    return nn.Sequential(forms.average_pool(folded.in_channels, 2, 2, 0), folded)


def _stream_ranges(stage: nn.Sequential) -> Tensor:
    """Ranges of the channels of a stage's maps, (C,): of the mean of what its blocks add."""
    norms: list[nn.Module] = []
    for block in stage:
        assert isinstance(block, reference.Bottleneck)
        norms += [block.bn3] if block.downsample is None else [block.bn3, block.downsample[-1]]
    return torch.stack([ranges(moments(norm)) for norm in norms]).mean(0)


class DeepStem(nn.Module):
    """The three first convolutions of SE-CoTNetD."""

    def __init__(self, source: nn.Sequential, norm: nn.BatchNorm2d, forms: Forms) -> None:
        super().__init__()
        first, first_norm, _, second, second_norm, _, third = source
        assert isinstance(first, nn.Conv2d)
        self.first = forms.stem(fold_batch_norm(first, first_norm), first)
        self.second = convolution_from(fold_batch_norm(second, second_norm), second)
        self.third = convolution_from(fold_batch_norm(third, norm), third)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(torch.relu(self.second(torch.relu(self.first(x)))))


class OfficialCoTNet(nn.Module):
    """The function of a reference network: (B, 3, H, W) -> logits (B, K). H and W are multiples of
    32: every map that is halved has an even number of rows and columns.
    """

    def __init__(self, source: reference.Classifier, forms: Forms | None = None) -> None:
        super().__init__()
        forms = forms or Forms()
        if isinstance(source.conv1, nn.Conv2d):
            folded = fold_batch_norm(source.conv1, source.bn1)
            self.conv1: nn.Module = forms.stem(folded, source.conv1)
        else:
            assert isinstance(source.conv1, nn.Sequential)
            self.conv1 = DeepStem(source.conv1, source.bn1, forms)
        self.maxpool = source.maxpool
        blocks = []
        first = source.layer1[0]
        assert isinstance(first, reference.Bottleneck)
        given = torch.ones(first.conv1.in_channels, dtype=torch.float64)
        for stage in source.stages():
            wanted = _stream_ranges(stage)
            for block in stage:
                assert isinstance(block, reference.Bottleneck)
                blocks.append(Bottleneck(block, given, wanted, forms, len(stage) > 1))
                given = wanted
        self.blocks = nn.Sequential(*blocks)
        self.fc = linear_from(scaled_columns(affine_of(source.fc), given))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        if self.maxpool is not None:
            x = self.maxpool(x)
        x = self.blocks(x)
        return self.fc(x.mean(dim=(2, 3), keepdim=True).flatten(1))


def to_edge(source: nn.Module, size: Size, batch: int, heads: str, forms: Forms) -> nn.Module:
    """The edge form of a reference network. It has one head and takes any size and batch."""
    assert isinstance(source, reference.Classifier)
    return OfficialCoTNet(source, forms).eval()
