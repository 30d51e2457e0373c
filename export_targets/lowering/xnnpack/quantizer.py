"""What a recipe means for XNNPACK: which operators compute in INT8."""

from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import propagate_annotation
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edge_models.edge.forms.local_convolution import LocalConvolutionBySlices
from edge_models.edge.forms.stem import ColumnPairs
from edge_models.spec import FloatRule
from export_targets.lowering.graph import (
    computing,
    is_last_product,
    keeping,
    lies_in,
    readers,
    ruling,
)
from quantize.pt2e import int8_config, symmetric
from quantize.recipe import Recipe

aten = torch.ops.aten


class MapQuantizer(XNNPACKQuantizer):  # type: ignore[misc]  # the library has no types
    """Leaves float what the quantizer's filter does not reach: the concatenation of tokens, the
    means that a rule names, concatenations and heads that are asked for by their path. Gives copies
    and pads the scale of what they copy, quantizes the weights of a local convolution before they
    are sliced, and the products of attention where linears have static ranges. Dynamic ranges are
    for products alone: their results are float.
    """

    def __init__(self, recipe: Recipe, rules: tuple[FloatRule, ...]) -> None:
        super().__init__()
        self.rules = rules
        self.recipe = recipe

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        of_paths = tuple(rule for rule in self.rules if rule.whole_path)
        static = self.recipe.convolution == "static"
        for node in model.graph.nodes:
            is_cat = node.target == aten.cat.default
            left = is_cat and (node.meta["val"].dim() != 4 or keeping(node, of_paths))
            if left or (node.target == aten.mean.dim and ruling(node, self.rules)):
                node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(_annotated=True)
            if static:
                self._annotate_carried(node, of_paths)
            dense = self.recipe.convolution == "dynamic" and _is_dense(node)
            if (dense and not keeping(node, self.rules)) or (
                is_last_product(node) and not keeping(node, of_paths)
            ):
                _annotate_dynamic(node)
        self._annotate_for_quantization_config(model)
        for node in model.graph.nodes if self.recipe.linear == "static" else ():
            if node.target == aten.bmm.default and not keeping(node, self.rules):
                _annotate_product(node)
        propagate_annotation(model)
        for node in model.graph.nodes if static else ():
            annotated = Q_ANNOTATION_KEY in node.meta
            if annotated and node.target == aten.conv2d.default and lies_in(node, ColumnPairs):
                shared = SharedQuantizationSpec((node.args[0], node))
                node.meta[Q_ANNOTATION_KEY].output_qspec = shared
        return model

    def _annotate_carried(self, node: torch.fx.Node, of_paths: tuple[FloatRule, ...]) -> None:
        """What hands numbers on in the scale of what it reads, or in its own as weights."""
        if node.target == aten.pad.default and not keeping(node, self.rules):
            shared = SharedQuantizationSpec(node.args[0])
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                {node.args[0]: shared}, shared, _annotated=True
            )
        if _is_sliced_weights(node) and not all(keeping(r, of_paths) for r in readers(node)):
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                {}, int8_config("static").output_activation, _annotated=True
            )


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> Quantizer:
    """XNNPACK's quantizer for convolutions, linears, products of activations, and sums and
    concatenations of maps.
    """
    result = MapQuantizer(recipe, rules)
    result.set_filter_function(lambda node: keeping(node, rules) is None and _is_of_maps(node))
    if recipe.convolution == "static":
        config = int8_config(recipe.convolution)
        result.set_operator_type(aten.conv2d.default, config)
        # inputs and output of a concatenation share one scale: XNNPACK copies, it does not rescale
        result.set_operator_type(aten.cat.default, config)
        result.set_operator_type(aten.add.Tensor, config)
        result.set_operator_type(aten.mul.Tensor, config)
    if recipe.linear is not None:
        result.set_operator_type(aten.linear.default, int8_config(recipe.linear))
    return result


def _annotate_dynamic(node: torch.fx.Node) -> None:
    """A convolution or linear whose input has a range of each image's own."""
    dynamic = int8_config("dynamic")
    operands: Any = node.args
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        {operands[0]: dynamic.input_activation, operands[1]: dynamic.weight}, None, _annotated=True
    )


def _is_dense(node: torch.fx.Node) -> bool:
    """Whether a node is a convolution that is not depthwise: XNNPACK takes no dynamic one."""
    if node.target != aten.conv2d.default:
        return False
    weight: Any = node.args[1]
    return weight.op == "get_attr" and bool(weight.meta["val"].shape[1] > 1)


def _annotate_product(node: torch.fx.Node) -> None:
    """A product of two activations in INT8. XNNPACK asks for zero point 0 of the second operand."""
    operands: Any = node.args
    left, right = operands
    source = computing(right)
    if source.op == "get_attr" or computing(left).op == "get_attr":
        return
    activation = int8_config("static").input_activation
    centered = symmetric(activation)
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        {left: activation, right: centered}, activation, _annotated=True
    )
    annotation = source.meta.get(Q_ANNOTATION_KEY)
    if source.target == aten.linear.default and annotation and annotation.output_qspec:
        annotation.output_qspec = centered


def _is_of_maps(node: torch.fx.Node) -> bool:
    """Whether a sum is of feature maps, not of the transformer's residual stream, and a product one
    of a map with a constant. Other operators are never refused.
    """
    if node.target == torch.ops.aten.relu.default and isinstance(node.args[0], torch.fx.Node):
        node = node.args[0]
    if node.target == torch.ops.aten.add.Tensor:
        return bool(node.meta["val"].dim() == 4)
    if node.target == torch.ops.aten.mul.Tensor:
        constant = isinstance(node.args[1], torch.fx.Node) and node.args[1].op == "get_attr"
        return constant and bool(node.meta["val"].dim() == 4)
    return True


def _is_sliced_weights(node: torch.fx.Node) -> bool:
    """Whether a node is the weights of a local convolution before they are sliced by taps."""
    users = list(node.users)
    return len(users) == 9 and all(
        user.target == torch.ops.aten.slice.Tensor and lies_in(user, LocalConvolutionBySlices)
        for user in users
    )
