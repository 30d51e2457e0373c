"""Calls that a network need not make, out of its program before anything reads it."""

import torch
from executorch.exir.passes.constant_prop_pass import constant_prop_pass
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from edge_models.edge.network.program import arguments, shape

aten = torch.ops.aten


def simplified(program: ExportedProgram) -> ExportedProgram:
    """The same program, whose weights are constants and not computed of some (normalized or
    standardized weights, slices), without concatenations of one tensor, and with the padding of a
    convolution in numbers instead of a word.
    """
    for node in list(program.graph.nodes):
        if node.target == aten.cat.default and len(node.args[0]) == 1 and not _returned(node):
            node.replace_all_uses_with(node.args[0][0])
            program.graph.erase_node(node)
        elif node.target == aten.conv2d.padding:
            _pad_by_numbers(node)
    inputs = {InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR}
    specs = program.graph_signature.input_specs
    constants = {spec.arg.name for spec in specs if spec.kind in inputs}
    if any(_is_constant(node, constants) for node in program.graph.nodes):
        program = constant_prop_pass(program, {aten.full.default})
        _hold_as_buffers(program, constants)
    return program


def _hold_as_buffers(program: ExportedProgram, known: set[str]) -> None:
    """What was folded is a buffer: lowering takes constants out of the program that it is given."""
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.CONSTANT_TENSOR and spec.arg.name not in known:
            constant = program.constants.pop(spec.target)
            program.state_dict[spec.target] = constant.detach().clone()  # a slice alone holds all
            spec.kind, spec.persistent = InputKind.BUFFER, True


def _returned(node: fx.Node) -> bool:
    return any(user.op == "output" for user in node.users)


def _is_constant(node: fx.Node, constants: set[str]) -> bool:
    read = node.all_input_nodes
    return node.op == "call_function" and bool(read) and all(n.name in constants for n in read)


def _pad_by_numbers(node: fx.Node) -> None:
    """A convolution whose padding is "valid" or "same", where both sides of the map get as much."""
    given = arguments(node)
    dilation, sides = given["dilation"], shape(given["weight"])[2:]
    whole = [d * (side - 1) for d, side in zip(dilation, sides, strict=True)]
    if given["padding"] == "valid":
        whole = [0, 0]
    if any(added % 2 for added in whole):
        return  # torch pads one side more
    node.target, node.kwargs = aten.conv2d.default, {}
    node.args = tuple((given | {"padding": [added // 2 for added in whole]}).values())
