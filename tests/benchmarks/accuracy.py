"""INT8 on trained weights: agreement of each recipe's quantized graph with FP32."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.edge import edge_form
from edge_models.parity import measure
from edge_models.reference.heads import SingleOutput
from export_targets.target import recipes_of, target_named
from quantize.recipe import Recipe, recipe_named
from tests.benchmarks import trained
from tests.benchmarks.programs import quantized_graph
from tests.benchmarks.result import Result, Skipped

BATCH = 25
TARGET = "xnnpack"


@dataclass(frozen=True)
class Row:
    """One recipe on one form; agreement and top-1 in percent, SQNR in dB, against FP32."""

    form: str
    recipe: str
    agreement: float
    top1: float
    fp32_top1: float
    sqnr_db: float


def run() -> Result | Skipped:
    """The recipes on the trained Conformer."""
    if reason := trained.absent():
        return Skipped("accuracy", reason)
    rows = measure_recipes()
    return Result("accuracy", table(rows), {"rows": [asdict(row) for row in rows]})


def measure_recipes() -> list[Row]:
    """Every quantizing recipe of the target on the edge form, and INT8 on the published form."""
    target, spec = target_named(TARGET), model_spec(trained.MODEL)
    loaded = trained.model()
    inputs, classes = trained.photographs("test")
    calibration, _ = trained.photographs("calibration")
    published = SingleOutput(loaded.module).eval()
    edge = edge_form(spec, loaded.module, trained.SIZE, BATCH, "mean", target.forms)
    fp32 = _logits(published, inputs)
    cases = [("edge", edge, recipe_named(name)) for name in recipes_of(target)]
    cases = [case for case in cases if case[2].quantized]
    cases.append(("published", published, recipe_named("int8")))
    rows = []
    for form, module, recipe in cases:
        quantized = quantized_graph(module, spec, target, recipe, calibration, BATCH)
        rows.append(_row(form, recipe, fp32, _logits(quantized, inputs), classes))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| form | recipe | agreement | top-1 | FP32 top-1 | SQNR |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.form} | {row.recipe} | {row.agreement:.1f} % | {row.top1:.1f} % "
        f"| {row.fp32_top1:.1f} % | {row.sqnr_db:.1f} dB |"
        for row in rows
    ]
    return "\n".join(lines)


def _logits(module: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([module(batch) for batch in inputs.split(BATCH)])


def _row(form: str, recipe: Recipe, fp32: Tensor, actual: Tensor, classes: Tensor) -> Row:
    metrics = measure(fp32, actual)

    def top1(logits: Tensor) -> float:
        return (logits.argmax(1) == classes).double().mean().item() * 100

    return Row(
        form=form,
        recipe=recipe.name,
        agreement=metrics.top1_agreement * 100,
        top1=top1(actual),
        fp32_top1=top1(fp32),
        sqnr_db=metrics.sqnr_db,
    )
