"""Equalization: the channels of a map brought to one range, so that one scale of INT8 serves all.

Cross-layer equalization (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", arXiv:1906.04721) with ranges from the batch norms: a norm's output has mean beta and
standard deviation |gamma| in each channel, whatever reached it in training.

before: W2 relu(W1 x + b1); after: (W2 diag(r)) relu((W1 x + b1) / r), r > 0: the same function.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from edge_models.edge.folding import Affine

DEVIATIONS = 3.0  # of a channel from its mean that its range holds
LARGEST_RATIO = 8.0  # of the mean range to a channel's: a dead channel is not blown up


class Moments(NamedTuple):
    """Mean and variance of each channel, (C,) each, float64."""

    mean: Tensor
    variance: Tensor


def moments(norm: nn.Module) -> Moments:
    """Of a batch norm's output."""
    assert isinstance(norm, nn.BatchNorm2d)
    return Moments(norm.bias.detach().double(), norm.weight.detach().double().square())


def rectified(before: Moments) -> Moments:
    """Of ReLU(x), x normally distributed with these moments."""
    deviation = before.variance.sqrt().clamp(min=1e-12)
    share = before.mean / deviation
    density = torch.exp(-share.square() / 2) / (2 * torch.pi) ** 0.5
    below = torch.special.ndtr(share)
    mean = before.mean * below + deviation * density
    square = (before.mean.square() + before.variance) * below + before.mean * deviation * density
    return Moments(mean, (square - mean.square()).clamp(min=0))


def through(layer: Affine, before: Moments) -> Moments:
    """Of a 1x1 convolution's output, its input channels independent."""
    weight = layer.weight.flatten(1)
    return Moments(weight @ before.mean + layer.bias, weight.square() @ before.variance)


def ranges(of: Moments) -> Tensor:
    """A channel's largest magnitude, (C,), but not less than a share of the mean over channels."""
    reach = of.mean.abs() + DEVIATIONS * of.variance.sqrt()
    mean = reach.mean()
    if mean == 0:
        return torch.ones_like(reach)
    return reach.clamp(min=mean.item() / LARGEST_RATIO)


def scaled_columns(layer: Affine, factors: Tensor, groups: int = 1) -> Affine:
    """before: W (factor * x) + b, one factor an input channel; after: (W diag(factor)) x + b."""
    rows = layer.weight.unflatten(0, (groups, -1))
    columns = factors.view(groups, 1, -1, *[1] * (layer.weight.dim() - 2))
    return Affine((rows * columns).flatten(0, 1), layer.bias)
