"""Gradients through an edge form to the published module's parameters."""

import copy

import pytest
import torch

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.edge import edge_form
from edge_models.edge.folding import gradients_followed
from edge_models.reference.heads import one_output
from export_targets.target import target_named

MODELS = ("digits_cotnet_simple", "digits_conformer", "digits_cotnet")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", ["xnnpack", "vulkan", "coreml"])
def test_gradients_are_those_of_the_published_module(model: str, target: str) -> None:
    spec = model_spec(model)
    reference = load_reference(spec, None).module.double()
    of_edge, forms = copy.deepcopy(reference), target_named(target).forms()
    with gradients_followed():
        module = edge_form(spec, of_edge, spec.input.size, 1, "mean", forms).double()
    x = torch.randn(1, 3, *spec.input.size, generator=torch.Generator().manual_seed(0)).double()
    (module(x) ** 2).sum().backward()
    (one_output(spec, reference)(x) ** 2).sum().backward()
    expected = {name: p.grad for name, p in reference.named_parameters() if p.grad is not None}
    assert expected
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        found = of_edge.get_parameter(name).grad
        assert found is not None, name
        assert torch.allclose(found, gradient, rtol=1e-3, atol=1e-5 * largest), name


@pytest.mark.parametrize("model", MODELS)
def test_followed_or_not_the_weights_are_the_same(model: str) -> None:
    spec, forms = model_spec(model), target_named("xnnpack").forms()
    reference = load_reference(spec, None).module
    plain = edge_form(spec, reference, spec.input.size, 1, "mean", forms)
    with gradients_followed():
        followed = edge_form(spec, reference, spec.input.size, 1, "mean", forms)
    assert not any(value.requires_grad for value in plain.state_dict(keep_vars=True).values())
    assert any(value.requires_grad for value in followed.state_dict(keep_vars=True).values())
    assert plain.state_dict().keys() == followed.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, followed.state_dict()[name]), name
