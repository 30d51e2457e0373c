"""Palettes of weights: their entries, the order of rounding, how many bits each layer gets."""

import pytest
import torch
from torch import Tensor, fx, nn

from quantize.palettes import (
    Rounded,
    choose,
    input_moments,
    nearest,
    palette,
    palettized,
    rounded,
)


def graph_of(module: nn.Module, x: Tensor) -> fx.GraphModule:
    graph = torch.export.export(module.eval(), (x,)).module()
    assert isinstance(graph, fx.GraphModule)
    return graph


def correlated(rows: int, size: int) -> Tensor:
    """Numbers whose columns go together, as what a trained layer reads."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, size, generator=generator)
    noise = torch.randn(rows, size, generator=generator)
    return torch.randn(rows, 4, generator=generator) @ mixing + 0.3 * noise


def test_few_numbers_are_held_as_they_are() -> None:
    numbers = torch.tensor([0.5, -1.0, 0.5, 2.0])
    assert palette(numbers, torch.ones(4), 4).tolist() == [-1.0, 0.5, 2.0]
    assert nearest(numbers, torch.tensor([-1.0, 0.5, 2.0])).tolist() == [1, 0, 1, 2]


def test_entries_lie_where_what_counts_lies() -> None:
    numbers = torch.tensor([0.0, 0.1, 1.0, 1.4])
    alike = palette(numbers, torch.ones(4), 2)
    assert alike.tolist() == pytest.approx([0.05, 1.2])
    first = palette(numbers, torch.tensor([1.0, 1.0, 9.0, 1.0]), 2)
    assert first.tolist() == pytest.approx([0.05, 1.04])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 5, bias=False),
        nn.Conv2d(6, 4, 3, 2, 1, bias=False),
        nn.Conv2d(6, 4, 3, 1, 2, dilation=2, groups=2, bias=False),
        nn.Conv2d(6, 6, (3, 1), groups=6, bias=False),
    ],
)
def test_moments_give_the_energy_of_a_layers_output(layer: nn.Linear | nn.Conv2d) -> None:
    size = (2, 6, 6) if isinstance(layer, nn.Linear) else (2, 6, 8, 9)
    images = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    seen: list[None] = []
    found = input_moments(graph_of(layer, images[0]), images, lambda: seen.append(None))
    groups, inputs = found["weight"].shape[:2]
    rows = layer.weight.detach().reshape(groups, -1, inputs)
    energy = (rows @ found["weight"] * rows).sum()
    with torch.no_grad():
        expected = torch.stack([layer(image).square().sum() for image in images]).sum()
    torch.testing.assert_close(energy, expected)
    assert len(seen) == 3


def test_later_inputs_make_up_for_what_earlier_ones_were_rounded_by() -> None:
    x = correlated(500, 150)  # more inputs than are corrected at once
    weight = torch.randn(20, 150, generator=torch.Generator().manual_seed(1))
    (found,) = rounded(weight, (x.T @ x)[None], (4,))
    entries = palette(weight.flatten(), torch.ones(weight.numel()), 16)
    plain = entries[nearest(weight, entries)]
    assert len(found.weight.unique()) <= 16
    energy, lost = (x @ weight.T).square().sum(), (x @ (found.weight - weight).T).square().sum()
    assert found.error == pytest.approx((lost / energy).item(), rel=1e-3)
    assert 4 * lost < (x @ (plain - weight).T).square().sum()


def test_groups_round_their_own_rows() -> None:
    x = torch.stack([correlated(200, 9), correlated(200, 9).flip(1)])
    weight = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    moments = x.mT @ x
    both = rounded(weight, moments, (2,))[0].weight
    swapped = rounded(weight[[2, 3, 0, 1]], moments.flip(0), (2,))[0].weight
    torch.testing.assert_close(both, swapped[[2, 3, 0, 1]])


def test_inputs_that_are_always_zero_cost_nothing_and_stop_nothing() -> None:
    (found,) = rounded(torch.randn(3, 4), torch.zeros(1, 4, 4), (2,))
    assert found.error == 0.0
    assert found.weight.isfinite().all()


def test_bits_go_where_they_take_most_error_away() -> None:
    def candidates(*errors: float) -> list[Rounded]:
        weight = torch.zeros(1000)
        return [Rounded(weight, bits, e) for bits, e in zip((4, 6, 8), errors, strict=True)]

    layers = {"easy": candidates(0.1, 0.01, 0.001), "hard": candidates(8.0, 1.0, 0.1)}
    assert {name: each.bits for name, each in choose(layers, 4.0).items()} == {"easy": 4, "hard": 4}
    chosen = choose(layers, 5.5)
    assert {name: each.bits for name, each in chosen.items()} == {"easy": 4, "hard": 6}
    assert {each.bits for each in choose(layers, 99.0).values()} == {8}


class Pair(nn.Module):
    """Two layers, the second of which has numbers of very different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.even = nn.Conv2d(3, 64, 1)
        self.uneven = nn.Linear(64, 64)
        with torch.no_grad():
            self.even.weight.copy_(self.even.weight.sign())
            self.uneven.weight.mul_(torch.logspace(-2, 2, 64)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.uneven(torch.relu(self.even(x)).mean((2, 3)))


class Fixed(nn.Module):
    """A linear whose weight is no part of the network's state, as of a resize."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("fixed", torch.randn(4, 4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.layer(x), self.get_buffer("fixed"))


def test_what_is_no_part_of_the_state_stays_as_it_is() -> None:
    images = torch.randn(2, 1, 4)
    found = palettized(graph_of(Fixed(), images[0]), images, (2,), 2.0, lambda: None)
    assert list(found) == ["layer.weight"]


def test_a_layer_that_sixteen_numbers_hold_gets_no_more() -> None:
    torch.manual_seed(0)
    module, images = Pair(), torch.randn(4, 1, 3, 8, 8)
    graph = graph_of(module, images[0])
    found = palettized(graph, images, (4, 6, 8), 9.0, lambda: None)
    assert found["even.weight"].equal(module.even.weight)
    assert 64 < len(found["uneven.weight"].unique()) <= 256
    alone = palettized(graph, (), (4,), 4.0, lambda: None)
    assert len(alone["uneven.weight"].unique()) == 16
