"""Vulkan files of the trained Conformer: agreement with FP32, sizes, and what float16 does."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

from torch import Tensor

from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Call, Graph, TensorValue
from export_targets.interpret.vk.read import read_delegate
from export_targets.interpret.vulkan import run as run_graph
from tests.benchmarks import ranges, trained, trained_files
from tests.benchmarks.ranges import Range, Ranges
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.trained_files import IMAGES, Row

NAME = "vulkan"


def run() -> Result | Skipped:
    """Every recipe on the trained Conformer, and the ranges of its float16 file."""
    if reason := trained.absent():
        return Skipped(NAME, reason)
    inputs = trained_files.photographs()
    rows: list[Row] = []
    reached: list[Range] = []
    for saved in trained_files.saved(NAME, {}, {}):
        graph = read_delegate(saved.path)
        rows.append(trained_files.judged(saved, inputs, partial(run_graph, graph)))
        if saved.recipe == "fp16":
            reached = float16_ranges(graph, inputs)
    measured = {"rows": [asdict(row) for row in rows], "ranges": [asdict(r) for r in reached]}
    return Result(NAME, table(rows, reached), measured)


def float16_ranges(graph: Graph, inputs: Tensor) -> list[Range]:
    """Of every kind of operator, on all images (N, 3, H, W); with scaled weights on the first."""
    plain, scaled = Ranges(), Ranges()
    for image in inputs:
        _note(graph, image, plain)
    for number, value in enumerate(graph.values):
        if _is_weight(value):
            _note(_scaled(graph, number), inputs[0], scaled)
    return ranges.ranges(plain, scaled)


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

    execute(graph, [image[None]], "declared", watch)


def table(rows: list[Row], reached: list[Range]) -> str:
    """The rows and ranges as Markdown."""
    title = (
        f"Saved Vulkan files of a trained Conformer-Ti on {IMAGES} photographs in the interpreter, "
        "against the published module in FP32."
    )
    return "\n".join([title, "", *trained_files.table(rows), "", *ranges.table(reached)])
