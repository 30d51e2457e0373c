"""Seeded weights that carry images as trained ones do, for networks that nobody trained.

Each layer passes on what differs between the images it is shown, and noise. Drawn at random it has
the same gain for both, and the nonlinearities after it take more from the first: after some tens of
layers little but noise is left, which is a property of the draw and not of INT8. Training turns the
weights to what differs, as each of its steps adds sums of the layer's inputs to them. So does this:

before: W, drawn at random
after:  sqrt(1 - s) W + sqrt(s) G, G = sum of r_i (x_i - mean x)^T, r_i random, of W's energy

with the share s that gives what differs ``GAIN`` times the energy that noise of its size would get.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from edge_models.spec import InputSpec, Size
from edge_models.training.__main__ import load
from tests import photographs as calibration
from tests.benchmarks import trained
from tests.edge_models.layers import settled

# 4.5 dB: between the 4.2 dB of a CoTNet-50 and the 4.8 dB of a Conformer-Ti trained on photographs,
# the mean over their layers; the networks for digits have 3.1 to 3.3 dB, what is drawn at random
# 0.0 (``EDGEFORM_TRAINED=... python -m tests.benchmarks.own_weights``).
GAIN = 2.8
BRANCH_GAIN = 0.25  # of residual branches in trained networks, about
VIEWS, VIEWS_SEED = 14, 2
SMALLEST = 1e-6  # of an image in which nothing differs
DIGITS, IMAGES = ("digits_cotnet_simple", "digits_cotnet", "digits_conformer"), 16


def like_trained(network: nn.Module, size: Size, ends: tuple[str, ...]) -> nn.Module:
    """The network, its weights turned to views of photographs of the size that it takes, its batch
    norms with their statistics, and a small gain of residual branches: of the layers whose names
    end in ``ends``.
    """
    for name, layer in network.named_modules():
        if name.endswith(ends):
            for parameter in layer.parameters(recurse=False):
                parameter.data.mul_(BRANCH_GAIN)
    images = views([*photographs(), *calibration.photographs()], VIEWS, VIEWS_SEED)
    generator = torch.Generator().manual_seed(0)
    handles = [
        layer.register_forward_pre_hook(partial(_turn, generator)) for _, layer in products(network)
    ]
    turned = settled(network, size, preprocess_all(images, InputSpec(), size))
    for handle in handles:
        handle.remove()
    return turned


def products(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers with weights that multiply, by name."""
    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            yield name, layer


def gains(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Of each layer that runs: the energy of what differs between its results for the images, by
    that of its results for white noise as large as what differs between its inputs.
    """
    found: dict[str, float] = {}

    def see(name: str, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        differs = _differing(given[0])
        noise = torch.randn(differs.shape, generator=generator) * differs.square().mean().sqrt()
        weight = layer.get_parameter("weight")
        found[name] = _energy(layer, weight, differs) / _energy(layer, weight, noise)

    generator = torch.Generator().manual_seed(0)
    handles = [layer.register_forward_pre_hook(partial(see, n)) for n, layer in products(network)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found


def _turn(generator: torch.Generator, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
    """Give a layer, before it runs, the weights that this file is about. Each image counts alike:
    else the one with the largest results would have still larger ones after every layer.
    """
    differs = _differing(given[0])
    sizes = differs.flatten(1).square().mean(1).sqrt().clamp(min=SMALLEST)
    differs = differs / sizes.view(-1, *[1] * (differs.dim() - 1))
    drawn = layer.get_parameter("weight")
    with torch.enable_grad():
        weight = drawn.detach().requires_grad_()
        result = _result(layer, weight, differs)
        sums = (result * torch.randn(result.shape, generator=generator)).sum()
        (turned,) = torch.autograd.grad(sums, weight)
    turned *= drawn.square().mean().sqrt() / turned.square().mean().sqrt()
    ratio = _energy(layer, turned, differs) / _energy(layer, drawn, differs)
    share = min(1.0, (GAIN - 1) / max(ratio - 1, GAIN - 1))
    drawn.data = (1 - share) ** 0.5 * drawn.data + share**0.5 * turned


def _differing(x: Tensor) -> Tensor:
    """What is not the same in all images of a batch."""
    return x - x.mean(0)


def _energy(layer: nn.Module, weight: Tensor, x: Tensor) -> float:
    return _result(layer, weight, x).square().mean().item()


def _result(layer: nn.Module, weight: Tensor, x: Tensor) -> Tensor:
    """Of a layer with another weight and no bias; without the hooks that it has."""
    options: dict[str, Any] = {"weight": weight}
    if layer.bias is not None:
        options["bias"] = torch.zeros_like(layer.get_parameter("bias"))
    hooks, layer._forward_pre_hooks = layer._forward_pre_hooks, {}  # type: ignore[assignment]
    result: Tensor = functional_call(layer, options, (x,))
    layer._forward_pre_hooks = hooks
    return result


def mean_gain(network: nn.Module, images: Tensor) -> float:
    """The mean over the layers' ``gains``, in dB."""
    found = torch.tensor(list(gains(network, images).values()))
    return (10 * found.log10()).mean().item()


def trained_networks() -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Those for digits, and where they are present those for photographs, with test images."""
    for name in DIGITS:
        spec = model_spec(name)
        yield name, load_reference(spec, None).module, load(spec, "held_out")[0][:IMAGES]
    for name in () if trained.absent(*trained.MODELS) else trained.MODELS:
        yield name, trained.model(name).module, trained.photographs("test")[0][:: 500 // IMAGES]


if __name__ == "__main__":
    for name, network, images in trained_networks():
        print(f"{name}: {mean_gain(network.eval(), images):.1f} dB")
