"""What INT8 means on Vulkan: only operators that the runtime has a fused kernel for."""

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from torchao.quantization.pt2e.quantizer import Quantizer

from edge_models.spec import FloatRule
from export_targets.lowering.graph import is_last_product, keeping
from quantize.pt2e import int8_config
from quantize.recipe import Recipe

aten = torch.ops.aten
TEXEL = 4  # the kernels read so many channels at once


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> Quantizer:
    """Convolutions, sums of feature maps and linears, inputs and output with fixed scales: what
    becomes ``q8ta_conv2d``, ``q8ta_add``, ``q8ta_linear`` and, of one row, ``q8ta_linear_gemv``.
    """
    result = XNNPACKQuantizer()
    result.set_filter_function(lambda node: keeping(node, rules) is None and _has_kernel(node))
    if recipe.convolution is not None:
        config = int8_config(recipe.convolution, one_image=True)
        result.set_operator_type(aten.conv2d.default, config)
        result.set_operator_type(aten.add.Tensor, config)
    if recipe.linear is not None:
        result.set_operator_type(aten.linear.default, int8_config(recipe.linear, one_image=True))
    return result


def _has_kernel(node: torch.fx.Node) -> bool:
    """Whether the runtime has a fused kernel that was seen to be right and loses no accuracy.

    A sum in the residual stream of tokens keeps its float: a step of INT8 there is as large as what
    decides between classes. So is one of the logits, whose range a few images set. The kernel of a
    depthwise convolution was never run by anybody known.
    """
    if is_last_product(node):
        return False
    if node.target == aten.relu.default and isinstance(node.args[0], torch.fx.Node):
        node = node.args[0]
    shape = node.meta["val"].shape
    if node.target == aten.add.Tensor:
        return len(shape) == 4
    if node.target == aten.conv2d.default:
        return not _is_depthwise(node)
    if node.target == aten.linear.default:
        assert isinstance(node.args[0], torch.fx.Node)
        return bool(len(shape) == 2 and node.args[0].meta["val"].shape[-1] % TEXEL == 0)
    return True


def _is_depthwise(node: torch.fx.Node) -> bool:
    assert isinstance(node.args[0], torch.fx.Node)
    groups = node.args[6] if len(node.args) > 6 else 1
    return bool(groups != 1 and groups == node.args[0].meta["val"].shape[1])
