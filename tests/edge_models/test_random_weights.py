"""Random weights: measured statistics, answers that differ between images, seeded."""

import pytest
import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.images import preprocess_all
from edge_models.parity import measure
from edge_models.photographs import photographs, views
from edge_models.random_weights import random_reference
from edge_models.reference.heads import SingleOutput
from tests.edge_models.layers import made_model

MODELS = ["digits_cotnet_simple", "digits_cotnet", "digits_conformer"]


def logits(name: str, module: nn.Module) -> Tensor:
    """On 64 views of photographs that the statistics were not measured on."""
    inputs = preprocess_all(views(photographs(), 64), model_spec(name).input, (64, 64))
    with torch.no_grad():
        output = SingleOutput(module).eval()(inputs)
    assert isinstance(output, Tensor)
    return output


@pytest.mark.parametrize("name", MODELS)
def test_the_answers_differ_between_images(name: str) -> None:
    answers = logits(name, random_reference(model_spec(name), 0))
    assert len(answers.argmax(1).unique()) >= 6  # of ten classes
    assert measure(answers, answers).constant_agreement < 0.5
    share = (answers - answers.mean(0)).square().sum() / answers.square().sum()
    assert share > 0.5
    # with statistics drawn at random hardly anything differs
    drawn = logits(name, made_model(name))
    assert (drawn - drawn.mean(0)).square().sum() / drawn.square().sum() < 0.1


def test_the_seed_decides_and_a_change_stays_outside_the_cache() -> None:
    spec = model_spec("digits_cotnet_simple")
    first, other = random_reference(spec, 0), random_reference(spec, 1)
    kept = {key: value.clone() for key, value in first.state_dict().items()}
    with torch.no_grad():
        first.get_parameter("conv1.weight").zero_()
    again = random_reference(spec, 0).state_dict()
    assert all(torch.equal(kept[key], again[key]) for key in kept)
    assert not torch.equal(kept["conv1.weight"], other.state_dict()["conv1.weight"])


def test_batch_norms_are_as_they_were_but_for_their_statistics() -> None:
    module = random_reference(model_spec("digits_cotnet_simple"), 0)
    assert not any(layer.training for layer in module.modules())
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {nn.BatchNorm2d(1).momentum}
