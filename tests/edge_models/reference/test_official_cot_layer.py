"""The official CoT layer and its local convolution against slow loops over their definition."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from edge_models.reference import OfficialCoTLayer
from edge_models.reference.official_cot_layer import LocalConvolution
from tests.edge_models.layers import made


def slow_local_convolution(x: Tensor, weights: Tensor, halves: int) -> Tensor:
    """One product after the other; a neighbour outside the map is zero."""
    channels, height, width = x.shape[1:]
    part, groups = channels // halves, weights.shape[1] // 9 // halves
    out = torch.zeros_like(x)
    for b, c, i, j in itertools.product(*map(range, x.shape)):
        weight_channel = c // part * groups + c % part % groups
        for tap in range(9):
            row, column = i + tap // 3 - 1, j + tap % 3 - 1
            if 0 <= row < height and 0 <= column < width:
                weight = weights[b, 9 * weight_channel + tap, i, j]
                out[b, c, i, j] += x[b, c, row, column] * weight
    return out


@pytest.mark.parametrize("halves", [1, 2])
@pytest.mark.parametrize("size", [(4, 5), (1, 3)])
def test_local_convolution_follows_its_definition(
    halves: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    x = torch.randn(2, 16, *size, generator=generator)
    weights = torch.randn(2, 9 * 4, *size, generator=generator)
    result = LocalConvolution(halves)(x, weights)
    torch.testing.assert_close(result, slow_local_convolution(x, weights, halves))


@pytest.mark.parametrize(("key_groups", "halves"), [(4, 1), (8, 2)])
def test_layer_follows_its_definition(
    key_groups: int, halves: int, generator: torch.Generator
) -> None:
    layer = made(OfficialCoTLayer, dim=32, key_groups=key_groups, halves=halves)
    x = torch.randn(2, 32, 4, 5, generator=generator)
    with torch.no_grad():
        k = layer.key_embed(x.clone())
        pairs = [torch.stack([x[:, c], k[:, c]], 1) for c in range(32)]  # x0, k0, x1, k1, ...
        joined = torch.cat([x, k], 1) if halves == 1 else torch.cat(pairs, 1)
        weights = layer.embed(joined)
        y = layer.bn(slow_local_convolution(layer.conv1x1(x), weights, halves))
        y = y * torch.sigmoid(y)
        logits = layer.se((y + k).mean((2, 3), keepdim=True))
        first, second = logits[:, 0::2].exp(), logits[:, 1::2].exp()
        expected = (first * y + second * k) / (first + second)
        torch.testing.assert_close(layer(x.clone()), expected, rtol=1e-4, atol=1e-5)


def test_widths_groups_and_biases_are_the_published_ones() -> None:
    plain, halved = OfficialCoTLayer(64), OfficialCoTLayer(96, 8, halves=2)
    shapes = {key: tuple(value.shape) for key, value in plain.state_dict().items()}
    assert shapes["key_embed.0.weight"] == (64, 16, 3, 3)
    assert shapes["embed.0.weight"] == (32, 128, 1, 1)
    assert shapes["embed.3.weight"] == (72, 32, 1, 1)
    assert shapes["embed.4.weight"] == (72,)
    assert shapes["se.0.weight"] == (32, 64, 1, 1)
    assert shapes["se.3.weight"] == (128, 32, 1, 1)
    assert OfficialCoTLayer(32).se[0].out_channels == 32  # never fewer
    assert halved.key_embed[0].weight.shape == (96, 12, 3, 3)
    assert halved.embed[0].weight.shape == (48, 96, 1, 1)
    assert halved.conv1x1[0].weight.shape == (96, 48, 1, 1)
    biased = {
        name
        for name, module in plain.named_modules()
        if isinstance(module, nn.Conv2d) and module.bias is not None
    }
    assert biased == {"embed.3", "se.0", "se.3"}
