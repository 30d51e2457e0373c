"""Biases as 32-bit integers: what an INT8 kernel adds its products to."""

from typing import Any

import torch
from torch import Tensor, fx

# XNNPACK holds a bias as an integer of steps (input's scale x channel's weight scale), saturated
# where it is beyond int32. Half of that range is left to the products: 18,432 of them (a 3x3
# convolution of 2,048 channels), of 127 and 255 at most, reach 0.6 * 2**30.
LARGEST_BIAS = 2.0**30

_operators = torch.ops.quantized_decomposed
PRODUCTS = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)


def fit_biases(quantized: fx.GraphModule) -> None:
    """Raise the weight scale of each output channel whose bias would not fit, in place.

    It happens where a channel's weights are zero or close to it (dead, pruned) and its scale is the
    smallest there is. Rounding such weights to coarser steps costs at most K * 255 * 2**-31 of the
    bias, for K products: less than a step of the result.
    """
    for node in quantized.graph.nodes:
        bias = integer_bias(quantized, node)
        if bias is not None:
            scales = _tensor(quantized, node.args[1].args[1]).double()
            _raise_scales(quantized, node.args[1], scales * bias.abs() / LARGEST_BIAS)


def integer_bias(quantized: fx.GraphModule, node: fx.Node) -> Tensor | None:
    """A layer's bias in steps of its products, as an INT8 kernel holds it; None of other nodes."""
    arguments: Any = node.args
    if node.target not in PRODUCTS or len(arguments) < 3 or arguments[2] is None:
        return None
    of_input, of_weight, bias = arguments[:3]
    static = of_input.target == _operators.dequantize_per_tensor.default
    if not static or of_weight.target != _operators.dequantize_per_channel.default:
        return None
    scales = _tensor(quantized, of_weight.args[1]).double()
    return _tensor(quantized, bias).double() / (scales * of_input.args[1])


def _raise_scales(quantized: fx.GraphModule, weight: fx.Node, smallest: Tensor) -> None:
    """``weight`` dequantizes integers (channels, ...); ``smallest``: (channels,)."""
    integers, scales = (_tensor(quantized, node) for node in weight.args[:2])
    raised = torch.maximum(scales.double(), smallest).to(scales.dtype)
    if torch.equal(raised, scales):
        return
    ratio = (scales.double() / raised.double()).reshape(-1, *[1] * (integers.dim() - 1))
    with torch.no_grad():
        integers.copy_((integers.double() * ratio).round())
        scales.copy_(raised)


def _tensor(module: fx.GraphModule, node: object) -> Tensor:
    """The parameter or buffer that a node gets."""
    assert isinstance(node, fx.Node)
    assert node.op == "get_attr"
    owner, _, name = str(node.target).rpartition(".")
    value: Tensor = getattr(module.get_submodule(owner), name)
    return value
