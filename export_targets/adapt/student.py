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
from export_targets.plan import Plan
from export_targets.search.simulation import Simulation
from quantize.palettes import nearest

Weights = Mapping[str, Tensor]  # of the edge form, by their names there
Answer = Callable[[Weights, Tensor], Tensor]  # logits (N, K) of images (N, 3, H, W)


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


def in_palettes(floating: fx.GraphModule, stored: Weights) -> Answer:
    """The program with the palettes that a build gives the weights that it has: ``stored``, of its
    convolutions and linears. A build rounds a weight together with the others of its layer, not
    always to the nearest number: a changed one goes to the number nearest to it and what the build
    added.
    """
    state = floating.state_dict()
    palettes = {name: weight.unique() for name, weight in stored.items()}
    added = {name: weight - state[name] for name, weight in stored.items()}

    def answer(weights: Weights, images: Tensor) -> Tensor:
        held = dict(weights)
        for name, entries in palettes.items():
            weight, numbers = weights[name], weights[name].detach()
            held[name] = entries[nearest(numbers + added[name], entries)] + (weight - numbers)
        every = (functional_call(floating, held, (image,)) for image in images.split(1))
        return torch.cat([stack_outputs(returned) for returned in every])

    return answer
