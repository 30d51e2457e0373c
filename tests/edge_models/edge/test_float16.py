"""The official CoTNet's edge form with every operator's result stored in float16."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.digits import digits
from edge_models.edge import Forms, edge_form
from edge_models.images import preprocess
from edge_models.parity import measure
from export_targets import coreml_family as neural_engine
from export_targets.targets import vulkan

IMAGES = 4  # of the held-out split
GREATER = 8.0
MIN_SQNR_DB = 40.0  # measured: 50 dB at least


@pytest.fixture(scope="module")
def images() -> Tensor:
    spec = model_spec("digits_cotnet")
    held_out, _ = digits("held_out")
    return torch.stack([preprocess(image, spec.input, (64, 64)) for image in held_out[:IMAGES]])


def scaled_weights(model: nn.Module) -> Iterator[str]:
    """The names of a model's weight tensors, each while it is scaled up."""
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            kept = weight.detach().clone()
            weight.mul_(GREATER)
            yield name
            weight.copy_(kept)


def one_by_one(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, classes) of a model that may take a single image at a time."""
    return torch.cat([model(image) for image in images.split(1)]).float()


@pytest.mark.parametrize(
    ("forms", "least"),
    [(vulkan.forms(), 37), (neural_engine.forms(), 60)],
    ids=["vulkan", "coreml"],
)
@torch.no_grad()
def test_nothing_overflows_with_any_weight_scaled_up(
    forms: Forms, least: int, images: Tensor
) -> None:
    spec = model_spec("digits_cotnet")
    reference = load_reference(spec, None).module
    model, half = (edge_form(spec, reference, (64, 64), 1, "mean", forms) for _ in range(2))
    half.half()
    results = {}
    for name, _ in zip(scaled_weights(model), scaled_weights(half), strict=True):
        results[name] = measure(one_by_one(model, images), one_by_one(half, images.half())).sqnr_db
    assert len(results) > least
    assert min(results.values()) > MIN_SQNR_DB
