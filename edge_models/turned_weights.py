"""Seeded weights that carry images as trained ones do, for networks that nobody trained.

Each layer passes on what differs between the images it is shown, and noise. Drawn at random it has
the same gain for both, and the nonlinearities after it take more from the first: after some tens of
layers little but noise is left, which is a property of the draw and not of a recipe. Training turns
the weights to what differs, as each of its steps adds sums of the layer's inputs to them. So does
this:

before: W, drawn at random
after:  sqrt(1 - s) W + sqrt(s) G, G = sum of r_i (x_i - mean x)^T, r_i random, of W's energy

with the share s that gives what differs ``GAIN`` times the energy that noise of its size would get.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

# 4.5 dB: between the 4.2 dB of a CoTNet-50 and the 4.8 dB of a Conformer-Ti trained on photographs,
# the mean over their layers; the networks for digits have 3.1 to 3.3 dB, what is drawn at random
# 0.0 (``EDGEFORM_TRAINED=... python -m tests.benchmarks.own_weights``).
GAIN = 2.8
SMALLEST = 1e-6  # of an image in which nothing differs


@contextmanager
def turned_weights(layers: Iterable[nn.Module], seed: int = 0) -> Iterator[None]:
    """Inside, the weights of convolutions and linears are turned to what reaches them, each before
    it runs.
    """
    generator = torch.Generator().manual_seed(seed)
    handles = [layer.register_forward_pre_hook(partial(_turn, generator)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def products(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers with weights that multiply, by name."""
    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            yield name, layer


def energy(layer: nn.Module, weight: Tensor, x: Tensor) -> float:
    """Of the results that a layer with another ``weight`` and no bias has for an input."""
    return _result(layer, weight, x).square().mean().item()


def differing(x: Tensor) -> Tensor:
    """What is not the same in all images of a batch."""
    return x - x.mean(0)


def _turn(generator: torch.Generator, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
    """Each image counts alike: else the one with the largest results would have still larger ones
    after every layer.
    """
    differs = differing(given[0])
    sizes = differs.flatten(1).square().mean(1).sqrt().clamp(min=SMALLEST)
    differs = differs / sizes.view(-1, *[1] * (differs.dim() - 1))
    drawn = layer.get_parameter("weight")
    with torch.enable_grad():
        weight = drawn.detach().requires_grad_()
        result = _result(layer, weight, differs)
        sums = (result * torch.randn(result.shape, generator=generator)).sum()
        (turned,) = torch.autograd.grad(sums, weight)
    turned *= drawn.square().mean().sqrt() / turned.square().mean().sqrt()
    ratio = energy(layer, turned, differs) / result.detach().square().mean().item()
    share = min(1.0, (GAIN - 1) / max(ratio - 1, GAIN - 1))
    drawn.data = (1 - share) ** 0.5 * drawn.data + share**0.5 * turned


def _result(layer: nn.Module, weight: Tensor, x: Tensor) -> Tensor:
    """Without the hooks that the layer has."""
    options: dict[str, Any] = {"weight": weight}
    if layer.bias is not None:
        options["bias"] = torch.zeros_like(layer.get_parameter("bias"))
    hooks, layer._forward_pre_hooks = layer._forward_pre_hooks, {}
    result: Tensor = functional_call(layer, options, (x,))
    layer._forward_pre_hooks = hooks
    return result
