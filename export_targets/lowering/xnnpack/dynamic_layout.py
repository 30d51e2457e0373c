"""The layout of what a dynamic convolution reads."""

from collections.abc import Iterator
from contextlib import contextmanager

from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import (
    ChannelsLastTaggedReshapePass,
)
from executorch.backends.xnnpack.utils.quant_utils import is_dequant, is_dynamic_qdq
from torch import fx

_to_nhwc = ChannelsLastTaggedReshapePass.input_to_nhwc
_to_nchw = ChannelsLastTaggedReshapePass.input_to_nchw

def _wrap(original):
    def f(self, graph_module, input_node, target_node):
        if is_dynamic_qdq(target_node):
            return
        if is_dynamic_qdq(input_node):
            target_node = input_node.args[0]
            input_node = target_node.args[0]
            original(self, graph_module, input_node, target_node)
            choose = target_node.args[1].args[0]
            choose.replace_input_with(input_node, target_node.args[0])
        else:
            original(self, graph_module, input_node, target_node)
    return f


@contextmanager
def dynamic_inputs_laid_out() -> Iterator[None]:
    ChannelsLastTaggedReshapePass.input_to_nhwc = _wrap(_to_nhwc)
    ChannelsLastTaggedReshapePass.input_to_nchw = _wrap(_to_nchw)
    try:
        yield
    finally:
        ChannelsLastTaggedReshapePass.input_to_nhwc = _to_nhwc
        ChannelsLastTaggedReshapePass.input_to_nchw = _to_nchw
