"""Every Core ML artifact of a folder on a Mac's own runtimes, with each choice of compute units."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import edgeform
from export_targets.artifact.device import ComputePlan, Requested
from export_targets.artifact.folder import MANIFEST, read_manifest
from export_targets.runners.processes import this_machine
from tests.benchmarks.machine import busy_note
from tests.benchmarks.result import Result, Skipped

NAME = "mac"
ARTIFACTS = Path("artifacts")
ITERATIONS = 60
UNITS: Mapping[str, Sequence[str]] = {
    "coreml": [f"mac:{units}" for units in get_args(Requested)],
    "coreml_pte": ["host"],
}


@dataclass(frozen=True)
class Row:
    """An artifact on a runner: the figures of the hop from the graph that was lowered, what was
    judged wrong, milliseconds, and how many operators run where.
    """

    artifact: str
    runner: str
    sqnr_db: float | None
    top1_agreement: float | None
    problems: tuple[str, ...]
    load_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    plan: ComputePlan | None = None


def run() -> Result | Skipped:
    """Verify and measure what ``edgeform demo`` and ``edgeform build`` left in ``artifacts/``."""
    if this_machine.PLATFORM != "darwin":
        return Skipped(NAME, "Core ML is a Mac's; docs/first-hour-on-a-mac.md")
    folders = sorted(path.parent for path in ARTIFACTS.glob(f"*/{MANIFEST}"))
    chosen = [folder for folder in folders if read_manifest(folder).target.name in UNITS]
    if not chosen:
        return Skipped(NAME, f"{ARTIFACTS} holds no Core ML artifact; `make demo` makes some")
    load = this_machine.load_average()
    rows = list(measured(chosen))
    facts = [{**asdict(row), "plan": row.plan and row.plan.model_dump()} for row in rows]
    return Result(NAME, table(rows, load), {"load_average": load, "rows": facts})


def measured(folders: Sequence[Path]) -> Iterator[Row]:
    """Each artifact on each runner of its target, one after the other."""
    for folder in folders:
        for runner in UNITS[read_manifest(folder).target.name]:
            print(f"{folder.name} on {runner}", flush=True)
            yield _row(folder, runner)


def _row(folder: Path, runner: str) -> Row:
    name = "mac" if runner == "mac:all" else runner
    try:
        checked = edgeform.verify(folder, runner=runner)
        (report,) = edgeform.profile([folder], runner=runner, iterations=ITERATIONS).reports
    except edgeform.RunnerError as error:
        return Row(folder.name, name, None, None, (str(error),))
    (lower,) = [hop for hop in checked.report.hops if hop.name == "lower"]
    return Row(
        folder.name,
        name,
        lower.sqnr_db,
        lower.top1_agreement,
        checked.problems,
        report.load_ms,
        report.phases.execute.p50_ms,
        report.phases.execute.p90_ms,
        report.compute_plan,
    )


def table(rows: Sequence[Row], load: float) -> str:
    """The rows as Markdown, what was judged wrong below."""
    device = this_machine.this_device()
    lines = [
        f"Core ML on {device.name}, {device.os}. {busy_note(load)}",
        "",
        "| artifact | runner | dB to its graph | top-1 | load ms | p50 ms | p90 ms "
        "| Neural Engine, GPU, CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        plan = row.plan
        where = f"{plan.neural_engine}, {plan.gpu}, {plan.cpu}" if plan is not None else "-"
        figures = (row.sqnr_db, row.top1_agreement, row.load_ms, row.p50_ms, row.p90_ms)
        cells = ["-" if figure is None else f"{figure:.4g}" for figure in figures]
        lines.append(f"| {row.artifact} | {row.runner} | {' | '.join(cells)} | {where} |")
    wrong = [f"- {row.artifact} on {row.runner}: {line}" for row in rows for line in row.problems]
    return "\n".join([*lines, "", "Judged wrong:", *(wrong or ["- nothing"])])
