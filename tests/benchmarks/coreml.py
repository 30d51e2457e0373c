"""Core ML files of the trained Conformer: agreement with FP32, sizes, and what float16 does."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.program import Operation, Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.mil.types import Value
from export_targets.interpret.mlpackage import run as run_program
from export_targets.target import Lowering
from quantize.recipe import Recipe
from tests.benchmarks import ranges, trained, trained_files
from tests.benchmarks.ranges import Range, Ranges
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.trained_files import IMAGES

NAME = "coreml"
TITLE = (
    f"Saved Core ML files of a trained Conformer-Ti on {IMAGES} photographs, float16 storage, "
    "against the published module in FP32."
)
OPTIONS = {"input": "tensor", "output": "logits", "minimum-deployment": "iOS17"}
FACTS = {"model": trained.CONFORMER, "size": "64x64", "version": "0"}


def run() -> Result | Skipped:
    """Every recipe on the trained Conformer, and the ranges of its float16 file."""
    return trained_files.measured(NAME, TITLE, _lowering, read_package, run_program, float16_ranges)


def _lowering(recipe: Recipe) -> Lowering:
    return Lowering(recipe, trained.INPUT, OPTIONS, (), FACTS)


def float16_ranges(program: Program, inputs: Tensor) -> list[Range]:
    """Of every kind of operator, on all images (N, 3, H, W); with scaled weights on the first."""
    return ranges.ranges(program, with_one_weight_scaled(program), inputs, _note)


def with_one_weight_scaled(program: Program) -> Iterator[Program]:
    """The program with the weight of each convolution and linear in turn eight times as large."""
    products = [o for o in program.operations if o.type in ("conv", "linear")]
    for name in dict.fromkeys(str(operation.arguments["weight"]) for operation in products):
        value = program.constants[name]
        assert isinstance(value, Tensor)
        yield replace(program, constants={**program.constants, name: value * ranges.SCALE_UP})


def _note(program: Program, image: Tensor, into: Ranges) -> None:
    """The float16 results of a program on one image (3, H, W)."""

    def watch(operation: Operation, results: tuple[Value, ...]) -> None:
        for (_, declared), value in zip(operation.results, results, strict=True):
            float16 = declared is not None and declared.dtype == "FLOAT16"
            if float16 and isinstance(value, Tensor):
                into.note(operation.type, value)

    execute(program, {program.inputs[0].name: image[None]}, "declared", watch)
