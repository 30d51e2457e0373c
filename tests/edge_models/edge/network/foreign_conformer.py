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


class Coupled(nn.Module):
    """A whole network of the two branches: its maps after some stages, or two heads' logits."""

    def __init__(
        self, after: tuple[int, ...] = (), classes: int = 0, width: int = 16, tokens: int = 24
    ) -> None:
        super().__init__()
        self.after = after
        self.start = nn.Parameter(torch.randn(1, 1, tokens) * 0.02)
        self.entry = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )  # fmt: skip
        self.rows = nn.Conv2d(64, tokens, 4, 4)
        self.first_map, self.first_rows = Residual(64, width, 1, True), Encoder(tokens, 3)
        self.stages = nn.ModuleList(
            [
                Stage(width, width, tokens, 3, 4),
                Stage(width, 2 * width, tokens, 3, 2, 2, True),
                Stage(2 * width, 4 * width, tokens, 3, 1, 2, True, last=True),
            ]
        )
        self.norm = nn.LayerNorm(tokens)
        self.heads = nn.ModuleList(
            [nn.Linear(4 * width, classes), nn.Linear(tokens, classes)] if classes else []
        )

    def forward(self, x: Tensor) -> dict[str, Tensor] | tuple[Tensor, ...]:
        x = self.entry(x)
        rows = torch.cat([self.start.repeat(len(x), 1, 1), self.rows(x).flatten(2).mT], 1)
        x, _ = self.first_map(x)
        rows = self.first_rows(rows)
        maps = {1: x}
        for number, stage in enumerate(self.stages, 2):
            x, rows = stage(x, rows)
            maps[number] = x
        if self.after:
            return {**{f"map{number}": maps[number] for number in self.after}, "tokens": rows}
        of_map, of_rows = self.heads
        return of_map(x.mean((2, 3))), of_rows(self.norm(rows)[:, 0])


class MapOfNothing(Coupled):
    """A map that no stage has."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found = super().forward(x)
        assert isinstance(found, dict)
        return found["map2"] * 2, found["map3"]
