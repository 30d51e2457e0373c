"""SE-CoTNetD's own layers against slow computations of their definition."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_models.reference.split_attention import BlurPool, SplitAttention
from tests.edge_models.layers import made


@pytest.mark.parametrize("stride", [1, 2])
def test_split_attention_is_a_gated_convolution(stride: int, generator: torch.Generator) -> None:
    layer = made(SplitAttention, dim=8, stride=stride)
    x = torch.randn(2, 8, 6, 4, generator=generator)
    with torch.no_grad():
        y = layer.bn0(F.conv2d(x, layer.conv.weight, stride=stride, padding=1))
        y = y / (1 + torch.exp(-y))
        hidden = layer.bn1(layer.fc1(y.sum((2, 3), keepdim=True) / y[0, 0].numel()))
        gate = layer.fc2(hidden / (1 + torch.exp(-hidden)))
        torch.testing.assert_close(layer(x), y / (1 + torch.exp(-gate)))


def test_split_attention_has_the_published_widths() -> None:
    assert SplitAttention(64, 1).fc1.out_channels == 32  # never fewer
    layer = SplitAttention(256, 1)
    assert (layer.fc1.out_channels, layer.fc2.out_channels) == (64, 256)
    biased = [m for m in layer.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert biased == [layer.fc1, layer.fc2]


def test_blur_pool_smooths_and_reflects(generator: torch.Generator) -> None:
    x = torch.randn(1, 2, 4, 6, generator=generator)
    result = BlurPool(2)(x)
    assert result.shape == (1, 2, 2, 3)
    line = {-1: 1.0, 0: 2.0, 1: 1.0}
    for row, column in [(0, 0), (0, 2), (1, 1)]:
        expected = sum(
            line[i] * line[j] / 16 * x[0, 1, abs(2 * row + i), abs(2 * column + j)]
            for i in line
            for j in line
        )
        torch.testing.assert_close(result[0, 1, row, column], expected)


def test_the_blur_filter_is_no_entry_of_a_checkpoint() -> None:
    assert BlurPool(2).state_dict() == {}
