"""Whole models: the edge form computes the reference, in every set of forms."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec, model_specs
from edge_models.edge import edge_form
from edge_models.parity import Metrics, measure
from edge_models.random_weights import random_reference
from edge_models.reference.heads import SingleOutput, stack_outputs
from tests.daily import daily
from tests.edge_models.layers import FORMS, made_model

MIN_SQNR_DB = 100.0  # float32 against float32; the models reach 125 to 137 here
DIGITS = [spec.name for spec in model_specs().values() if spec.embedded]
PUBLISHED = [
    "cotnet50_simple",
    "conformer_small_patch16",
    "cotnet50",
    "cotnext50_2x48d",
    "se_cotnetd_50",
    "se_cotnetd_152",
]
SIZE = (64, 96)


@cache
def reference(name: str) -> nn.Module:
    return random_reference(model_spec(name), 1)


def two_images() -> Tensor:
    """Two kinds of image, (2, 3, H, W), so that the logits differ."""
    x = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    x[1] = x[1].cumsum(-1) / 8
    return x


def edge_against_reference(name: str, forms: str, heads: str = "mean") -> Metrics:
    x = two_images()
    model = reference(name)
    edge = edge_form(model_spec(name), model, SIZE, 2, heads, FORMS[forms])
    assert not edge.training
    with torch.no_grad():
        expected = stack_outputs(SingleOutput(model, heads)(x))
        return measure(expected, stack_outputs(edge(x)))


@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("heads", ["mean", "both"])
@pytest.mark.parametrize("name", DIGITS)
def test_digits_models(name: str, heads: str, forms: str) -> None:
    metrics = edge_against_reference(name, forms, heads)
    assert metrics.sqnr_db > MIN_SQNR_DB
    assert metrics.top1_agreement == 1.0


@pytest.mark.parametrize("forms", daily(["default", "xnnpack"], ["xnnpack"]))
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(name: str, forms: str) -> None:
    """Deep random networks amplify float32's rounding: what the published form itself loses by it,
    measured against float64, is what the edge form may lose, and twice that amplitude.
    """
    x = two_images()
    model = reference(name)
    edge = edge_form(model_spec(name), model, SIZE, 2, "mean", FORMS[forms])
    with torch.no_grad():
        exact = stack_outputs(SingleOutput(deepcopy(model).double())(x.double())).float()
        rounded = measure(exact, stack_outputs(SingleOutput(model)(x)))
        found = measure(exact, stack_outputs(edge(x)))
    assert found.sqnr_db > min(MIN_SQNR_DB, rounded.sqnr_db - 6.0)
    assert found.top1_agreement == 1.0


@pytest.mark.parametrize("name", DIGITS)
def test_a_perturbed_weight_is_seen(name: str) -> None:
    model = made_model(name)
    x = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    edge = edge_form(model_spec(name), model, SIZE, 2, "mean", FORMS["default"])
    with torch.no_grad():
        model.get_submodule("bn1").weight[0] += 0.01
        expected = stack_outputs(SingleOutput(model)(x))
        assert measure(expected, stack_outputs(edge(x))).sqnr_db < MIN_SQNR_DB


@pytest.mark.parametrize("name", DIGITS)
def test_images_of_a_batch_do_not_mix(name: str) -> None:
    x = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    single, pair = (
        edge_form(model_spec(name), reference(name), SIZE, batch, "mean", FORMS["xnnpack"])
        for batch in (1, 2)
    )
    with torch.no_grad():
        torch.testing.assert_close(pair(x)[1:], single(x[1:]), rtol=1e-4, atol=1e-5)
