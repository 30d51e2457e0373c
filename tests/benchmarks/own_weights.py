"""Networks whose weights carry images as trained ones do, and the gain of trained networks."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from edge_models.random_weights import quieten_branches
from edge_models.spec import InputSpec, Size
from edge_models.training.__main__ import load
from edge_models.turned_weights import differing, energy, products, turned_weights
from tests import photographs as calibration
from tests.benchmarks import trained
from tests.edge_models.layers import settled

VIEWS, VIEWS_SEED = 14, 2
DIGITS, IMAGES = ("digits_cotnet_simple", "digits_cotnet", "digits_conformer"), 16


def like_trained(network: nn.Module, size: Size, ends: tuple[str, ...]) -> nn.Module:
    """The network, its weights turned to views of photographs of the size that it takes, its batch
    norms with their statistics, and a small gain of residual branches: of the layers whose names
    end in ``ends``.
    """
    quieten_branches(network, ends)
    images = views([*photographs(), *calibration.photographs()], VIEWS, VIEWS_SEED)
    with turned_weights([layer for _, layer in products(network)]):
        return settled(network, size, preprocess_all(images, InputSpec(), size))


def gains(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Of each layer that runs: the energy of what differs between its results for the images, by
    that of its results for white noise as large as what differs between its inputs.
    """
    found: dict[str, float] = {}

    def see(name: str, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        differs = differing(given[0])
        noise = torch.randn(differs.shape, generator=generator) * differs.square().mean().sqrt()
        weight = layer.get_parameter("weight")
        found[name] = energy(layer, weight, differs) / energy(layer, weight, noise)

    generator = torch.Generator().manual_seed(0)
    handles = [layer.register_forward_pre_hook(partial(see, n)) for n, layer in products(network)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found


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
