"""A model in a recipe's numbers, image by image, through which gradients reach its FP32 weights.

A rounded number passes the gradient on as if it had not been rounded (Bengio et al., "Estimating or
Propagating Gradients Through Stochastic Neurons", arXiv:1308.3432).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from edge_models.edge.folding import gradients_followed
from edge_models.reference.heads import stack_outputs
from export_targets.form import published_edge_form
from export_targets.lowering.graph import WEIGHTED, operator_name
from export_targets.plan import Plan
from export_targets.search.simulation import Simulation

Weights = Mapping[str, Tensor]  # of the edge form, by their names there
Answer = Callable[[Weights, Tensor], Tensor]  # logits (N, K) of images (N, 3, H, W)

LLOYD_STEPS = 25


def live_weights(plan: Plan, reference: nn.Module) -> Weights:
    """The weights of the edge form, computed so that gradients reach the reference's."""
    with gradients_followed():
        module = published_edge_form(plan, reference)
    return dict(module.named_parameters()) | dict(module.named_buffers())


def in_int8(floating: fx.GraphModule, quantized: fx.GraphModule) -> Answer:
    """The program as PT2E quantized it, with its scales, but for the numbers of its weights."""
    simulation = Simulation(floating, quantized)
    held = simulation.constants
    named = {node: str(node.target) for node in held if node not in simulation.names}

    def answer(weights: Weights, images: Tensor) -> Tensor:
        known = {node: weights[name] for node, name in named.items() if name in weights}
        for node, name in simulation.names.items():
            known[node] = _rounded(node, weights[name], held)
        every = (simulation.run(image, frozenset(), known) for image in images.split(1))
        return torch.cat([simulation.returned(values) for values in every])

    return answer


def _rounded(decoding: fx.Node, weight: Tensor, held: Mapping[fx.Node, Tensor]) -> Tensor:
    """A weight with the scale an output channel of the node that decodes it."""
    arguments: Any = decoding.args
    _, scale, _, axis, low, high = arguments[:6]
    zero_points = torch.zeros_like(held[scale], dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        weight, held[scale].float(), zero_points, axis, low, high
    )


def in_palettes(floating: fx.GraphModule, bits: int) -> Answer:
    """The program with the weights of each convolution and linear as one of 2**bits numbers, those
    that k-means chooses for the weights that it has, a palette a tensor.
    """
    layers = [node for node in floating.graph.nodes if operator_name(node) in WEIGHTED]
    names = {str(layer.all_input_nodes[1].target) for layer in layers}
    state = floating.state_dict()
    palettes = {name: _palette(state[name].flatten(), 2**bits) for name in names}

    def answer(weights: Weights, images: Tensor) -> Tensor:
        held = dict(weights)
        for name, palette in palettes.items():
            weight, numbers = weights[name], weights[name].detach()
            held[name] = palette[_nearest(numbers, palette)] + (weight - numbers)
        every = (functional_call(floating, held, (image,)) for image in images.split(1))
        return torch.cat([stack_outputs(returned) for returned in every])

    return answer


def _palette(numbers: Tensor, count: int) -> Tensor:
    """The means of k-means over numbers (N,), ascending; it begins evenly over their order."""
    palette = numbers.sort().values[torch.linspace(0, len(numbers) - 1, count).long()].unique()
    for _ in range(LLOYD_STEPS):
        nearest = _nearest(numbers, palette)
        held = torch.bincount(nearest, minlength=len(palette))
        total = torch.bincount(nearest, numbers.double(), minlength=len(palette))
        palette = torch.where(held > 0, (total / held.clamp(min=1)).float(), palette)
    return palette


def _nearest(numbers: Tensor, palette: Tensor) -> Tensor:
    """The index of each number's nearest in an ascending palette."""
    return torch.bucketize(numbers, (palette[1:] + palette[:-1]) / 2)
