"""Every catalog model with seeded random weights at 224: whether its images tell, and its files.

They are calibrated on other views of the same kind, as users do: on other photographs alone, a
static range leaves out what a few of the images need.
"""

from collections.abc import Iterator
from dataclasses import asdict

from torch import Tensor

from edge_models.catalog import model_spec, model_specs
from edge_models.checkpoint import load_reference
from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from edge_models.reference.heads import SingleOutput, run_eager
from export_targets.target import all_targets
from quantize.recipe import recipe_named
from tests.benchmarks.accuracy import Judged, Row, measure_file, table
from tests.benchmarks.result import Result
from tests.photographs import views_of_all

NAME = "random-weights"
ON_RUNTIME, INTERPRETED = 64, 16  # views of photographs that nothing is calibrated on
FILES = (
    *(("xnnpack", "fp32"), ("xnnpack", "int8")),
    *(("vulkan", "fp16"), ("vulkan", "int8")),
    *(("coreml", "fp16"), ("coreml", "int8")),
)


def run() -> Result:
    """Every model that brings no images of its own."""
    models = [name for name, spec in model_specs().items() if not spec.embedded]
    classes, rows = dict[str, int](), list[Row]()
    for model in models:
        judged = random(model)
        classes[model] = distinct_classes(judged.fp32)
        rows += measure_files(judged, FILES)
    told = [f"`{model}` {count}" for model, count in classes.items()]
    text = f"Distinct top-1 classes on {ON_RUNTIME} views: {', '.join(told)}.\n\n{table(rows)}"
    return Result(NAME, text, {"classes": classes, "rows": [asdict(row) for row in rows]})


def measure_files(judged: Judged, files: tuple[tuple[str, str], ...]) -> Iterator[Row]:
    """A row for each target and recipe."""
    for name, recipe in files:
        target = all_targets()[name]
        count = ON_RUNTIME if target.runner == "host" else INTERPRETED
        yield measure_file(judged.some(count), target, recipe_named(recipe), INTERPRETED)


def random(model: str) -> Judged:
    """A model of the catalog with the weights that a build without a checkpoint takes."""
    spec = model_spec(model)
    module = load_reference(spec, None, 0).module
    inputs = preprocess_all(views(photographs(), ON_RUNTIME), spec.input, spec.input.size)
    fp32 = run_eager(SingleOutput(module).eval(), inputs[:, None])[:, 0]
    calibration = preprocess_all(views_of_all(), spec.input, spec.input.size)
    return Judged(model, module, spec.input, calibration, inputs, fp32)


def distinct_classes(logits: Tensor) -> int:
    """How many classes are the first of some sample, logits (N, K)."""
    return len(logits.argmax(1).unique())
