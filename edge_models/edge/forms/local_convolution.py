"""The local convolution of the official CoT layer, with the norm of its weights, in each form.

Every form is built from the 1x1 convolution that makes the local weights (channel g * 9 + tap), the
group norm behind it, in how many equal parts (``halves``) the map is convolved, and a bias; its
``forward`` takes the convolution's input (B, hidden, H, W) and the map (B, C, H, W) and gives
(B, C, H, W). Channel c of a part uses weight channel c % groups of that part.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.equalization import DEVIATIONS, Moments, ranges, through
from edge_models.edge.folding import Affine, convolution_from, hold, numbers, scaled_rows
from edge_models.edge.forms.group_norm import GroupNormNative
from edge_models.errors import InputError

KERNEL = 3
TAPS = KERNEL * KERNEL
SMALLEST_MAGNITUDE = 2.0**-8  # of local weights, where epsilon, 1e-5, outweighs their variance


class TapNorm(nn.Module):
    """Group norm, without its affine part, of local weights with the tap slowest: channel
    tap * groups + g, normalized over the nine taps and all positions of each g, then divided by
    ``divisor``, one a channel. ``eps`` has one a channel.

    before: group_norm(w), channel g * 9 + tap
    after:  (w - m) * rsqrt(v + eps), with m and v the mean over positions of w and (w - m)^2, then
    over the taps by a 9 -> 9 convolution of constant weight 1 / 9, which also gives every tap the
    result: no reduction over an axis that the backend does not reduce. Must stay float at INT8.
    """

    mean: Tensor
    eps: Tensor
    factor: Tensor

    def __init__(self, eps: Tensor, divisor: Tensor) -> None:
        super().__init__()
        self.groups = len(eps) // TAPS
        self.register_buffer("mean", torch.full((TAPS, TAPS, 1, 1), 1.0 / TAPS))
        self.register_buffer("eps", eps.float().view(1, -1, 1, 1))
        self.register_buffer("factor", (1 / divisor).float().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - self._over_group(x)
        return x * (torch.rsqrt(self._over_group(x * x) + self.eps) * self.factor)

    def _over_group(self, x: Tensor) -> Tensor:
        """(B, 9 * groups, H, W) -> the mean of each group, for each of its channels."""
        return self._over_taps(x.mean((2, 3), keepdim=True))

    def _over_taps(self, x: Tensor) -> Tensor:
        """(B, 9 * groups, 1, 1) -> the mean over the taps of each group, for each of its taps."""
        means = F.conv2d(x.view(-1, TAPS, self.groups, 1), self.mean)
        return means.view(-1, TAPS * self.groups, 1, 1)


class TapNormScaled(TapNorm):
    """The same for float16, whose numbers end at 65504 and lose digits below 6e-5.

    before: c * rsqrt(mean(c^2) + eps), with c = w - mean(w)
    after:  y * rsqrt(mean(y^2) + (sqrt(eps) / m)^2), with y = c / m, m = 2^-8 + the mean over the
    nine taps of the largest |c| of each: |y| is at most 9 and its square overflows nowhere, and
    2^-8 alone is small beside sqrt(eps). The constants are tensors: a number divided by a tensor
    becomes Core ML's inverse, which adds an epsilon of its own.
    """

    root_eps: Tensor
    smallest: Tensor

    def __init__(self, eps: Tensor, divisor: Tensor) -> None:
        super().__init__(eps, divisor)
        self.register_buffer("root_eps", eps.sqrt().float().view(1, -1, 1, 1))
        self.register_buffer("smallest", torch.full((1, 1, 1, 1), SMALLEST_MAGNITUDE))

    def forward(self, x: Tensor) -> Tensor:
        x = x - self._over_group(x)
        magnitude = self._over_taps(x.abs().amax((2, 3), keepdim=True)) + self.smallest
        x = x / magnitude
        epsilon = self.root_eps / magnitude
        return x * (torch.rsqrt(self._over_group(x * x) + epsilon * epsilon) * self.factor)


class SharedWeights(nn.Conv2d):
    """Gives each channel of the map its weight of one tap, (B, groups, H, W) -> (B, C, H, W), as a
    1x1 convolution with one weight a row.

    before: gamma * w + beta, the affine part of the group norm, then the same w for every c that
    shares it
    after:  the copy and the affine part at once: no expansion and no layout change.
    """

    def __init__(self, gamma: Tensor, beta: Tensor, source: Tensor) -> None:
        """``gamma``, ``beta``: (groups,); ``source``: (C,), whose weight c uses."""
        super().__init__(len(gamma), len(source), 1)
        weight = torch.diag(gamma)[source].float()
        hold(self, "weight", weight.view(*weight.shape, 1, 1))
        hold(self, "bias", beta[source].float())


class LocalConvolutionBySlices(nn.Module):
    """By shifted slices of the padded map, multiplied and added.

    before: sum over taps of unfold(x)[c, tap] * w[c % groups, tap]
    after:  the same sum, tap by tap, each over a slice of the padded map. The convolution that
    makes the weights has the tap as its slowest channel axis, so that a tap's weights are a slice.
    No im2col, no tensor of more than four axes, no transpose.
    """

    tap_norm: type[TapNorm] = TapNorm

    def __init__(
        self,
        expand: Affine,
        norm: nn.GroupNorm,
        halves: int,
        scale: Tensor,
        shift: Tensor,
        hidden: Moments,
    ) -> None:
        super().__init__()
        groups = norm.num_groups
        self.groups = groups
        tap_first = torch.arange(TAPS * groups).view(groups, TAPS).T.flatten()
        first = Affine(expand.weight[tap_first], expand.bias[tap_first])
        first, deviation = _standardized(first, hidden, groups)
        reach = ranges(through(first, hidden))  # of a normalized local weight, nearly
        self.expand = convolution_from(first)
        self.norm = self.tap_norm(norm.eps / deviation.square().repeat(TAPS), reach)
        channel = torch.arange(len(scale))
        part, shared = len(scale) // halves, groups // halves
        source = channel // part * shared + channel % part % shared
        gamma, beta = (
            numbers(p).double()[tap_first].view(TAPS, groups) for p in (norm.weight, norm.bias)
        )
        largest = ranges(Moments(beta, gamma.square())).amax(0)
        gamma, beta = gamma * reach.view(TAPS, groups) / largest, beta / largest
        self.taps = nn.ModuleList(SharedWeights(gamma[t], beta[t], source) for t in range(TAPS))
        self.sum = TapSum(scale * largest[source], shift)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        weights = self.norm(self.expand(hidden))
        x = F.pad(x, (1, 1, 1, 1))
        rows = [x[:, :, row : row + height] for row in range(KERNEL)]
        shifted, shared = [], []
        for tap, share in enumerate(self.taps):
            row, column = divmod(tap, KERNEL)
            shifted.append(rows[row][..., column : column + width])
            shared.append(share(weights[:, tap * self.groups : (tap + 1) * self.groups]))
        return self.sum(shifted, shared)


class LocalConvolutionInFloat16(LocalConvolutionBySlices):
    """By shifted slices, with a norm of the local weights that float16 holds."""

    tap_norm = TapNormScaled


def _standardized(expand: Affine, hidden: Moments, groups: int) -> tuple[Affine, Tensor]:
    """Local weights of one spread, as their norm makes them equal again, and the old spreads.

    before: group_norm(w) with eps
    after:  group_norm((w - m) / d) with eps / d^2, m and d the expected mean and standard deviation
    of each group: the same result
    """
    expected = through(expand, hidden)
    mean, variance = (values.view(TAPS, groups) for values in expected)
    center = mean.mean(0)
    spread = variance.mean(0) + (mean - center).square().mean(0)
    deviation = ranges(Moments(torch.zeros_like(spread), spread)) / DEVIATIONS
    center, divisor = center.repeat(TAPS), deviation.repeat(TAPS)
    return scaled_rows(Affine(expand.weight, expand.bias - center), 1 / divisor), deviation


class TapSum(nn.Module):
    """Sum over the taps of map times weights, (B, C, H, W) each, times a scale, plus a shift, one
    of each a channel. Float at INT8: eight roundings cost as much accuracy as all else in the layer
    together, and more time than they save.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.float().view(1, -1, 1, 1))
        self.register_buffer("shift", shift.float().view(1, -1, 1, 1))

    def forward(self, maps: list[Tensor], weights: list[Tensor]) -> Tensor:
        return self.total(maps, weights) * self.scale + self.shift

    def total(self, maps: list[Tensor], weights: list[Tensor]) -> Tensor:
        """The sum alone."""
        total = maps[0] * weights[0]
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total = total + x * weight
        return total


class LocalConvolutionByColumns(nn.Module):
    """By the group norm itself and one kernel column after the other, for one image.

    before: sum over taps of unfold(x)[c, tap] * w[c % groups, tap]
    after:  the parts of the map that share weights lie along the batch, (C / groups, groups, H, W),
    over which the weights spread without a copy. The rows above, at and below are channels
    g * 3 + row of one map: the order of every third channel g * 9 + tap of the weights, which are
    the taps of one column.
    """

    def __init__(
        self,
        expand: Affine,
        norm: nn.GroupNorm,
        halves: int,
        scale: Tensor,
        shift: Tensor,
        hidden: Moments,
    ) -> None:
        super().__init__()
        center = through(expand, hidden).mean.view(-1, TAPS).mean(1).repeat_interleave(TAPS)
        self.expand = convolution_from(Affine(expand.weight, expand.bias - center))
        channels, groups = norm.num_channels, norm.num_groups
        self.norm = GroupNormNative(channels, groups, norm.eps, norm.weight, norm.bias)
        self.parts = Parts(groups, halves)
        self.sum = ColumnSum(self.parts, scale, shift)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        weights = self.norm(self.expand(hidden))
        x = F.pad(self.parts.of(x), (1, 1, 1, 1))
        x = torch.cat([x[:, :, row : row + height] for row in range(KERNEL)], dim=2)
        x = x.view(x.shape[0], -1, height, width + 2)
        columns = [x[..., column : column + width] for column in range(KERNEL)]
        return self.sum(columns, [weights[:, column::KERNEL] for column in range(KERNEL)])


@dataclass(frozen=True)
class Parts:
    """The parts of a map that share weights, along the batch. A map of two halves has each half's
    own weights: a part takes its channels from both.
    """

    groups: int
    halves: int

    def of(self, x: Tensor) -> Tensor:
        """(1, C, H, W) -> (C / groups, groups, H, W). Raises InputError for several images."""
        if len(x) != 1:
            raise InputError(
                "The official CoT layer is written for one image here: its batch axis is taken.",
                "Build it with --batch 1, or for another target.",
            )
        return self._exchanged(x, self.halves, -1).reshape(-1, self.groups, *x.shape[2:])

    def joined(self, x: Tensor) -> Tensor:
        """(C / groups, groups, H, W) -> (1, C, H, W)."""
        return self._exchanged(x, -1, self.halves).reshape(1, -1, *x.shape[2:])

    def _exchanged(self, x: Tensor, outer: int, inner: int) -> Tensor:
        """A map of two halves with the halves and the parts, its two outer axes, exchanged."""
        if self.halves == 1:
            return x
        height, width = x.shape[2:]
        rows = self.groups // self.halves * height
        return x.view(outer, inner, rows, width).permute(1, 0, 2, 3)


class ColumnSum(TapSum):
    """The same over the columns, then over the rows: map and weights are
    (C / groups, 3 * groups, H, W) and (1, 3 * groups, H, W) a column.
    """

    def __init__(self, parts: Parts, scale: Tensor, shift: Tensor) -> None:
        super().__init__(scale, shift)
        self.parts = parts

    def forward(self, maps: list[Tensor], weights: list[Tensor]) -> Tensor:
        rows = self.total(maps, weights)
        total = rows[:, ::KERNEL] + rows[:, 1::KERNEL] + rows[:, 2::KERNEL]
        return self.parts.joined(total) * self.scale + self.shift
