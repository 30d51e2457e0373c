"""Errors of layers: the figures on a graph whose answer is known, and what a build stores."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from edge_models.parity import IDENTICAL_DB
from export_targets.artifact.folder import open_artifact
from export_targets.prove.layer_errors import (
    LAYER_ERRORS,
    SAMPLES,
    LayerError,
    int8_share,
    layer_errors,
    read_layer_errors,
)
from tests.conftest import Built


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 5, 1, bias=False)
        self.last = nn.Linear(5, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.second(self.first(x))).mean((2, 3)))


INPUTS = torch.randn(SAMPLES + 1, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def graphs(change: Callable[[Layers], object]) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The graph of a module, and of the same one after a change of its weights."""
    torch.manual_seed(0)
    module = Layers()
    reference = torch.export.export(module, (INPUTS[0],)).module()
    torch.manual_seed(0)
    module = Layers()
    with torch.no_grad():
        change(module)
    return reference, torch.export.export(module, (INPUTS[0],)).module()


def differing_db(values: Tensor) -> float:
    """What differs between the samples, as a share of the whole energy in dB; negative."""
    differing = (values - values.mean(0)).double().square().sum()
    return 10 * math.log10(differing / values.double().square().sum())


def test_an_error_is_seen_where_it_begins_and_after() -> None:
    errors = layer_errors(*graphs(lambda module: module.second.weight.mul_(1.01)), INPUTS)
    assert [error.module for error in errors] == ["first", "second", "last"]
    assert [error.operator for error in errors] == ["conv2d", "conv2d", "linear"]
    found = [error.sqnr_db for error in errors]
    assert found[0] == IDENTICAL_DB
    torch.manual_seed(0)
    module, inputs = Layers(), INPUTS[:SAMPLES].flatten(0, 1)
    with torch.no_grad():
        results = (module.second(module.first(inputs)), module(inputs))
    # the noise is a hundredth of each value
    assert found[1:] == pytest.approx([40.0 + differing_db(result) for result in results], abs=0.01)
    assert {error.computes for error in errors} == {"float"}


def test_energies_are_summed_over_the_samples() -> None:
    inputs = INPUTS[:2] * torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1, 1)
    first = layer_errors(*graphs(lambda module: module.first.bias.add_(1.0)), inputs)[0]
    torch.manual_seed(0)
    with torch.no_grad():
        expected = Layers().first(inputs.flatten(0, 1))
        expected = expected - expected.mean(0)
    power = expected.double().square().mean().item()  # the noise is 1 everywhere
    assert first.sqnr_db == pytest.approx(10 * math.log10(power), abs=1e-3)


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_a_layer_that_cannot_be_compared_has_no_figure(value: float) -> None:
    reference, other = graphs(lambda module: module.second.weight.fill_(value))
    errors = layer_errors(reference, other, INPUTS)
    if value == 0.0:
        errors = layer_errors(other, reference, INPUTS)
    assert [error.sqnr_db for error in errors] == [IDENTICAL_DB, None, None]


def test_a_build_stores_the_errors_of_an_int8_model(built: Built) -> None:
    result = built(recipe="int8")
    artifact = open_artifact(result.folder)
    errors = read_layer_errors(artifact)
    assert result.parity is not None
    assert artifact.lists(LAYER_ERRORS)
    products = [error for error in errors if error.computes == "int8"]
    assert len(products) > 20
    figures = [error.sqnr_db for error in products if error.sqnr_db is not None]
    assert len(figures) == len(products)
    assert max(figures) < 60.0  # INT8 is seen in every layer ...
    quantize = next(hop for hop in result.parity.hops if hop.name == "quantize")
    assert errors[-1].sqnr_db == pytest.approx(quantize.sqnr_db, abs=3.0)  # ... up to the logits


def test_a_float_build_stores_none(built: Built) -> None:
    artifact = open_artifact(built().folder)
    assert not artifact.lists(LAYER_ERRORS)
    assert read_layer_errors(artifact) == ()


def test_the_share_in_int8_is_of_the_multiply_accumulates() -> None:
    def layer(computes: str, macs: int | None) -> LayerError:
        content = {"node": "n", "module": "m", "operator": "linear", "sqnr_db": 30.0}
        return LayerError.model_validate({**content, "computes": computes, "macs": macs})

    assert int8_share([layer("int8", 300), layer("float", 100), layer("float", 0)]) == 0.75
    assert int8_share([]) == 0.0
    assert int8_share([layer("int8", 300), layer("float", None)]) is None
