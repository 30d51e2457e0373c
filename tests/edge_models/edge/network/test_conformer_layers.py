"""Conformer's layers in a network, by class and by what they compute."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edge_models.edge import Forms
from edge_models.edge.network import network_edge_form
from edge_models.parity import measure
from edge_models.reference import conformer_blocks as reference
from export_targets import coreml_family
from export_targets.targets import vulkan
from tests.edge_models.edge.network import foreign_conformer as foreign
from tests.edge_models.layers import FORMS, made

SIZE = (32, 48)
TRIED = {**FORMS, "vulkan": vulkan.forms(), "coreml": coreml_family.forms()}
CHANNELS, DIM, HEADS = 16, 24, 3


class Branches(nn.Module):
    """A map (B, 16, 8, 12) and 1 + 4 x 6 rows of an image, through ``layer``."""

    def __init__(self, layer: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 4, 4)
        self.patches = nn.Conv2d(CHANNELS, DIM, 2, 2)
        self.token = nn.Parameter(torch.randn(1, 1, DIM))
        self.layer = layer
        self.call = call

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        rows = self.patches(x).flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(len(x), -1, -1), rows], 1)
        return self.call(self.layer, x, rows)


def both(layer: nn.Module, x: Tensor, rows: Tensor) -> Any:
    return layer(x, rows)


def of_rows(layer: nn.Module, _: Tensor, rows: Tensor) -> Any:
    return layer(rows)


def up(layer: nn.Module, _: Tensor, rows: Tensor) -> Any:
    return layer(rows, width=6, height=4)


STAGE = (CHANNELS, 32, DIM, HEADS)
CALLS: dict[str, tuple[str, Callable[..., Any], Callable[[], nn.Module]]] = {
    "ConvTransBlock": (
        "ConvTransBlock", both, lambda: reference.ConvTransBlock(*STAGE, 2, 1, True),
    ),
    "Block": ("Block", of_rows, lambda: reference.Block(DIM, HEADS)),
    "FCUDown": ("FCUDown", both, lambda: reference.FCUDown(CHANNELS, DIM, 2)),
    "FCUUp": ("FCUUp", up, lambda: reference.FCUUp(DIM, 8, 2)),
    "a stage": ("ConvTransBlock", both, lambda: foreign.Stage(*STAGE, 2, 1, True)),
    "a strided stage": ("ConvTransBlock", both, lambda: foreign.Stage(*STAGE, 1, 2, True)),
    "a plain stage": ("ConvTransBlock", both, lambda: foreign.Stage(16, 16, DIM, HEADS, 2)),
    "the last stage": (
        "ConvTransBlock", both, lambda: foreign.Stage(16, 16, DIM, HEADS, 2, last=True),
    ),
    "an encoder": ("Block", of_rows, lambda: foreign.Encoder(DIM, HEADS)),
    "an encoder of ratio 3": ("Block", of_rows, lambda: foreign.Encoder(DIM, 2, 3)),
    "map to rows": ("FCUDown", both, lambda: foreign.ToRows(CHANNELS, DIM, 2)),
    "rows to map": ("FCUUp", up, lambda: foreign.ToMap(DIM, 8, 2)),
}  # fmt: skip


def compared(network: nn.Module, forms: Forms) -> tuple[float, list[tuple[str, str | None, str]]]:
    """The lowest SQNR of the results on two images, and what was recognized."""
    edge, found = network_edge_form(network, SIZE, 1, forms)
    images = torch.randn(2, 1, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected, actual = [network(x) for x in images], [edge(x) for x in images]
    assert type(expected[0]) is type(actual[0])
    if isinstance(expected[0], Tensor):
        expected, actual = [[item] for item in expected], [[item] for item in actual]
    least = min(
        measure(torch.stack(whole).flatten(1), torch.stack(part).flatten(1)).sqnr_db
        for whole, part in zip(zip(*expected, strict=True), zip(*actual, strict=True), strict=True)
    )
    return least, [(item.path, item.kind, item.why) for item in found]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "forms",
    [
        "vulkan",
        *(pytest.param(n, marks=pytest.mark.full) for n in ("xnnpack", "coreml", "default")),
    ],
)
def test_a_known_layer_becomes_its_edge_form(name: str, forms: str) -> None:
    kind, call, make = CALLS[name]
    network = made(Branches, layer=made(make), call=call)
    least, found = compared(network, TRIED[forms])
    assert found == [("layer", kind, "")]
    assert least >= 100


def test_another_function_of_the_same_layers_stays() -> None:
    network = made(Branches, layer=made(foreign.TanhEncoder, width=DIM, count=HEADS), call=of_rows)
    least, ((path, kind, why),) = compared(network, Forms())
    assert (path, kind) == ("layer", None)
    assert "its layers are those of Block, what it computes is not" in why
    assert least >= 100
