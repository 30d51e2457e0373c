"""The numbers in which a program is lowered: those of its recipe."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

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
from quantize.recipe import StoredWeights


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
    stored = plan.recipe.weights
    if stored is not None and stored.palette:
        return Represented(palettized_program(plan, floating, stored, images.calibration, reporter))
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
    operators = plan.target.int8_operators
    if plan.recipe.convolution == "dynamic":
        operators = "linears and, with dynamic ranges, convolutions that are not depthwise"
    why = f"{plan.target.name}: INT8 is for {operators}"
    stayed_float = float_modules(quantized, chosen.float_rules, why)
    program = torch.export.export(quantized, (inputs[0],))
    return Represented(program, logits, stayed_float, layers, searched)


def palettized_program(
    plan: Plan,
    program: torch.export.ExportedProgram,
    stored: StoredWeights,
    calibration: Images | None,
    reporter: Reporter,
) -> torch.export.ExportedProgram:
    """A program whose weights are entries of palettes, chosen by its layers' outputs on images."""
    from quantize.palettes import palettized

    if calibration is None:
        reporter.note(
            f"{plan.recipe.name}: its palettes are chosen by the weights alone; --calibration DIR "
            "has them chosen by what they do to each layer's output"
        )
    inputs, count = _inputs(plan, calibration)
    with reporter.steps("Palettes", count) as advance:
        graph = program.module()
        return with_weights(
            program, palettized(graph, inputs, stored.bits, stored.average, advance)
        )


def with_weights(
    program: torch.export.ExportedProgram, weights: Mapping[str, Tensor]
) -> torch.export.ExportedProgram:
    """A program with other numbers for some of its parameters; itself where there are none."""
    if not weights:
        return program
    changed = copy(program)
    others = {name: nn.Parameter(value, False) for name, value in weights.items()}
    changed._state_dict = program.state_dict | others
    return changed


def calibrated(
    plan: Plan,
    program: torch.export.ExportedProgram,
    calibration: Images | None,
    reporter: Reporter,
) -> torch.fx.GraphModule:
    """A program quantized by the plan's recipe and rules, with the ranges of its images."""
    from quantize.pt2e import quantize

    quantizer = plan.target.quantizer(plan.recipe, plan.float_rules)
    if not plan.recipe.needs_calibration:  # weights are observed where the program runs
        return quantize(program.module(), quantizer, program.example_inputs[0], lambda: None)
    inputs, count = _inputs(plan, calibration)
    with reporter.steps("Calibration", count) as advance:
        return quantize(program.module(), quantizer, inputs, advance)


def _inputs(plan: Plan, calibration: Images | None) -> tuple[Iterator[Tensor], int]:
    """The model inputs that images give, and how many."""
    pixels: Tensor | tuple[()] = plan.batches(calibration) if calibration is not None else ()
    return (normalize(batch, plan.spec.input) for batch in pixels), len(pixels)
