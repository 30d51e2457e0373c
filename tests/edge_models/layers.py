"""Layers and models with seeded weights and norms that are not trivial, and the forms to try."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import random_reference
from edge_models.edge import Forms, primitives
from edge_models.spec import ModelSpec
from export_targets.targets import xnnpack

FORMS = {
    "native": Forms(),
    "xnnpack": xnnpack.FORMS,
    "depth to space": Forms(upsampling=primitives.UpsamplingDepthToSpace),
    "means": Forms(
        softmax_mean=primitives.SoftmaxByMeans, average_pool=primitives.AveragePoolDepthwise
    ),
}


def made(build: Callable[..., nn.Module], seed: int = 1, **config: Any) -> Any:
    """``build(**config)`` in evaluation mode."""
    spec = ModelSpec("layer", "none", build, config, read_config=lambda shapes: {})
    return random_reference(spec, seed)


def made_model(name: str, seed: int = 1, **config: Any) -> nn.Module:
    """A model of the catalog with some arguments replaced."""
    spec = model_spec(name)
    return random_reference(replace(spec, config={**spec.config, **config}), seed)


def double(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor.detach().double()
