"""Ranges of maps as their norms give them, and what equal ranges leave of a map in INT8."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.equalization import (
    LARGEST_RATIO,
    Moments,
    moments,
    ranges,
    rectified,
    scaled_columns,
    through,
)
from edge_models.edge.folding import Affine, affine_of
from tests.edge_models.layers import made

WIDE = (200_000, 6)
SEEN = {"rtol": 0.03, "atol": 0.02}


def drawn(of: Moments, generator: torch.Generator) -> Tensor:
    """Normally distributed samples (N, C) with these moments."""
    samples = torch.randn(WIDE, generator=generator, dtype=torch.float64)
    return samples * of.variance.sqrt() + of.mean


def test_moments_of_a_norm_are_those_of_what_leaves_it(generator: torch.Generator) -> None:
    norm = made(nn.BatchNorm2d, num_features=6).double()
    x = torch.randn(WIDE, generator=generator, dtype=torch.float64)
    y = norm((x * norm.running_var.sqrt() + norm.running_mean)[..., None, None])[..., 0, 0]
    torch.testing.assert_close(y.mean(0), moments(norm).mean, **SEEN)
    torch.testing.assert_close(y.var(0), moments(norm).variance, **SEEN)


def test_moments_through_a_relu_and_a_convolution(generator: torch.Generator) -> None:
    before = Moments(torch.linspace(-2, 2, 6).double(), torch.linspace(0.1, 3, 6).double())
    layer = affine_of(nn.Conv2d(6, 4, 1))
    x = drawn(before, generator).relu()
    torch.testing.assert_close(x.mean(0), rectified(before).mean, **SEEN)
    torch.testing.assert_close(x.var(0), rectified(before).variance, **SEEN)
    y = x @ layer.weight.flatten(1).T + layer.bias
    expected = through(layer, rectified(before))
    torch.testing.assert_close(y.mean(0), expected.mean, **SEEN)
    torch.testing.assert_close(y.var(0), expected.variance, **SEEN)


def test_a_dead_channel_is_not_blown_up() -> None:
    of = Moments(torch.zeros(4).double(), torch.tensor([9.0, 9.0, 9.0, 0.0]).double())
    assert ranges(of).min() == ranges(Moments(*(v[:3] for v in of))).mean() * 3 / 4 / LARGEST_RATIO
    assert torch.equal(ranges(Moments(torch.zeros(2), torch.zeros(2))), torch.ones(2))


def test_columns_of_a_grouped_convolution(generator: torch.Generator) -> None:
    convolution = nn.Conv2d(6, 8, 3, groups=2).double()
    x = torch.randn(1, 6, 5, 5, generator=generator, dtype=torch.float64)
    factors = torch.linspace(0.5, 3, 6, dtype=torch.float64)
    weight, bias = scaled_columns(affine_of(convolution), factors, 2)
    found = F.conv2d(x, weight, bias, groups=2)
    torch.testing.assert_close(found, convolution(x * factors.view(-1, 1, 1)).detach())
    linear = Affine(torch.ones(2, 6).double(), torch.zeros(2).double())
    assert torch.equal(scaled_columns(linear, factors).weight[1], factors)
