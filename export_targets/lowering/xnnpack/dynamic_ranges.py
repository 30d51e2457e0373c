"""What XNNPACK and its library get wrong where an input's range is found at run time."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import (
    ChannelsLastTaggedReshapePass as LayoutPass,
)
from executorch.backends.xnnpack.utils.quant_utils import is_dynamic_qdq
from torch import fx

from export_targets.lowering.graph import is_pointwise, operator_name
from export_targets.lowering.read_versions import other_versions

QUANTIZE = torch.ops.quantized_decomposed.quantize_per_tensor.tensor


def separate_inputs(graph_module: fx.GraphModule) -> None:
    """Quantize an input once for each kind of operator that reads it, with the same numbers.

    before: q -> dq -> a convolution of 1x1, and the same q -> another dq -> one of 3x3
    after:  q -> dq -> a convolution of 1x1, and another q -> dq -> one of 3x3

    XNNPACK finds a range for each position where a convolution of 1x1 reads, one for the image
    where another does, and what shares a tensor with the former reads its ranges as its own.
    """
    for quantize in graph_module.graph.find_nodes(op="call_function", target=QUANTIZE):
        kinds = defaultdict(list)
        for dequantize in quantize.users:
            for reader in dequantize.users:
                kinds[operator_name(reader), is_pointwise(reader)].append((dequantize, reader))
        for reads in list(kinds.values())[1:]:
            with graph_module.graph.inserting_after(quantize):
                separate = graph_module.graph.node_copy(quantize)
            for dequantize, reader in reads:
                with graph_module.graph.inserting_before(reader):
                    own = graph_module.graph.node_copy(dequantize)
                own.replace_input_with(quantize, separate)
                reader.replace_input_with(dequantize, own)
                if not dequantize.users:
                    graph_module.graph.erase_node(dequantize)
    graph_module.recompile()


@contextmanager
def inputs_laid_out() -> Iterator[None]:
    """While it lasts, the pass that lays out the channels last does so before an input is
    quantized, for what reads it.

    ExecuTorch's own walks from there to the program's input, lays that out, and leaves the operator
    with channels that are read as columns. It was mended after 1.5.1; see also ``other_versions``.
    """
    if other_versions():
        yield
        return
    own = {name: getattr(LayoutPass, name) for name in ("input_to_nhwc", "input_to_nchw")}
    for name, lay_out in own.items():
        setattr(LayoutPass, name, _before_quantization(lay_out))
    try:
        yield
    finally:
        for name, lay_out in own.items():
            setattr(LayoutPass, name, lay_out)


def _before_quantization(lay_out: Any) -> Any:
    def laid_out(
        self: LayoutPass, graph_module: fx.GraphModule, source: fx.Node, reader: fx.Node
    ) -> None:
        if is_dynamic_qdq(reader):
            return  # in which layout it quantizes is for its own readers to say
        if not is_dynamic_qdq(source):
            lay_out(self, graph_module, source, reader)
            return
        quantize: Any = source.args[0]
        value, scale = quantize.args[:2]
        lay_out(self, graph_module, value, quantize)
        # XNNPACK's library quantizes a copy that nothing else reads before it is copied
        scale.args[0].replace_input_with(value, quantize.args[0])

    return laid_out
