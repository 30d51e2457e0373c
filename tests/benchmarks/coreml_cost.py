"""Core ML at real size: conversion beside a plain one, and what float16 holds; random weights."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from edge_models.catalog import model_spec
from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from export_targets.command_line.console import collector_off
from export_targets.interpret.mil.read import read_package
from export_targets.lowering.coreml.convert import quiet_converter
from export_targets.runners.processes.this_machine import load_average
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks import ranges as tables
from tests.benchmarks.coreml import OPTIONS, float16_ranges
from tests.benchmarks.machine import busy_note
from tests.benchmarks.programs import edge_program
from tests.benchmarks.ranges import Range
from tests.benchmarks.result import Result
from tests.benchmarks.subject import REAL_SIZE

NAME = "coreml-cost"
RECIPES = ("fp16", "int8")
IMAGES, ROUNDS = 16, 3
AIMS = {("conformer_small_patch16", "fp16"): 40.0, ("conformer_small_patch16", "int8"): 150.0}

Program = torch.export.ExportedProgram


@dataclass(frozen=True)
class Cost:
    """One conversion to a saved package, in seconds of the processor: on a machine with other load
    seconds of the clock differ by a factor of five.
    """

    model: str
    recipe: str
    way: str
    seconds: float


def run() -> Result:
    """Every conversion both ways, alternating in this process, and the FP16 files' ranges."""
    load, costs = load_average(), []
    ranges: dict[str, list[Range]] = {}
    for model in REAL_SIZE:
        spec = model_spec(model)
        images = preprocess_all(views(photographs(), IMAGES), spec.input, spec.input.size)
        for recipe in RECIPES:
            program = edge_program(model, target_named("coreml"), recipe_named(recipe), images)
            with tempfile.TemporaryDirectory() as folder:
                saved = Path(folder, "model.mlpackage")
                costs += _alternating(model, recipe, program, saved)
                if recipe == "fp16":
                    ranges[model] = float16_ranges(read_package(saved), images)
    measured = {
        "load_average": load,
        "aims": {f"{model} {recipe}": seconds for (model, recipe), seconds in AIMS.items()},
        "costs": [asdict(cost) for cost in costs],
        "ranges": {model: [asdict(row) for row in rows] for model, rows in ranges.items()},
    }
    return Result(NAME, table(costs, ranges, load), measured)


@collector_off()
def own(program: Program, recipe: str, path: Path) -> None:
    """The target's lowering, as a build does it."""
    facts = {"model": "model", "size": "224x224", "version": "0"}
    spec = model_spec(REAL_SIZE[0]).input
    lowering = Lowering(recipe_named(recipe), spec, OPTIONS, (), facts)
    target_named("coreml").lower(program, lowering, path)


def plain(program: Program, _: str, path: Path) -> None:
    """coremltools' own calls, as its documentation has them."""
    import coremltools as ct

    with quiet_converter():
        model = ct.convert(
            program.run_decompositions({}),
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT16,
            skip_model_load=True,
        )
    model.save(str(path))


WAYS: dict[str, Callable[[Program, str, Path], None]] = {"edgeform": own, "plain": plain}


def _alternating(model: str, recipe: str, program: Program, path: Path) -> list[Cost]:
    """The file of the target stands at ``path`` afterwards; a plain one beside it."""
    plain_path = path.with_name("plain.mlpackage")
    costs = []
    for turn in range(-1, ROUNDS):  # the first turn loads libraries and is not counted
        for way in list(WAYS) if turn % 2 == 0 else list(reversed(WAYS)):
            print(f"{model} {recipe}: conversion, {way}", flush=True)
            start = time.process_time()
            WAYS[way](program, recipe, path if way == "edgeform" else plain_path)
            if turn >= 0:
                costs.append(Cost(model, recipe, way, time.process_time() - start))
    return costs


def table(costs: list[Cost], ranges: dict[str, list[Range]], load: float) -> str:
    """Medians of both ways, then what float16 holds, as Markdown."""
    lines = [
        f"{busy_note(load)} The same exported program to a saved `.mlpackage`, {ROUNDS} times each",
        "way, alternating in one process, processor time: the target's lowering, and plain calls.",
        "",
        "| model | recipe | edgeform | plain | of the plain time (aim <= 1) | aim |",
        "|---|---|---|---|---|---|",
    ]
    for model, recipe in dict.fromkeys((cost.model, cost.recipe) for cost in costs):
        found = {way: _median(costs, model, recipe, way) for way in WAYS}
        aim = AIMS.get((model, recipe))
        lines.append(
            f"| {model} | `{recipe}` | {found['edgeform']:.1f} s | {found['plain']:.1f} s "
            f"| {found['edgeform'] / found['plain']:.2f} | {f'{aim:.0f} s' if aim else '-'} |"
        )
    for model, rows in ranges.items():
        lines += ["", f"{model}, random weights, {IMAGES} photographs:", "", *tables.table(rows)]
    return "\n".join(lines)


def _median(costs: list[Cost], *of: str) -> float:
    """Of the conversions of a model with a recipe one way, in seconds."""
    return median(cost.seconds for cost in costs if (cost.model, cost.recipe, cost.way) == of)
