"""Conformer's layers as other people write them: the published structure under other names, in
another order, attention by torch's own function.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.head_count = count
        self.out = nn.Linear(width, width)
        self.into = nn.Linear(width, 3 * width)

    def forward(self, rows: Tensor) -> Tensor:
        three = self.into(rows).unflatten(-1, (3, self.head_count, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*three)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, count: int, ratio: int = 4) -> None:
        super().__init__()
        self.feed = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )
        self.second = nn.LayerNorm(width, eps=1e-6)
        self.mixer = SelfAttention(width, count)
        self.first = nn.LayerNorm(width, eps=1e-6)

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.mixer(self.first(rows)) + rows
        return rows + self.feed(self.second(rows))


class TanhEncoder(Encoder):
    """Another function of the same layers."""

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.mixer(self.first(rows)) + rows
        up, _, down = self.feed
        return rows + down(torch.tanh(up(self.second(rows))))


class Residual(nn.Module):
    """A bottleneck whose middle map is returned too."""

    def __init__(self, given: int, width: int, step: int, projects: bool) -> None:
        super().__init__()
        inner = width // 4
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(given, inner, 1, bias=False), _norm(inner), nn.ReLU()),
                nn.Sequential(
                    nn.Conv2d(inner, inner, 3, step, 1, bias=False), _norm(inner), nn.ReLU()
                ),
                nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), _norm(width)),
            ]
        )
        self.shortcut = (
            nn.Sequential(nn.Conv2d(given, width, 1, step, bias=False), _norm(width))
            if projects
            else nn.Identity()
        )

    def forward(self, x: Tensor, other: Tensor | None = None) -> tuple[Tensor, Tensor]:
        first, second, third = self.layers
        inner = first(x)
        inner = second(inner if other is None else inner + other)
        return F.relu(third(inner) + self.shortcut(x)), inner


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-6)


class ToRows(nn.Module):
    def __init__(self, channels: int, width: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        pooled = F.avg_pool2d(self.widen(x), self.cells)
        patches = F.gelu(self.norm(pooled.flatten(2).mT))
        return torch.cat((rows[:, 0][:, None], patches), 1)


class ToMap(nn.Module):
    def __init__(self, width: int, channels: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.norm = _norm(channels)
        self.narrow = nn.Conv2d(width, channels, 1)

    def forward(self, rows: Tensor, height: int, width: int) -> Tensor:
        x = rows[:, 1:].mT.unflatten(2, (height, width))
        x = F.relu(self.norm(self.narrow(x)))
        return F.interpolate(x, scale_factor=float(self.cells))


class Stage(nn.Module):
    """Two branches, coupled: map and rows to map and rows."""

    def __init__(
        self,
        given: int,
        width: int,
        tokens: int,
        count: int,
        cells: int,
        step: int = 1,
        projects: bool = False,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.cells = cells
        self.up = ToMap(tokens, width // 4, cells)
        self.down = ToRows(width // 4, tokens, cells)
        self.tokens = Encoder(tokens, count)
        self.merge = Residual(width, width, 2 if last else 1, last)
        self.map = Residual(given, width, step, projects)

    def forward(self, x: Tensor, rows: Tensor) -> list[Tensor]:
        x, inner = self.map(x)
        rows = self.tokens(self.down(inner, rows) + rows)
        height, width = (side // self.cells for side in inner.shape[2:])
        x, _ = self.merge(x, self.up(rows, height, width))
        return [x, rows]
