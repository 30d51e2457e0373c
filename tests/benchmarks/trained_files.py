"""A target's files of the trained Conformer, recipe by recipe, on photographs."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.edge import edge_form
from edge_models.parity import measure
from edge_models.reference.heads import SingleOutput, run_eager
from export_targets.target import Lowering, recipes_of, target_named
from quantize.pt2e import quantize
from quantize.recipe import Recipe, recipe_named
from tests.benchmarks import trained

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


def saved(target: str, options: Mapping[str, str], facts: Mapping[str, str]) -> Iterator[Saved]:
    """Every recipe of a target, lowered one after the other."""
    chosen, spec = target_named(target), model_spec(trained.MODEL)
    source = trained.model().module
    module = edge_form(spec, source, trained.SIZE, 1, "mean", chosen.forms)
    for name in recipes_of(chosen):
        recipe = recipe_named(name)
        program = _program(torch.export.export(module, (photographs()[:1],)), target, recipe)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, chosen.file)
            start = time.perf_counter()
            chosen.lower(program, Lowering(recipe, trained.INPUT, options, (), facts), path)
            seconds = time.perf_counter() - start
            files = [path, *path.rglob("*")]
            size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
            yield Saved(name, path, Row(name, size, 0.0, 0.0, seconds))


def _program(
    program: torch.export.ExportedProgram, target: str, recipe: Recipe
) -> torch.export.ExportedProgram:
    if not recipe.quantized:
        return program
    calibration = trained.photographs("calibration")[0][:CALIBRATION]
    chosen = target_named(target)
    quantizer = chosen.quantizer(recipe, chosen.rules(model_spec(trained.MODEL), recipe))
    graph = quantize(program.module(), quantizer, calibration.split(1), lambda: None)
    return torch.export.export(graph, (calibration[:1],))


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
