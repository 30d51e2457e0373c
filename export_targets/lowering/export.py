"""torch.export, and in the user's words why a network cannot be exported."""

import torch
from torch import Tensor, fx, nn

from edge_models.errors import InputError, described
from edge_models.own_network import ITSELF, deepest, entered_modules
from export_targets.lowering.graph import module_path
from export_targets.lowering.simplify import simplified

NAMESPACES = ("aten", "prims", "quantized_decomposed")  # of operators that a target may take


def exported(module: nn.Module, x: Tensor) -> torch.export.ExportedProgram:
    """The program of a module for an input like ``x``, with torch's own decomposition of im2col.

    ExecuTorch has no kernel for im2col. No edge form has one; the official CoTNets as published do.
    """
    with torch.no_grad():  # where a forward says so itself, it makes no part of its own then
        program = torch.export.export(module, (x,))
    unfold = torch.ops.aten.im2col.default
    if any(node.target == unfold for node in program.graph.nodes):
        table = {unfold: torch._decomp.decomposition_table[unfold]}
        program = program.run_decompositions(table)
    return simplified(program)


def own_exported(module: nn.Module, x: Tensor) -> torch.export.ExportedProgram:
    """The same of a network of one's own.

    Raises InputError that names its module and the reason where it does not export, has shapes
    that depend on the image's content, or operators that are not torch's.
    """
    try:
        program = exported(module, x)
    except Exception as error:  # torch.export raises whatever tracing stumbles on
        raise InputError(
            f"The network does not export: {_blamed(module, x)}: {described(error)}",
            "Its forward may not choose by the values of tensors, nor leave torch's operators: "
            "write that module with torch.where, masks and fixed sizes.",
        ) from error
    for node in program.graph.nodes:
        if node.op == "call_function":
            _check(node)
    return program


def _blamed(module: nn.Module, x: Tensor) -> str:
    """The path of the module in which exporting fails."""
    with entered_modules(module) as entered:
        try:
            exported(module, x)
        except Exception:  # it is the same again: where it was is what is looked for
            return deepest(entered)
    return ITSELF


def _check(node: fx.Node) -> None:
    where = module_path(node) or ITSELF
    target = node.target
    if isinstance(target, torch._ops.HigherOrderOperator):
        raise InputError(
            f"The network has a part of its own in {where}: {target.name()}.",
            "Take a `with torch.autocast` away; for branches and loops by the values of tensors, "
            "write torch.where and fixed sizes.",
        )
    if isinstance(target, torch._ops.OpOverload) and target.namespace not in NAMESPACES:
        raise InputError(
            f"The operator {target.namespace}::{target._opname} of {where} is not torch's own: no "
            "phone has it.",
            "Write that module with torch's operators, or return what goes into it.",
        )
    value = node.meta.get("val")
    if isinstance(value, Tensor) and any(not isinstance(side, int) for side in value.shape):
        raise InputError(
            f"The shapes in {where} depend on what the image shows ({node.name}).",
            "Use fixed sizes and masks there: a phone's program has one shape for all images.",
        )
