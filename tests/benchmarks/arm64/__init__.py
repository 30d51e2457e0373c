"""Instructions per inference on ARM64, counted under qemu-user: a figure without noise."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_models.catalog import model_spec, model_specs
from export_targets.lowering.graph import multiply_accumulates
from export_targets.runners.linux import DEFAULT_CPU, I8MM_CPU
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks.arm64 import program
from tests.benchmarks.arm64.count import Count, File, count, document, file_at, table
from tests.benchmarks.programs import edge_program
from tests.benchmarks.result import RESULTS, Result, Skipped
from tests.benchmarks.sides import FORMS
from tests.benchmarks.subject import REAL_SIZE, TARGET, real_size

CATALOG = "arm64-catalog"
PROCESSORS = (DEFAULT_CPU, I8MM_CPU)
CALIBRATING = 8  # images: instructions hardly depend on ranges
RECIPE = "int8"  # qemu emulates float arithmetic slowly: 2 to 5 minutes a file in FP32


def run() -> Result | Skipped:
    """Count each form of each model in INT8."""
    if reason := program.absent():
        return Skipped("arm64", reason)
    files = [real_size(m).artifact(RECIPE, form).model for m in REAL_SIZE for form in FORMS]
    return run_files(files, "arm64")


def run_files(models: Sequence[Path], name: str = "arm64-files") -> Result | Skipped:
    """Count one inference of each file."""
    if reason := program.absent():
        return Skipped(name, reason)
    built, files = program.build(RESULTS / "arm64"), map(file_at, models)
    counts = [count(built, file, cpu) for file in files for cpu in PROCESSORS]
    return Result(name, table(counts), document(counts))


def run_catalog() -> Result | Skipped:
    """Count the INT8 edge form of every model of the catalog that brings no images of its own."""
    if reason := program.absent():
        return Skipped(CATALOG, reason)
    built, counts = program.build(RESULTS / "arm64"), list[Count]()
    for name, spec in model_specs().items():
        if not spec.embedded:
            with tempfile.TemporaryDirectory() as folder:
                file = lowered(name, Path(folder))
                counts += [count(built, file, cpu) for cpu in PROCESSORS]
            print(f"{name}: {[item.instructions for item in counts[-2:]]}", flush=True)
    return Result(CATALOG, table(counts), document(counts))


def lowered(model: str, folder: Path) -> File:
    """The INT8 file of a model with seeded random weights, whose accuracy is not looked at."""
    spec, target, recipe = model_spec(model), target_named(TARGET), recipe_named(RECIPE)
    images = real_size(model).calibration_inputs()[:CALIBRATING, 0]
    program = edge_program(model, target, recipe, images)
    path = folder / target.file
    lowering = Lowering(recipe, spec.input, target.choose(recipe, {}), (), {})
    macs = sum(map(multiply_accumulates, program.graph.nodes))
    return File(model, path, macs, target.lower(program, lowering, path).operators)
