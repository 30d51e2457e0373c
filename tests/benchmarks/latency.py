"""Latency, size and accuracy of every side, and where the time goes; all from one run."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from export_targets.profile.ratios import Interval, ratio
from export_targets.runners.processes.this_machine import load_average
from tests.benchmarks import agreement, aims, engines, interleaved, operators, peers
from tests.benchmarks.agreement import Agreement, hardest
from tests.benchmarks.interleaved import Timed, measure_sides
from tests.benchmarks.machine import busy_note, describe_machine
from tests.benchmarks.operators import Kind, outside
from tests.benchmarks.result import Result
from tests.benchmarks.sides import Side, sides_of
from tests.benchmarks.subject import TIMED, Subject, real_size

RECIPES = ("fp32", "int8")
KINDS = 14  # rows of the operators' table


@dataclass(frozen=True)
class Row:
    """One side: its time in ms, ratios, size, and accuracy.

    ``against_same``: to the edge form of the same recipe. ``smaller``: the FP32 file's size to
    this one's. ``sqnr_db``: with the random weights that are timed. ``trained``: an INT8 side on
    trained weights.
    """

    side: Side
    median: float
    against_int8: Interval
    against_same: Interval
    aim: float | None
    megabytes: float
    smaller: float
    sqnr_db: float
    trained: Agreement | None


def run() -> Result:
    """Build what is missing, then time each model's sides in one interleaved run."""
    subjects = [real_size(model) for model in TIMED]
    sides = {subject.model: sides_of(subject, RECIPES) for subject in subjects}
    trained = agreement.measure_agreement()
    machine, parts = describe_machine(), []
    measured: dict[str, Any] = {"agreement": [asdict(row) for row in trained], "models": {}}
    for subject in subjects:
        inputs = subject.artifact("fp32", "edge").inputs()  # (samples, 1, 3, H, W)
        load = load_average()
        timed = measure_sides(sides[subject.model], inputs[0])
        rows = rows_of(subject, timed, inputs[:, 0], trained, machine["isa"])
        kinds = {
            side.form: operators.trace(side.path, inputs[0])
            for side in sides[subject.model]
            if side.engine == "executorch" and side.recipe == "int8"
        }
        parts += [table(subject.model, rows, load), operator_table(subject.model, kinds)]
        measured["models"][subject.model] = {
            "load_average": load,
            "rows": [_document(row) for row in rows],
            "samples_ms": [item.times.tolist() for item in timed],
            "operators": {form: [asdict(kind) for kind in found] for form, found in kinds.items()},
        }
    measured["peers"] = peers.absent() or peers.versions()
    heading = f"# Latency\n\n{setting(machine)}"
    return Result("latency", "\n\n".join([heading, *parts, agreement.table(trained)]), measured)


def rows_of(
    subject: Subject, timed: list[Timed], inputs: Tensor, trained: list[Agreement], isa: str
) -> list[Row]:
    """A row for each timed side; ``inputs``: (N, 3, H, W) to compare logits on."""
    fp32 = run_eager(subject.published(), inputs[:, None])[:, 0]
    times = {(item.side.form, item.side.recipe): item.times for item in timed}
    size = {(item.side.form, item.side.recipe): item.side.megabytes for item in timed}
    rows = []
    for item in timed:
        side = item.side
        logits = engines.logits(side.engine, side.path, inputs)
        rows.append(
            Row(
                side=side,
                median=item.median,
                against_int8=ratio(item.times, times["edge", "int8"]),
                against_same=ratio(item.times, times["edge", side.recipe]),
                aim=aims.aim(subject.family, side.form, side.recipe, isa),
                megabytes=side.megabytes,
                smaller=size[side.form, "fp32"] / side.megabytes,
                sqnr_db=measure(fp32, logits).sqnr_db,
                trained=hardest(trained, subject.family, side.form) if _int8(side) else None,
            )
        )
    return rows


def setting(machine: dict[str, str]) -> str:
    """How was measured, and on what."""
    lines = [
        f"{machine['processor']}, {machine['cores']} cores ({machine['isa']}); every side on "
        f"{engines.THREADS} threads, batch 1, in a process of its own that stands still while "
        f"another is timed; {interleaved.ROUNDS} rounds in shuffled order, "
        f"{interleaved.SAMPLES} inferences a side and round. Ratios are of medians, with the 95 % "
        "interval of a bootstrap over rounds; above 1, the edge form is faster.",
    ]
    if reason := peers.absent():
        lines.append(f"Skipped the peers: {reason}.")
    return "\n\n".join(lines)


def table(model: str, rows: list[Row], load: float) -> str:
    """One model's sides as Markdown."""
    lines = [
        f"## {model}",
        "",
        busy_note(load),
        "",
        "| side | recipe | median ms | against edge INT8 | against edge, same recipe | aim | MB "
        "| FP32 MB / MB | SQNR, random weights | agreement, trained weights |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [_line(row) for row in rows])


def operator_table(model: str, kinds: dict[str, list[Kind]]) -> str:
    """Time by operator kind in the INT8 files of each form, as Markdown."""
    forms = list(kinds)
    names = [kind.name for kind in kinds[forms[0]]]
    names += [kind.name for form in forms[1:] for kind in kinds[form] if kind.name not in names]
    by_name = {form: {kind.name: kind for kind in kinds[form]} for form in forms}
    total = {form: sum(kind.milliseconds for kind in kinds[form]) for form in forms}

    def weight(name: str) -> float:
        return max(by_name[f][name].milliseconds for f in forms if name in by_name[f])

    def cells(name: str) -> list[str]:
        found = [by_name[form].get(name) for form in forms]
        return [
            f"{kind.milliseconds:.2f} ({kind.milliseconds / total[form]:.1%}, {kind.calls} calls)"
            if kind
            else "-"
            for form, kind in zip(forms, found, strict=True)
        ]

    outer = [
        f"{outside(kinds[form]):.2f} ({outside(kinds[form]) / total[form]:.1%})" for form in forms
    ]
    lines = [
        f"Where the time goes in {model} INT8, ms of one inference in the runtime's event trace:",
        "",
        f"| operators | {' | '.join(forms)} |",
        "|---|" + "---|" * len(forms),
        *(_cells(name, cells(name)) for name in sorted(names, key=weight, reverse=True)[:KINDS]),
        _cells("**all**", [f"{total[form]:.2f}" for form in forms]),
        _cells("**outside matrix products and convolutions**", outer),
    ]
    return "\n".join(lines)


def _int8(side: Side) -> bool:
    return side.recipe == "int8"


def _cells(first: str, others: list[str]) -> str:
    return f"| {first} | {' | '.join(others)} |"


def _line(row: Row) -> str:
    smaller = f"{row.smaller:.2f}"
    if row.side.form == "edge" and _int8(row.side):
        smaller += f" (aim {aims.SIZE})"
    aim = "-"
    if row.aim is not None:
        reached = row.against_same.value >= row.aim
        aim = f">= {row.aim:g} {'reached' if reached else '**missed**'}"
    trained = f"{row.trained.agreement:.1f} % ({row.trained.model})" if row.trained else "-"
    cells = [row.side.recipe, f"{row.median:.2f}", str(row.against_int8), str(row.against_same)]
    cells += [aim, f"{row.megabytes:.2f}", smaller, f"{row.sqnr_db:.1f} dB", trained]
    return _cells(row.side.form, cells)


def _document(row: Row) -> dict[str, Any]:
    content = asdict(row)
    content["side"]["path"] = str(row.side.path)
    return content
