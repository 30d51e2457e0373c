"""Layers and models with seeded weights and norms that are not trivial, and the forms to try."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import random_reference
from edge_models.edge import Forms
from edge_models.edge.forms.average_pool import AveragePoolDepthwise
from edge_models.edge.forms.softmax_mean import SoftmaxByPool
from edge_models.spec import ModelSpec
from export_targets.targets import xnnpack

FORMS = {
    "default": Forms(),
    "xnnpack": xnnpack.FORMS,
    "means": Forms(softmax_mean=SoftmaxByPool, average_pool=AveragePoolDepthwise),
}


def made(build: Callable[..., nn.Module], seed: int = 1, **config: Any) -> Any:
    """``build(**config)`` in evaluation mode."""
    spec = ModelSpec("layer", "none", build, config, read_config=lambda shapes: {})
    return with_group_norms(random_reference(spec, seed), seed)


def made_model(name: str, seed: int = 1, **config: Any) -> nn.Module:
    """A model of the catalog with some arguments replaced."""
    spec = model_spec(name)
    reference = random_reference(replace(spec, config={**spec.config, **config}), seed)
    return with_group_norms(reference, seed)


def with_group_norms(module: nn.Module, seed: int) -> nn.Module:
    """The module with seeded random affine parts in its group norms."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in module.modules():
            if isinstance(layer, nn.GroupNorm):
                nn.init.uniform_(layer.weight, 0.7, 1.3)
                nn.init.normal_(layer.bias, 0.0, 0.1)
    return module


def double(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor.detach().double()
