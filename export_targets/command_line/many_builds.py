"""The commands of many builds: ``matrix`` by a plan, ``demo`` of the embedded models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export_targets.command_line import tables as show
from export_targets.command_line.arguments import Debug, Json, Workers, WorkOn
from export_targets.command_line.console import judged, loading, print_result
from export_targets.progress import stderr_reporter

if TYPE_CHECKING:
    from export_targets.matrix.cell import Row

PAGE = "report.html"


def matrix(
    plan: Annotated[Path, typer.Argument(help="A TOML file: models, targets, recipes.")],
    out: Annotated[Path, typer.Option(help="Where the artifacts and the report go.")],
    workers: Workers = None,
    memory: Annotated[
        float | None, typer.Option(min=1, help="GB for all processes; default: most there is.")
    ] = None,
    on: WorkOn = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Many builds, each with its evaluation; what is built already is not built again."""
    with loading():
        from export_targets.matrix.plan import cells_of, read_plan
        from export_targets.matrix.run import run_matrix
        from export_targets.report.page import write_report

    cells = cells_of(read_plan(plan), plan.parent)
    reporter = stderr_reporter()
    rows = run_matrix(cells, out, reporter, workers, memory, on)
    whole = [Path(row.artifact) for row in rows if row.sqnr_db is not None]
    if whole:
        reporter.note(f"Report: {write_report(whole, out / PAGE, reporter)}")
    return _end(rows, as_json)


def demo(
    out: Annotated[Path, typer.Option(help="Where the artifacts go.")] = Path("artifacts"),
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """The main job on the embedded models, with every target and recipe."""
    with loading():
        from export_targets.command_line.demo import demo_cells
        from export_targets.matrix.run import run_matrix

    return _end(run_matrix(demo_cells(), out, stderr_reporter()), as_json)


def _end(rows: Sequence["Row"], as_json: bool) -> int:
    document = [row.model_dump(mode="json") for row in rows]
    print_result(document, as_json, lambda: show.matrix(rows))
    return judged(tuple(f"{row.name}: {p}" for row in rows for p in row.problems))
