"""torchao's PT2E quantization: prepare, calibrate, convert."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor, fx
from torchao.quantization.pt2e import PlaceholderObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec, Quantizer

from quantize.biases import fit_biases
from quantize.observers import RelativeErrorObserver, WeightObserver, find_ranges
from quantize.recipe import Activations

# The smallest scale. The library's 2**-12 is larger than the scale of a value divided by the
# 3,136 positions of a 56 x 56 map, which would round that map to three levels.
SMALLEST_SCALE = 2.0**-24
_operators = torch.ops.quantized_decomposed


def int8_config(activations: Activations, one_image: bool = False) -> QuantizationConfig:
    """INT8 with one scale an output channel for weights and one scale for each activation.

    Static ranges are those that lose the least of the calibration images. ``one_image``: each
    activation is of one image, whatever its first axis.
    """
    static = RelativeErrorObserver.with_args(eps=SMALLEST_SCALE, one_image=one_image)
    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        is_dynamic=activations == "dynamic",
        observer_or_fake_quant_ctr=(
            static if activations == "static" else PlaceholderObserver.with_args(eps=SMALLEST_SCALE)
        ),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=WeightObserver.with_args(eps=SMALLEST_SCALE),
    )
    output = activation if activations == "static" else None
    return QuantizationConfig(activation, output, weight, None, False)


def symmetric(activation: QuantizationSpec) -> QuantizationSpec:
    """The same with zero in the middle of the range: zero point 0."""
    return replace(activation, qscheme=torch.per_tensor_symmetric)


def quantize(
    module: fx.GraphModule,
    quantizer: Quantizer,
    batches: Iterable[Tensor],
    progress: Callable[[], None],
) -> fx.GraphModule:
    """Quantize an exported module with a target's quantizer.

    ``batches`` are model inputs that the observers see; ``progress`` is called after each.
    """
    prepared = prepare_pt2e(module, quantizer)
    with torch.no_grad():
        for batch in batches:
            prepared(batch)
            progress()
    find_ranges(prepared)
    quantized = convert_pt2e(prepared)
    drop_saturated_relu(quantized)
    separate_outputs(quantized)
    fit_biases(quantized)
    return quantized


def separate_outputs(quantized: fx.GraphModule) -> None:
    """Dequantize what leaves the program on its own.

    before: q -> dq -> layer, and the same dq -> output
    after:  q -> dq -> layer, and q -> another dq -> output: the same numbers

    XNNPACK's pass that lays a layer's input out with the channels last would move the output too,
    and stops there.
    """
    output = quantized.graph.output_node()
    for node in output.all_input_nodes:
        if node.target == _operators.dequantize_per_tensor.default and len(node.users) > 1:
            with quantized.graph.inserting_after(node):
                separate = quantized.graph.node_copy(node)
            output.replace_input_with(node, separate)
    quantized.recompile()


def drop_saturated_relu(quantized: fx.GraphModule) -> None:
    """Leave a ReLU to the saturation of the quantization that follows it.

    before: quantize(ReLU(x)), whose smallest integer stands for zero
    after:  quantize(x): a negative number saturates at that integer, so the result is the same
    """
    for node in list(quantized.graph.nodes):
        if node.target == torch.ops.aten.relu.default and all(map(_saturates, node.users)):
            node.replace_all_uses_with(node.args[0])
            quantized.graph.erase_node(node)
    quantized.recompile()


def _saturates(node: fx.Node) -> bool:
    """Whether a node quantizes with its smallest integer as zero."""
    if node.target != _operators.quantize_per_tensor.default:
        return False
    zero_point, smallest = node.args[2:4]
    return bool(zero_point == smallest)
