"""The numbers in which a program is lowered: those of its recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from edge_models.images import normalize
from edge_models.reference.heads import run_eager
from export_targets.artifact.manifest import FloatModule
from export_targets.lowering.graph import float_modules
from export_targets.plan import Plan
from export_targets.progress import Reporter
from export_targets.prove.layer_errors import LayerError, layer_errors
from export_targets.search.agreement import Searched, search
from export_targets.search.images import Halves
from quantize.calibration import Images, ImageSets


@dataclass(frozen=True)
class Represented:
    """A program in the numbers of a recipe, with its logits where they are not the edge form's,
    what stayed float, what INT8 does to each layer, and the search where an agreement was asked.
    """

    program: torch.export.ExportedProgram
    logits: Mapping[str, Tensor] = field(default_factory=dict)
    float_modules: tuple[FloatModule, ...] = ()
    layers: tuple[LayerError, ...] = ()
    searched: Searched | None = None


def in_numbers(
    plan: Plan,
    floating: torch.export.ExportedProgram,
    images: ImageSets,
    inputs: Tensor,
    halves: Halves | None,
    classes: int,
    reporter: Reporter,
) -> Represented:
    """The program as the recipe has it, with its logits on ``inputs``, (samples, B, 3, H, W).

    With ``halves``, images to agree on, a search first finds what stays float.
    """
    if not plan.recipe.quantized:
        return Represented(floating)
    plain = calibrated(plan, floating, images.calibration, reporter)
    output = plan.output_section(classes)
    searched = search(plan, floating, plain, halves, output, reporter) if halves else None
    chosen = replace(plan, found_float=searched.trial.modules) if searched else plan
    again = bool(chosen.found_float)
    quantized = calibrated(chosen, floating, images.calibration, reporter) if again else plain
    with reporter.stage("Quantized logits"):
        logits = {"quantized": run_eager(quantized, inputs)}
    with reporter.stage("Errors of layers"):
        layers = layer_errors(floating.module(), quantized, inputs[: plan.golden_samples])
    why = f"{plan.target.name}: INT8 is for {plan.target.int8_operators}"
    stayed_float = float_modules(quantized, chosen.float_rules, why)
    program = torch.export.export(quantized, (inputs[0],))
    return Represented(program, logits, stayed_float, layers, searched)


def calibrated(
    plan: Plan,
    program: torch.export.ExportedProgram,
    calibration: Images | None,
    reporter: Reporter,
) -> torch.fx.GraphModule:
    """A program quantized by the plan's recipe and rules, with the ranges of its images."""
    from quantize.pt2e import quantize

    pixels: Tensor | tuple[()] = plan.batches(calibration) if calibration is not None else ()
    inputs = (normalize(batch, plan.spec.input) for batch in pixels)
    with reporter.steps("Calibration", len(pixels)) as advance:
        quantizer = plan.target.quantizer(plan.recipe, plan.float_rules)
        return quantize(program.module(), quantizer, inputs, advance)
