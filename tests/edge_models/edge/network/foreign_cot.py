"""CoT layers as other people write them: the published structure under other names, in another
order of definition and of calls.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ContextAttention(nn.Module):
    """The simplified layer: values first, the mean over maps by a product with a constant."""

    def __init__(self, channels: int, window: int = 3, groups: int = 4) -> None:
        super().__init__()
        self.channels, self.window = channels, window
        narrow = channels // 2
        self.to_values = nn.Conv2d(channels, channels, 1, bias=False)
        self.values_norm = nn.BatchNorm2d(channels)
        self.mixing = nn.ModuleList(
            [
                nn.Conv2d(2 * channels, narrow, 1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.Conv2d(narrow, window**2 * channels, 1),
            ]
        )
        self.neighbours = nn.Conv2d(
            channels, channels, window, padding=window // 2, groups=groups, bias=False
        )
        self.neighbours_norm = nn.BatchNorm2d(channels)

    def forward(self, image: Tensor) -> Tensor:
        values = self.values_norm(self.to_values(image)).flatten(2)
        local = F.relu(self.neighbours_norm(self.neighbours(image)))
        down, norm, up = self.mixing
        weights = up(F.relu(norm(down(torch.cat((local, image), 1))))).flatten(2)
        weights = weights.unflatten(1, (self.channels, self.window**2)).mean(2)
        return local + (F.softmax(weights, -1) * values).view_as(image)


class OtherOrder(ContextAttention):
    """Another function of the same layers: the map before its context."""

    def forward(self, image: Tensor) -> Tensor:
        values = self.values_norm(self.to_values(image)).flatten(2)
        local = F.relu(self.neighbours_norm(self.neighbours(image)))
        down, norm, up = self.mixing
        weights = up(F.relu(norm(down(torch.cat((image, local), 1))))).flatten(2)
        weights = weights.unflatten(1, (self.channels, self.window**2)).mean(2)
        return local + (F.softmax(weights, -1) * values).view_as(image)


@torch.library.custom_op("edgeform_test::aggregate", mutates_args=())
def aggregate(image: Tensor, weights: Tensor) -> Tensor:
    """(B, C, H, W) and (B, groups, 9, H, W): the local convolution as an operator of its own."""
    _, channels, height, width = image.shape
    groups = weights.shape[1]
    padded = F.pad(image, (1, 1, 1, 1))
    total = torch.zeros_like(image)
    for tap in range(9):
        row, column = divmod(tap, 3)
        seen = padded[:, :, row : row + height, column : column + width]
        total = total + seen * weights[:, :, tap].repeat(1, channels // groups, 1, 1)
    return total


class Contextual(nn.Module):
    """The official layer: the local convolution by ``how`` "operator" or "unfold", the two contexts
    weighed by a softmax over their axis; CoTNeXt's with two ``parts``.
    """

    def __init__(self, width: int, how: str = "unfold", groups: int = 4, parts: int = 1) -> None:
        super().__init__()
        self.width, self.how, self.parts = width, how, parts
        shared = width // 8
        self.v = nn.Sequential(
            nn.Conv2d(width, width, 1, groups=parts, bias=False), nn.BatchNorm2d(width)
        )
        self.after = nn.BatchNorm2d(width)
        self.k = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.w = nn.Sequential(
            nn.Conv2d(2 * width, width // 2, 1, groups=parts, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, 9 * shared, 1, groups=parts),
            nn.GroupNorm(shared, 9 * shared),
        )
        inner = max(width // 2, 32)
        self.fuse = nn.Sequential(
            nn.Conv2d(width, inner, 1), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, 2 * width, 1),
        )  # fmt: skip

    def local(self, image: Tensor, weights: Tensor) -> Tensor:
        batch, channels, height, width = image.shape
        weights = weights.view(batch, -1, 9, height, width)
        if self.how == "operator":
            aggregated: Tensor = aggregate(image, weights)
            return aggregated
        windows = F.unfold(image, 3, padding=1).view(batch, -1, weights.shape[1], 9, height, width)
        return (windows * weights[:, None]).sum(3).reshape(batch, channels, height, width)

    def forward(self, image: Tensor) -> Tensor:
        static = self.k(image)
        batch, width, height, columns = image.shape
        pair = torch.cat([image, static], 1)
        if self.parts == 2:
            pair = pair.view(batch, 2, width, height, columns).transpose(1, 2).flatten(1, 2)
        weights, values = self.w(pair), self.v(image)
        moved = [
            self.local(part, weight)
            for part, weight in zip(
                values.chunk(self.parts, 1), weights.chunk(self.parts, 1), strict=True
            )
        ]
        dynamic = F.silu(self.after(torch.cat(moved, 1)))
        both = torch.stack((dynamic, static), 2)
        share = self.fuse(both.sum(2).mean((2, 3), keepdim=True)).view(batch, width, 2)
        return (both * share.softmax(2)[..., None, None]).sum(2)
