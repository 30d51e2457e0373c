"""Core ML files of the trained Conformer: agreement with FP32, sizes, and what float16 does."""

import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.edge import edge_form
from edge_models.parity import measure
from edge_models.reference.heads import SingleOutput, run_eager
from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.program import Operation, Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.mil.types import Value
from export_targets.interpret.mlpackage import run as run_program
from export_targets.target import Lowering, Target, recipes_of, target_named
from quantize.pt2e import quantize
from quantize.recipe import Recipe, recipe_named
from tests.benchmarks import trained
from tests.benchmarks.result import Result, Skipped

NAME = "coreml"
IMAGES, CALIBRATION = 100, 32
OPTIONS = {"input": "tensor", "output": "logits", "minimum-deployment": "iOS17"}
FACTS = {"model": trained.MODEL, "size": "64x64", "version": "0"}
SMALLEST_NORMAL = 2.0**-14  # of float16
SCALE_UP = 8.0  # one weight tensor at a time


@dataclass(frozen=True)
class Row:
    """One recipe's saved file on the photographs; agreement in percent, SQNR in dB, seconds."""

    recipe: str
    megabytes: float
    agreement: float
    sqnr_db: float
    conversion: float
    problem: str = ""


@dataclass(frozen=True)
class Range:
    """What an operator's results reach in float16: the largest number, the share of subnormals, and
    the largest with any one weight tensor eight times as large.
    """

    operator: str
    largest: float
    subnormal: float
    largest_scaled: float


def run() -> Result | Skipped:
    """Every recipe on the trained Conformer, and the ranges of its float16 file."""
    if reason := trained.absent():
        return Skipped(NAME, reason)
    target = target_named("coreml")
    inputs = trained.photographs("test")[0]
    inputs = inputs[:: max(1, len(inputs) // IMAGES)][:IMAGES]
    loaded = trained.model()
    fp32 = run_eager(SingleOutput(loaded.module).eval(), inputs[:, None])[:, 0]
    forms = target.forms
    spec = model_spec(trained.MODEL)
    module = edge_form(spec, loaded.module, trained.SIZE, 1, "mean", forms)
    rows, ranges = [], []
    for name in recipes_of(target):
        program, size, seconds = saved(target, module, recipe_named(name))
        found = torch.cat([run_program(program, image[None]) for image in inputs])
        rows.append(_row(name, size, seconds, fp32, found))
        if name == "fp16":
            ranges = float16_ranges(program, inputs)
    measured = {"rows": [asdict(row) for row in rows], "ranges": [asdict(r) for r in ranges]}
    return Result(NAME, table(rows, ranges), measured)


def _row(name: str, size: float, seconds: float, fp32: Tensor, found: Tensor) -> Row:
    """A file's figures; where its logits cannot be compared, why, and no agreement at all."""
    try:
        metrics = measure(fp32, found)
    except ValueError as error:
        return Row(name, size, 0.0, 0.0, seconds, str(error))
    return Row(name, size, metrics.top1_agreement * 100, metrics.sqnr_db, seconds)


def saved(target: Target, module: nn.Module, recipe: Recipe) -> tuple[Program, float, float]:
    """The program of a saved file, its megabytes, and the seconds that lowering took."""
    calibration = trained.photographs("calibration")[0][:CALIBRATION]
    program = torch.export.export(module, (calibration[:1],))
    if recipe.quantized:
        quantizer = target.quantizer(recipe, target.rules(model_spec(trained.MODEL), recipe))
        graph = quantize(program.module(), quantizer, calibration.split(1), lambda: None)
        program = torch.export.export(graph, (calibration[:1],))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        start = time.perf_counter()
        target.lower(program, Lowering(recipe, trained.INPUT, OPTIONS, (), FACTS), path)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        return read_package(path), size, seconds


def float16_ranges(program: Program, inputs: Tensor) -> list[Range]:
    """Of every kind of operator, on all images; with scaled weights on the first one."""
    plain = Ranges()
    for image in inputs:
        execute(program, {program.inputs[0].name: image[None]}, "declared", plain)
    scaled = Ranges()
    for name, value in program.constants.items():
        if not (name.endswith("weight_to_fp16") and isinstance(value, Tensor)):
            continue
        constants = {**program.constants, name: value * SCALE_UP}
        changed = Program(
            program.opset,
            program.inputs,
            program.outputs,
            constants,
            program.operations,
            program.metadata,
        )
        execute(changed, {program.inputs[0].name: inputs[:1]}, "declared", scaled)
    return [
        Range(
            operator,
            plain.largest[operator],
            plain.subnormal[operator] / plain.numbers[operator],
            scaled.largest[operator],
        )
        for operator in sorted(plain.largest, key=lambda name: -plain.largest[name])
    ]


class Ranges:
    """Observes operations: the largest magnitude and the subnormal numbers of their results."""

    def __init__(self) -> None:
        self.largest: dict[str, float] = defaultdict(float)
        self.subnormal: dict[str, int] = defaultdict(int)
        self.numbers: dict[str, int] = defaultdict(int)

    def __call__(self, operation: Operation, results: tuple[Value, ...]) -> None:
        for (_, declared), value in zip(operation.results, results, strict=True):
            if declared is None or declared.dtype != "FLOAT16" or not isinstance(value, Tensor):
                continue
            magnitude = value.abs()
            kind = operation.type
            self.largest[kind] = max(self.largest[kind], magnitude.max().item())
            tiny = (magnitude > 0) & (magnitude < SMALLEST_NORMAL)
            self.subnormal[kind] += int(tiny.sum())
            self.numbers[kind] += value.numel()


def table(rows: list[Row], ranges: list[Range]) -> str:
    """The rows and ranges as Markdown."""
    lines = [
        f"Saved Core ML files of a trained Conformer-Ti on {IMAGES} photographs, float16 storage, "
        "against the published module in FP32.",
        "",
        "| recipe | MB | agreement | SQNR | conversion |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row.recipe}` | {row.megabytes:.1f} | {row.agreement:.0f} % | {row.sqnr_db:.1f} dB "
        f"| {row.conversion:.0f} s {row.problem}|"
        for row in rows
    ]
    lines += [
        "",
        "| operator of the FP16 file | largest | subnormal | largest, a weight tensor x 8 |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{row.operator}` | {row.largest:.4g} | {row.subnormal:.3%} | {row.largest_scaled:.4g} |"
        for row in ranges
    ]
    return "\n".join(lines)
