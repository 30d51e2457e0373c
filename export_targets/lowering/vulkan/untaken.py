"""A saved delegate held to what the runtime is known to take, by the modules of its calls."""

from collections.abc import Set

import torch
from executorch.exir.lowered_backend_module import get_lowered_backend_modules
from torch import Tensor, fx

from edge_models.errors import InputError
from export_targets.interpret.vk.conditions import Argument
from export_targets.interpret.vk.graph import Graph, TensorValue
from export_targets.interpret.vk.taken import refusals, untaken
from export_targets.lowering.graph import module_path

SHOWN = 4  # refusals, and modules of each, that a message lists
# Operators that the backend makes of others.
MADE_OF = {
    "et_vk.conv_with_clamp.default": "aten.convolution.default",
    "et_vk.q8ta_conv2d.default": "aten.convolution.default",
    "et_vk.q8ta_conv2d_pw.default": "aten.convolution.default",
    "et_vk.q8ta_conv2d_dw.default": "aten.convolution.default",  # which is never taken
    "et_vk.q8ta_linear.default": "aten.linear.default",
    "et_vk.q8ta_linear_gemv.default": "aten.linear.default",
    "et_vk.q8ta_add.default": "aten.add.Tensor",
}


def refuse_untaken(graph: Graph, whole: fx.GraphModule) -> None:
    """Raises InputError that names each operator, argument and module beyond what is known.

    ``whole`` is the partitioned program that the file was written from: the file has no modules.
    """
    found = dict.fromkeys(
        f"{operator}{_of(_modules(operator, whole))} {why}" for _, operator, why in refusals(graph)
    )
    if found:
        lines = list(found)
        more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        raise InputError(
            "The Vulkan runtime is not known to run this model rightly: "
            f"{'; '.join(lines[:SHOWN])}{more}.",
            "Write it with what docs/vulkan.md lists, or use another target, such as xnnpack.",
        )


def _modules(operator: str, whole: fx.GraphModule) -> list[str]:
    """Where an operator that is refused comes from: of its calls those that are refused there too,
    or all where none is, as an argument may be the backend's own.
    """
    name = MADE_OF.get(operator, operator)
    calls, refused = [], []
    for delegate in get_lowered_backend_modules(whole):
        program = delegate.original_module
        weights = program.graph_signature.inputs_to_parameters.keys()
        weights |= program.graph_signature.inputs_to_buffers.keys()
        for node in program.graph_module.graph.nodes:
            if node.op == "call_function" and getattr(node.target, "__name__", "") == name:
                calls.append(module_path(node) or "the model")
                if untaken(name, _arguments(node, weights)):
                    refused.append(calls[-1])
    return list(dict.fromkeys(refused or calls))


def _of(modules: list[str]) -> str:
    more = ", ..." if len(modules) > SHOWN else ""
    return f" of {', '.join(modules[:SHOWN])}{more}" if modules else ""


def _arguments(node: fx.Node, weights: Set[str]) -> tuple[Argument, ...]:
    """A node's arguments in its schema's order, defaults among them."""
    given = []
    for place, argument in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
        if place < len(node.args) and not argument.kwarg_only:
            given.append(node.args[place])
        else:
            given.append(node.kwargs.get(argument.name, argument.default_value))
    return tuple(_argument(item, weights) for item in given)


def _argument(given: object, weights: Set[str]) -> Argument:
    if isinstance(given, fx.Node):
        held = given.meta["val"]
        assert isinstance(held, Tensor)
        constant = torch.empty(0) if _is_constant(given, weights) else None
        return TensorValue(held.dtype, tuple(map(int, held.shape)), constant)
    if isinstance(given, list | tuple):
        return tuple(_argument(item, weights) for item in given)  # type: ignore[misc]
    return given if isinstance(given, int | float | str) else None


def _is_constant(node: fx.Node, weights: Set[str]) -> bool:
    """Whether a tensor comes from weights alone."""
    if node.op == "call_function":
        return all(_is_constant(made_of, weights) for made_of in node.all_input_nodes)
    return node.name in weights
