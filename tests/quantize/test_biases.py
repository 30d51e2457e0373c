"""Biases that fit into int32 whatever the weights beside them are."""

import torch
from torch import fx, nn

from quantize.biases import LARGEST_BIAS, PRODUCTS, fit_biases
from tests.quantize.test_pt2e import convolutions, images, quantized

DEAD, FAINT = 2, 5  # channels of eight


def scales_and_integers(graph: fx.GraphModule) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in graph.named_buffers()}


def pruned(bias: float, faint: float) -> nn.Module:
    module = convolutions()
    with torch.no_grad():
        module[0].weight[DEAD] = 0
        module[0].weight[FAINT] *= faint
        module[0].bias[[DEAD, FAINT]] = bias
    return module


def integer_biases(graph: fx.GraphModule) -> list[torch.Tensor]:
    """Each layer's bias in steps of its products, as a runtime holds it."""
    tensors = {**dict(graph.named_buffers()), **dict(graph.named_parameters())}
    return [
        tensors[bias.target].double() / (x.args[1] * tensors[weight.args[1].target].double())
        for x, weight, bias in (n.args[:3] for n in graph.graph.nodes if n.target in PRODUCTS)
    ]


def test_ordinary_channels_keep_their_scales_and_integers() -> None:
    graph = quantized(convolutions(), "static", images(4, seed=2))
    before = scales_and_integers(graph)
    assert len(before) == 6
    fit_biases(graph)
    assert all(torch.equal(value, before[name]) for name, value in graph.named_buffers())


def test_only_the_channel_whose_bias_would_not_fit_gets_another_scale() -> None:
    living, dead = (
        quantized(module, "static", images(4, seed=2))
        for module in (pruned(bias=0.1, faint=1.0), pruned(bias=40.0, faint=1e-7))
    )
    before, after = (scales_and_integers(graph)["_scale_0"] for graph in (living, dead))
    others = [channel for channel in range(8) if channel not in (DEAD, FAINT)]
    assert torch.equal(before[others], after[others])
    assert (integer_biases(dead)[0].abs() <= LARGEST_BIAS * (1 + 1e-6)).all()
    assert integer_biases(dead)[0][[DEAD, FAINT]].min() > LARGEST_BIAS / 2


def test_coarser_steps_of_a_faint_channel_change_its_result_by_less_than_a_step() -> None:
    module, batches = pruned(bias=40.0, faint=1e-7), images(4, seed=2)
    module = nn.Sequential(module[0]).eval()
    graph = quantized(module, "static", batches)
    (step,) = (
        node.args[1]
        for node in graph.graph.nodes
        if "quantize_per_tensor" in node.name and node.args[0].target in PRODUCTS
    )
    with torch.no_grad():
        difference = torch.cat([graph(x) - module(x) for x in batches])[:, [DEAD, FAINT]]
    assert difference.abs().max() <= step


def test_layers_without_bias_or_static_input_are_left_alone() -> None:
    module = pruned(bias=40.0, faint=1e-7)
    module[0].bias = None
    for activations in ("static", "dynamic"):
        graph = quantized(module, activations, images(4, seed=2))
        before = scales_and_integers(graph)
        fit_biases(graph)
        assert all(torch.equal(value, before[name]) for name, value in graph.named_buffers())
