"""The reference CoTLayer against a slow computation of its definition."""

import numpy as np
import pytest
import torch
from torch import nn

from edge_models.reference import CoTLayer
from tests.edge_models.layers import double, made


def norm(x: np.ndarray, layer: nn.BatchNorm2d) -> np.ndarray:
    mean, variance, gamma, beta = (
        double(t).numpy()[:, None, None]
        for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def pointwise(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    return np.einsum("oi,bihw->bohw", double(layer.weight).numpy()[:, :, 0, 0], x)


def neighbourhood(x: np.ndarray, layer: nn.Conv2d, groups: int) -> np.ndarray:
    """A 3x3 convolution over the zero-padded map, group by group."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    weight = double(layer.weight).numpy()
    return np.concatenate(
        [
            np.einsum("bihwyx,oiyx->bohw", inputs, kernel)
            for inputs, kernel in zip(
                np.split(windows, groups, axis=1), np.split(weight, groups), strict=True
            )
        ],
        axis=1,
    )


def slow(layer: CoTLayer, x: np.ndarray, groups: int) -> np.ndarray:
    batch, dim, height, width = x.shape
    key, key_norm, _ = layer.key_embed
    value, value_norm = layer.value_embed
    squeeze, squeeze_norm, _, expand = layer.attention_embed
    k1 = np.maximum(norm(neighbourhood(x, key, groups), key_norm), 0)
    v = norm(pointwise(x, value), value_norm)
    hidden = np.maximum(norm(pointwise(np.concatenate([k1, x], 1), squeeze), squeeze_norm), 0)
    assert hidden.shape[1] == 2 * dim // 4
    maps = pointwise(hidden, expand) + double(expand.bias).numpy()[:, None, None]
    result = np.empty_like(x)
    for b in range(batch):
        for c in range(dim):
            attention = sum(maps[b, 9 * c + tap] for tap in range(9)) / 9
            weights = np.exp(attention) / np.exp(attention).sum()
            result[b, c] = k1[b, c] + weights * v[b, c]
    assert result.shape == (batch, dim, height, width)
    return result


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", [(5, 7), (1, 3), (8, 8)])
def test_follows_its_definition(
    groups: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    layer = made(CoTLayer, dim=8, groups=groups)
    x = torch.randn(2, 8, *size, generator=generator)
    with torch.no_grad():
        result = layer(x.clone())
    np.testing.assert_allclose(
        result.numpy(), slow(layer, x.numpy().astype(float), groups), 1e-4, 1e-5
    )


def test_key_convolution_is_dense_unless_grouped() -> None:
    assert CoTLayer(8).key_embed[0].weight.shape == (8, 8, 3, 3)
    assert CoTLayer(8, groups=4).key_embed[0].weight.shape == (8, 2, 3, 3)


def test_only_the_last_convolution_has_a_bias() -> None:
    biases = [name for name, _ in CoTLayer(8).named_parameters() if name.endswith("bias")]
    convolutions = [n for n, m in CoTLayer(8).named_modules() if isinstance(m, nn.Conv2d)]
    assert [f"{name}.bias" for name in convolutions if f"{name}.bias" in biases] == [
        "attention_embed.3.bias"
    ]
