"""What Vulkan files at 224 cost: bytes, operators, and the share of the work that is INT8."""

import math
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from edge_models.spec import InputSpec
from export_targets.artifact.manifest import Delegation
from export_targets.interpret.vk.graph import Call, Graph, TensorValue
from export_targets.interpret.vk.read import read_delegate
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks import subject
from tests.benchmarks.result import Result
from tests.benchmarks.subject import Subject

NAME = "vulkan-cost"
TARGET = "vulkan"
RECIPES = ("fp32", "fp16", "int8")
PREPACK = "et_vk.prepack.default"  # runs once, when the file is loaded
KERNEL, GROUPS = 9, 13  # places among the arguments of an INT8 convolution


@dataclass(frozen=True)
class Row:
    """One file: its size, its delegates, the calls of the program that was delegated (those left
    outside among them), the operators of one inference and their multiply-accumulates by kind of
    operator, which are read from a file that is one delegate and are empty for another.
    """

    model: str
    form: str
    recipe: str
    megabytes: float
    delegates: int
    calls: int
    operators: int
    macs: dict[str, int]

    @property
    def int8_share(self) -> float:
        """The share of multiply-accumulates in INT8 operators."""
        whole = sum(self.macs.values())
        return sum(macs for name, macs in self.macs.items() if ".q8ta_" in name) / max(whole, 1)


def run() -> Result:
    """Both real-size models; the published form for its operators."""
    rows = []
    for model in subject.REAL_SIZE:
        measured = subject.real_size(model, TARGET)
        rows.append(published(measured))
        for recipe in RECIPES:
            built = measured.artifact(recipe, "edge")
            rows.append(row(model, "edge", recipe, built.model, built.manifest.delegation))
    return Result(NAME, table(rows), {"rows": [asdict(row) for row in rows]})


def published(measured: Subject) -> Row:
    """The published form, lowered in FP32; not run, as it need not be one delegate."""
    sample = torch.zeros(1, 3, *measured.size)
    program = torch.export.export(measured.published(), (sample,))
    lowering = Lowering(recipe_named("fp32"), InputSpec(measured.size), {}, (), {})
    target = target_named(TARGET)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        lowered = target.lower(program, lowering, path)
        return row(measured.model, "published", "fp32", path, lowered.delegation)


def row(model: str, form: str, recipe: str, path: Path, delegation: Delegation) -> Row:
    """A file's row."""
    graph = read_delegate(path) if delegation.whole else Graph((), (), (), ())
    return Row(
        model=model,
        form=form,
        recipe=recipe,
        megabytes=path.stat().st_size / 1e6,
        delegates=delegation.delegates,
        calls=delegation.delegated_ops + sum(delegation.undelegated.values()),
        operators=sum(call.operator != PREPACK for call in graph.calls),
        macs=multiply_accumulates(graph),
    )


def multiply_accumulates(graph: Graph) -> dict[str, int]:
    """Of a saved graph, by operator."""
    found: dict[str, int] = defaultdict(int)
    for call in graph.calls:
        if terms := _terms(graph, call):
            found[call.operator] += terms * math.prod(_shape(graph, call.result))
    return dict(found)


def _terms(graph: Graph, call: Call) -> int:
    """How many products each number of a call's result is the sum of; 0 where it is none."""
    name = call.operator
    if name in ("aten.convolution.default", "et_vk.conv_with_clamp.default"):
        return math.prod(_shape(graph, call.arguments[1])[1:])
    if name in ("aten.linear.default", "aten.bmm.default") or "q8ta_linear" in name:
        return _shape(graph, call.arguments[0])[-1]
    if "q8ta_conv2d" in name:
        kernel, groups = graph.values[call.arguments[KERNEL]], graph.values[call.arguments[GROUPS]]
        assert isinstance(kernel, tuple)
        assert isinstance(groups, int)
        return int(math.prod(kernel)) * _shape(graph, call.arguments[0])[1] // groups
    return 0


def _shape(graph: Graph, number: int) -> tuple[int, ...]:
    value = graph.values[number]
    assert isinstance(value, TensorValue)
    return value.shape


def table(rows: list[Row]) -> str:
    """The rows as Markdown, and where each INT8 file's floats are."""
    lines = [
        "Saved Vulkan files at 224, random weights. Calls: of the program that is delegated; "
        "operators: of the saved file, for one inference.",
        "",
        "| model | form | recipe | MB | of FP32 | delegates | calls | operators | GMAC | in INT8 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    whole = {row.model: row.megabytes for row in rows if (row.form, row.recipe) == ("edge", "fp32")}
    for row in rows:
        ratio = f"1/{whole[row.model] / row.megabytes:.2f}"
        lines.append(
            f"| {row.model} | {row.form} | {row.recipe} | {row.megabytes:.1f} | {ratio} "
            f"| {row.delegates} | {row.calls} | {row.operators or '-'} "
            f"| {sum(row.macs.values()) / 1e9:.2f} | {row.int8_share:.1%} |"
        )
    lines += ["", "| model, INT8 | operator | share of the multiply-accumulates |", "|---|---|---|"]
    for row in rows:
        if row.recipe == "int8":
            for name, macs in sorted(row.macs.items(), key=lambda item: -item[1]):
                lines.append(f"| {row.model} | `{name}` | {macs / sum(row.macs.values()):.2%} |")
    return "\n".join(lines)
