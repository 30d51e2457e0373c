"""Group norm of a map with its affine part, in every form that a target takes.

Each form is built from the channels, the groups, epsilon, and gamma and beta, (C,) each or none.
"""

import torch
from torch import Tensor, nn

from edge_models.edge.folding import hold, numbers

SMALLEST_MAGNITUDE = 2.0**-8  # of a group, where epsilon, 1e-5, outweighs its variance


class GroupNormByMeans(nn.Module):
    """Group norm over (B, C, H, W); an instance norm where each channel is a group.

    before: (x - mean) / sqrt(var + eps) * gamma + beta, over C / groups channels and all positions
    after:  the same, each mean first over the positions of a channel, then over the group's
    channels as the rows of a (B, groups, C / groups, 1) map: no reduction that a backend lacks, and
    the map itself keeps its layout. Must stay float at INT8.
    """

    spread: Tensor
    gamma: Tensor
    beta: Tensor

    def __init__(
        self, channels: int, groups: int, eps: float, gamma: Tensor | None, beta: Tensor | None
    ) -> None:
        super().__init__()
        self.channels, self.groups, self.eps = channels, groups, eps
        gamma = torch.ones(channels) if gamma is None else gamma
        beta = torch.zeros(channels) if beta is None else beta
        self.register_buffer("spread", torch.ones(1, groups, channels // groups, 1))
        self.register_buffer("gamma", gamma.detach().clone().view(1, -1, 1, 1))
        self.register_buffer("beta", beta.detach().clone().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - self._mean(x)
        return x * torch.rsqrt(self._mean(x * x) + self.eps) * self.gamma + self.beta

    def _mean(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the mean of each group, for each of its channels."""
        x = x.mean((2, 3), keepdim=True)
        if self.groups == self.channels:
            return x
        means = x.view(-1, self.groups, self.channels // self.groups, 1).mean((2, 3), keepdim=True)
        return self._for_channels(means)

    def _for_channels(self, of_groups: Tensor) -> Tensor:
        """(B, groups, 1, 1) -> (B, C, 1, 1)."""
        return (self.spread * of_groups).view(-1, self.channels, 1, 1)


class GroupNormScaled(GroupNormByMeans):
    """The same for float16, whose squares overflow beyond 255.

    before: c / sqrt(mean(c^2) + eps), with c = x - mean(x)
    after:  y / sqrt(mean(y^2) + (sqrt(eps) / m)^2), with y = c / m, m = 2^-8 + max |c| of the
    group: no square overflows, and 2^-8 alone is small beside sqrt(eps). The constants are tensors,
    as in the layer norm for float16.
    """

    root_eps: Tensor
    smallest: Tensor

    def __init__(
        self, channels: int, groups: int, eps: float, gamma: Tensor | None, beta: Tensor | None
    ) -> None:
        super().__init__(channels, groups, eps, gamma, beta)
        self.register_buffer("root_eps", torch.full((1, 1, 1, 1), eps**0.5))
        self.register_buffer("smallest", torch.full((1, 1, 1, 1), SMALLEST_MAGNITUDE))

    def forward(self, x: Tensor) -> Tensor:
        x = x - self._mean(x)
        magnitude = self._largest(x) + self.smallest
        x = x / magnitude
        epsilon = self.root_eps / magnitude
        return x * torch.rsqrt(self._mean(x * x) + epsilon * epsilon) * self.gamma + self.beta

    def _largest(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the largest magnitude of each group, for each of its channels."""
        x = x.abs().amax((2, 3), keepdim=True)
        if self.groups < self.channels:
            rows = x.view(-1, self.groups, self.channels // self.groups, 1)
            return self._for_channels(rows.amax((2, 3), keepdim=True))
        return x


class GroupNormNative(nn.GroupNorm):
    """The operator itself, where a target's kernel sums in float32 whatever the map is stored in;
    with gamma and beta always.
    """

    def __init__(
        self, channels: int, groups: int, eps: float, gamma: Tensor | None, beta: Tensor | None
    ) -> None:
        super().__init__(groups, channels, eps)
        for name, given in (("weight", gamma), ("bias", beta)):
            if given is not None:
                hold(self, name, numbers(given).float())
