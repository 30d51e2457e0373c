"""Vulkan files of the trained Conformer: agreement with FP32, sizes, and what float16 does."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Call, Graph, TensorValue
from export_targets.interpret.vk.read import read_delegate
from export_targets.interpret.vulkan import run as run_graph
from export_targets.target import Lowering
from quantize.recipe import Recipe
from tests.benchmarks import ranges, trained, trained_files
from tests.benchmarks.ranges import Range, Ranges
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.trained_files import IMAGES

NAME = "vulkan"
TITLE = (
    f"Saved Vulkan files of a trained Conformer-Ti on {IMAGES} photographs in the interpreter, "
    "against the published module in FP32."
)


def run() -> Result | Skipped:
    """Every recipe on the trained Conformer, and the ranges of its float16 file."""
    return trained_files.measured(NAME, TITLE, _lowering, read_delegate, run_graph, float16_ranges)


def _lowering(recipe: Recipe) -> Lowering:
    return Lowering(recipe, trained.INPUT, {}, (), {})


def float16_ranges(graph: Graph, inputs: Tensor) -> list[Range]:
    """Of every kind of operator, on all images (N, 3, H, W); with scaled weights on the first."""
    weights = [number for number, value in enumerate(graph.values) if _is_weight(value)]
    return ranges.ranges(graph, (_scaled(graph, number) for number in weights), inputs, _note)


def _is_weight(value: object) -> bool:
    """Whether a value is the constant weight of a convolution or linear."""
    held = value.constant if isinstance(value, TensorValue) else None
    return held is not None and held.is_floating_point() and held.dim() > 1


def _scaled(graph: Graph, number: int) -> Graph:
    """The same graph with one constant eight times as large."""
    values = list(graph.values)
    value = values[number]
    assert isinstance(value, TensorValue)
    assert value.constant is not None
    values[number] = replace(value, constant=value.constant * ranges.SCALE_UP)
    return replace(graph, values=tuple(values))


def _note(graph: Graph, image: Tensor, into: Ranges) -> None:
    """The float results of a graph on one image (3, H, W), as the file stores them."""

    def watch(call: Call, results: Sequence[Tensor]) -> None:
        for result in results:
            if result.is_floating_point():
                into.note(call.operator, result)

    execute(graph, [image[None]], watch=watch)
