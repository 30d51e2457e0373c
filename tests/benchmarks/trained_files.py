"""A target's files of the trained Conformer, recipe by recipe, on photographs."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.edge import edge_form
from edge_models.parity import measure
from edge_models.reference.heads import SingleOutput, run_eager
from export_targets.target import Lowering, recipes_of, target_named
from quantize.recipe import Recipe, recipe_named
from tests.benchmarks import ranges, trained
from tests.benchmarks.programs import lowerable
from tests.benchmarks.ranges import Range
from tests.benchmarks.result import Result, Skipped

G = TypeVar("G")  # a saved file's program as its interpreter reads it
IMAGES, CALIBRATION = 100, 32


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
class Saved:
    """A saved file: its path, which goes with the folder, and its row without accuracy."""

    recipe: str
    path: Path
    row: Row


def photographs() -> Tensor:
    """The inputs that files are judged on, (N, 3, 64, 64)."""
    inputs = trained.photographs("test")[0]
    return inputs[:: max(1, len(inputs) // IMAGES)][:IMAGES]


def measured(
    name: str,
    title: str,
    lowering: Callable[[Recipe], Lowering],
    read: Callable[[Path], G],
    forward: Callable[[G, Tensor], Tensor],
    float16_ranges: Callable[[G, Tensor], list[Range]],
) -> Result | Skipped:
    """Every recipe of the target ``name`` on the trained Conformer, and the ranges of its float16
    file. ``read`` gives the saved program that ``forward`` runs on one input.
    """
    if reason := trained.absent():
        return Skipped(name, reason)
    inputs = photographs()
    rows: list[Row] = []
    reached: list[Range] = []
    for saved in saved_files(name, lowering):
        program = read(saved.path)
        rows.append(judged(saved, inputs, partial(forward, program)))
        if saved.recipe == "fp16":
            reached = float16_ranges(program, inputs)
    markdown = "\n".join([title, "", *table(rows), "", *ranges.table(reached)])
    facts = {"rows": [asdict(row) for row in rows], "ranges": [asdict(r) for r in reached]}
    return Result(name, markdown, facts)


def saved_files(target: str, lowering: Callable[[Recipe], Lowering]) -> Iterator[Saved]:
    """Every recipe of a target, lowered one after the other."""
    chosen, spec = target_named(target), model_spec(trained.CONFORMER)
    source = trained.model().module
    module = edge_form(spec, source, trained.SIZE, 1, "mean", chosen.forms())
    calibration = trained.photographs("calibration")[0][:CALIBRATION]
    for name in recipes_of(chosen):
        recipe = recipe_named(name)
        program = lowerable(module, spec, chosen, recipe, calibration)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, chosen.file)
            start = time.perf_counter()
            chosen.lower(program, lowering(recipe), path)
            seconds = time.perf_counter() - start
            files = [path, *path.rglob("*")]
            size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
            yield Saved(name, path, Row(name, size, 0.0, 0.0, seconds))


def judged(saved: Saved, inputs: Tensor, run: Callable[[Tensor], Tensor]) -> Row:
    """A file's row, ``run`` giving the logits of one input; where they cannot be compared with
    those of the published module in FP32, why, and no agreement at all.
    """
    fp32 = run_eager(SingleOutput(trained.model().module).eval(), inputs[:, None])[:, 0]
    found = torch.cat([run(image[None]) for image in inputs])
    try:
        metrics = measure(fp32, found)
    except ValueError as error:
        return replace(saved.row, problem=str(error))
    agreement = metrics.top1_agreement * 100
    return replace(saved.row, agreement=agreement, sqnr_db=metrics.sqnr_db)


def table(rows: list[Row]) -> list[str]:
    """The rows as lines of Markdown."""
    lines = ["| recipe | MB | agreement | SQNR | conversion |", "|---|---|---|---|---|"]
    return lines + [
        f"| `{row.recipe}` | {row.megabytes:.1f} | {row.agreement:.1f} % | {row.sqnr_db:.1f} dB "
        f"| {row.conversion:.0f} s {row.problem}|"
        for row in rows
    ]
