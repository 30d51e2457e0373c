"""Trained networks: every target's files, recipe by recipe, against FP32 on photographs."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from edge_models.catalog import model_spec
from edge_models.edge import edge_form
from edge_models.parity import Metrics, measure
from edge_models.reference.heads import SingleOutput, run_eager
from edge_models.spec import InputSpec
from export_targets.lowering.graph import in_int8, multiply_accumulates
from export_targets.runner import runner_named
from export_targets.target import Lowering, Target, all_targets, recipes_of
from quantize.recipe import Recipe, recipe_named
from tests.benchmarks import trained
from tests.benchmarks.programs import lowerable
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.trained import Source

NAME = "accuracy"
# Photographs: all of them where the runtime itself is here. A graph runs operator by operator.
ON_RUNTIME, INTERPRETED, ON_GRAPH = 500, 250, 100
OPTIONS = {"input": "tensor", "output": "logits"}


@dataclass(frozen=True)
class Judged:
    """What the files of a model are judged by: the published module, how it takes its input, the
    images (N, 3, H, W) that calibrate, and those that judge, with FP32's logits (N, K) and, where
    they have labels, their classes (N).
    """

    model: str
    module: nn.Module
    input: InputSpec
    calibration: Tensor
    images: Tensor
    fp32: Tensor
    classes: Tensor | None = None

    def some(self, count: int) -> "Judged":
        """The same with so many images, evenly over all."""
        chosen = _spread(len(self.images), count)
        classes = None if self.classes is None else self.classes[chosen]
        return replace(self, images=self.images[chosen], fp32=self.fp32[chosen], classes=classes)


@dataclass(frozen=True)
class Row:
    """One file of a model beside FP32: shares in percent, ratios in dB.

    ``graph_db`` compares the quantized graph with FP32, ``file_db`` the file with the graph, on
    ``ON_GRAPH`` photographs, both None where the recipe keeps the edge form's numbers; both top-1
    are None without labels. ``int8_share`` is of the edge form's multiply-accumulates.
    """

    model: str
    target: str
    recipe: str
    images: int
    agreement: float
    agreement_low: float
    agreement_high: float
    top1: float | None
    fp32_top1: float | None
    sqnr_db: float
    median_sqnr_db: float
    graph_db: float | None
    file_db: float | None
    int8_share: float


def run() -> Result | Skipped:
    """Every trained model that is here, every target and recipe."""
    sources = (trained.CIFAR, trained.VIEWS)
    wanted = [(model, source) for source in sources for model in source.models]
    here = [each for each in wanted if not trained.absent(each[0], source=each[1])]
    if not here:
        reason = trained.absent(*trained.MODELS)
        return Skipped(NAME, f"{reason}; python -m tests.benchmarks.training makes others")
    rows = [row for model, source in here for row in measure_model(model, source)]
    return Result(NAME, table(rows), {"rows": [asdict(row) for row in rows]})


def measure_model(model: str, source: Source) -> Iterator[Row]:
    """Every file of one trained model."""
    inputs, classes = trained.photographs("test", source)
    module = trained.model(model, source).module
    fp32 = run_eager(SingleOutput(module).eval(), inputs[:, None])[:, 0]
    calibration = trained.photographs("calibration", source)[0]
    judged = Judged(model, module, trained.INPUT, calibration, inputs, fp32, classes)
    for target in all_targets().values():
        some = judged.some(ON_RUNTIME if target.runner == "host" else INTERPRETED)
        for name in recipes_of(target):
            yield measure_file(some, target, recipe_named(name), ON_GRAPH)


def measure_file(judged: Judged, target: Target, recipe: Recipe, on_graph: int) -> Row:
    """Make one file and run it on its target's runner, and its graph on so many images."""
    spec, inputs = model_spec(judged.model), judged.images
    module = edge_form(spec, judged.module, judged.input.size, 1, "mean", target.forms())
    program = lowerable(module, spec, target, recipe, judged.calibration)
    graph_db, some = None, _spread(len(inputs), on_graph)
    lowered = judged.fp32[some]
    if recipe.quantized:
        lowered = run_eager(program.module(), inputs[some][:, None])[:, 0]
        graph_db = measure(judged.fp32[some], lowered).sqnr_db
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        target.lower(program, _lowering(judged, target, recipe), path)
        runner = runner_named(target.runner, target.name)
        found = runner.run(path, inputs[:, None], lambda: None)[:, 0]
    metrics: Metrics = measure(judged.fp32, found)
    low, high = metrics.agreement_interval
    row = Row(
        model=judged.model,
        target=target.name,
        recipe=recipe.name,
        images=len(inputs),
        agreement=metrics.top1_agreement * 100,
        agreement_low=low * 100,
        agreement_high=high * 100,
        top1=_percent(found, judged.classes),
        fp32_top1=_percent(judged.fp32, judged.classes),
        sqnr_db=metrics.sqnr_db,
        median_sqnr_db=metrics.median_sqnr_db,
        graph_db=graph_db,
        file_db=None if graph_db is None else measure(lowered, found[some]).sqnr_db,
        int8_share=int8_share(program.module()),
    )
    print(_line(row), flush=True)
    return row


def int8_share(graph: nn.Module) -> float:
    """Percent of a quantized graph's multiply-accumulates that are in INT8."""
    assert isinstance(graph, fx.GraphModule)
    products = [node for node in graph.graph.nodes if node.op == "call_function"]
    counts = [(multiply_accumulates(node), in_int8(node)) for node in products]
    return 100 * sum(n for n, integer in counts if integer) / sum(n for n, _ in counts)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | file | images | agreement (95 %) | top-1, FP32's | SQNR, median image "
        "| graph; file from graph | MACs in INT8 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [_line(row) for row in rows])


def _line(row: Row) -> str:
    hops = "-" if row.graph_db is None else f"{row.graph_db:.1f}; {row.file_db:.1f} dB"
    top1 = "-" if row.top1 is None else f"{row.top1:.1f}, {row.fp32_top1:.1f} %"
    return (
        f"| {row.model} | {row.target} `{row.recipe}` | {row.images} | {row.agreement:.1f} % "
        f"({row.agreement_low:.1f} to {row.agreement_high:.1f}) | {top1} "
        f"| {row.sqnr_db:.1f}, {row.median_sqnr_db:.1f} dB | {hops} | {row.int8_share:.1f} % |"
    )


def _lowering(judged: Judged, target: Target, recipe: Recipe) -> Lowering:
    wanted = {name: value for name, value in OPTIONS.items() if name in target.options}
    height, width = judged.input.size
    facts = {"model": judged.model, "size": f"{height}x{width}", "version": "0"}
    return Lowering(recipe, judged.input, target.choose(recipe, wanted), (), facts)


def _spread(count: int, wanted: int) -> Tensor:
    """So many indices, evenly over all."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()


def _percent(logits: Tensor, classes: Tensor | None) -> float | None:
    if classes is None:
        return None
    return (logits.argmax(1) == classes).double().mean().item() * 100
