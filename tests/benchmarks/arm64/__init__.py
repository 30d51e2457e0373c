"""Instructions per inference on ARM64, counted under qemu-user: a figure without noise."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_models.catalog import model_spec, model_specs
from export_targets.lowering.graph import multiply_accumulates
from export_targets.runners.linux import DEFAULT_CPU, I8MM_CPU
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks.arm64 import program
from tests.benchmarks.arm64.count import File, count, document, file_at, table
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
    sides = ((model, form) for model in REAL_SIZE for form in FORMS)
    models = (real_size(model).artifact(RECIPE, form).model for model, form in sides)
    return _counted("arm64", map(file_at, models))


def run_files(models: Iterable[Path]) -> Result | Skipped:
    """Count one inference of each file."""
    return _counted("arm64-files", map(file_at, models))


def run_catalog() -> Result | Skipped:
    """Count the INT8 edge form of every model of the catalog that brings no images of its own."""
    return _counted(CATALOG, _catalog())


def _counted(name: str, files: Iterable[File]) -> Result | Skipped:
    """Count each file as it comes; none is made where nothing can be counted."""
    if reason := program.absent():
        return Skipped(name, reason)
    built = program.build(RESULTS / "arm64")
    counts = [count(built, file, cpu) for file in files for cpu in PROCESSORS]
    return Result(name, table(counts), document(counts))


def _catalog() -> Iterator[File]:
    for name, spec in model_specs().items():
        if not spec.embedded:
            print(f"{name}: lowering, then counting", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                yield lowered(name, Path(folder))


def lowered(model: str, folder: Path) -> File:
    """The INT8 file of a model with seeded random weights, whose accuracy is not looked at."""
    spec, target, recipe = model_spec(model), target_named(TARGET), recipe_named(RECIPE)
    images = real_size(model).calibration_inputs()[:CALIBRATING, 0]
    program = edge_program(model, target, recipe, images)
    path = folder / target.file
    lowering = Lowering(recipe, spec.input, target.choose(recipe, {}), (), {})
    macs = sum(map(multiply_accumulates, program.graph.nodes))
    return File(model, path, macs, target.lower(program, lowering, path).operators)
