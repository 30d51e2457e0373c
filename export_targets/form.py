"""The form in which a model is lowered: its edge form, or as it was published."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_models.checkpoint import LoadedModel
from edge_models.edge import edge_form
from edge_models.edge.network import Recognized, network_edge_form
from edge_models.errors import InputError
from edge_models.reference.heads import run_eager
from export_targets.lowering.export import exported, own_exported
from export_targets.lowering.graph import check_paths
from export_targets.plan import Plan
from export_targets.progress import Reporter


@dataclass(frozen=True)
class Formed:
    """The program in the form that is lowered, its logits, and of the edge form of a network of
    one's own which layers were recognized.
    """

    program: torch.export.ExportedProgram
    logits: Tensor
    recognized: tuple[Recognized, ...] | None


def in_form(
    plan: Plan, loaded: LoadedModel, reference: nn.Module, inputs: Tensor, reporter: Reporter
) -> Formed:
    """The program of a model's form, and its logits on ``inputs``, (samples, B, 3, H, W).

    Raises InputError for a module that is to stay float and is not there, and for a network of
    one's own that does not export.
    """
    request = plan.request
    recognized: tuple[Recognized, ...] | None = None
    with reporter.stage("Edge form"):
        module = reference
        if request.form == "edge" and plan.spec.own:
            module, recognized = _own_form(plan, reference, inputs[0])
        elif request.form == "edge":
            module = published_edge_form(plan, loaded.module)
        logits = run_eager(module, inputs)
    with reporter.stage("Export"):
        program = (own_exported if plan.spec.own else exported)(module, inputs[0])
        check_paths(program, request.keep_float)
    return Formed(program, logits, recognized)


def published_edge_form(plan: Plan, module: nn.Module) -> nn.Module:
    """The edge form of a published module, as the plan's target wants it."""
    request = plan.request
    return edge_form(
        plan.spec, module, plan.size, request.batch, request.heads, plan.target.forms()
    )


def _own_form(
    plan: Plan, network: nn.Module, x: Tensor
) -> tuple[nn.Module, tuple[Recognized, ...]]:
    try:
        return network_edge_form(network, plan.size, plan.request.batch, plan.target.forms())
    except InputError:
        raise
    except Exception:  # where torch.export stumbles, it says so in the network's own words
        own_exported(network, x)
        raise


def reference_program(network: nn.Module, x: Tensor) -> torch.export.ExportedProgram | None:
    """The FP32 program of a network of one's own; None where it does not export as it is, though
    its edge form does: a custom operator may be in a layer that was recognized.
    """
    try:
        return own_exported(network, x)
    except InputError:
        return None
