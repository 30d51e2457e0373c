"""Layers and models with seeded weights and norms that are not trivial, and the forms to try."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.edge import Forms
from edge_models.edge.forms.average_pool import AveragePoolDepthwise
from edge_models.edge.forms.softmax_mean import SoftmaxByPool
from export_targets.targets import xnnpack

FORMS = {
    "default": Forms(),
    "xnnpack": xnnpack.forms(),
    "means": Forms(softmax_mean=SoftmaxByPool, average_pool=AveragePoolDepthwise),
}


def made(build: Callable[..., nn.Module], seed: int = 1, **config: Any) -> Any:
    """``build(**config)`` in evaluation mode, with seeded random statistics and affine parts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(**config)
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.normal_(0.0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
            if isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
                nn.init.uniform_(layer.weight, 0.7, 1.3)
                nn.init.normal_(layer.bias, 0.0, 0.1)
    return module.eval()


def settled(module: nn.Module, size: tuple[int, int], images: Tensor | None = None) -> nn.Module:
    """The same with each batch norm set to the statistics of what reaches it on ``images``, else on
    random ones: what it answers then differs from image to image, as a trained network's does.
    """
    if images is None:
        images = torch.randn(8, 3, *size, generator=torch.Generator().manual_seed(7))
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the average over all passes: of this one
        norm.train()
    with torch.no_grad():
        module(images)
    return module.eval()


def made_model(name: str, seed: int = 1, **config: Any) -> nn.Module:
    """A model of the catalog with some arguments replaced."""
    spec = model_spec(name)
    module: nn.Module = made(spec.build, seed, **{**spec.config, **config})
    return module


def double(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor.detach().double()
