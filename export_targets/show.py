"""Tables on stdout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from edge_models.parity import ParityReport
    from export_targets.demo import DemoRow
    from export_targets.doctor import Diagnosis
    from export_targets.evaluate import EvaluationReport
    from export_targets.pipeline import BuildResult

ABSENT = "-"
PLAIN_WIDTH = 160  # of a table that goes to a file or a pipe


def catalogs(lists: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """The catalogs, a table each."""
    for kind, rows in lists.items():
        _table(kind, list(rows[0]), (list(row.values()) for row in rows))


def build(result: "BuildResult") -> None:
    """An artifact's facts, its hops, and what fell out of the delegate."""
    manifest = result.manifest
    total = sum(entry.bytes for entry in manifest.files if entry.deploy)
    _table(
        manifest.name,
        ["folder", "delegates", "operators in them", "outside", "deployed MB"],
        [
            [
                str(result.folder),
                str(manifest.delegation.delegates),
                str(manifest.delegation.delegated_ops),
                str(sum(manifest.delegation.undelegated.values())),
                f"{total / 1e6:.2f}",
            ]
        ],
    )
    if result.parity is not None:
        parity(result.parity)


def parity(report: "ParityReport") -> None:
    """The hops of a parity report."""
    columns = ["hop", "from", "to", "runner", "samples", "SQNR dB", "max abs", "cosine", "top-1"]
    rows = [
        [
            hop.name,
            hop.from_,
            hop.to,
            hop.runner,
            str(hop.samples),
            _number(hop.sqnr_db, ".1f"),
            _number(hop.max_abs, ".2g"),
            _number(hop.cosine, ".6f"),
            _number(hop.top1_agreement, ".3f"),
            f">= {hop.gate.min_sqnr_db:g} dB, {hop.gate.min_top1_agreement:g}",
            f"{hop.status} {hop.why}".strip(),
        ]
        for hop in report.hops
    ]
    _table(f"Parity on {report.inputs}", [*columns, "gate", "status"], rows)


def evaluation(report: "EvaluationReport") -> None:
    """Accuracy of each program."""
    rows = [
        [p.program, f"{p.top1:.2%}", f"{p.top5:.2%}", f"{p.agreement:.2%}"] for p in report.programs
    ]
    title = f"{report.artifact} on {report.samples} images of {report.images}"
    _table(title, ["program", "top-1", "top-5", "agreement with FP32"], rows)


def demo(rows: Sequence["DemoRow"]) -> None:
    """A row for each artifact of the demo."""
    columns = ["artifact", "recipe", "delegates", "MB", "SQNR dB", "top-1 agreement", "gates"]
    cells = [
        [
            row.artifact,
            row.recipe,
            str(row.delegates),
            f"{row.megabytes:.2f}",
            _number(row.sqnr_db, ".1f"),
            _number(row.top1_agreement, ".3f"),
            "passed" if row.passed else "FAILED",
        ]
        for row in rows
    ]
    _table("Saved files against the FP32 reference", columns, cells)


def diagnosis(found: "Diagnosis") -> None:
    """This machine, the packages, and what each target can do here."""
    _table("machine", ["what", "found"], found.machine.items())
    _table(
        "packages",
        ["package", "found", "remedy"],
        [[check.name, check.found, check.remedy or ABSENT] for check in found.packages],
    )
    _table(
        "targets",
        ["target", "build", "verify", "remedy"],
        [asdict(a).values() for a in found.abilities],
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(title=Text(title), title_justify="left")  # names are text, not rich's markup
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(table)


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)
