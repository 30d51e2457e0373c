"""Tables on stdout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from edge_models.parity import ParityReport
    from export_targets.artifact.latency_report import LatencyReport, OperatorTable, Ratio
    from export_targets.artifact.manifest import AgreementSection
    from export_targets.artifact.sensitivity import Cost, Sensitivity
    from export_targets.command_line.doctor import Diagnosis
    from export_targets.matrix.cell import Row
    from export_targets.pipeline import BuildResult
    from export_targets.profile.profile import Profile
    from export_targets.prove.classify import Classification
    from export_targets.prove.evaluate import EvaluationReport
    from export_targets.tune.run import Tuned

ABSENT = "-"
SLOWEST = 12  # operators shown; the report has all
PLAIN_WIDTH = 160  # of a table that goes to a file or a pipe


def catalogs(lists: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """The catalogs, a table each."""
    for kind, rows in lists.items():
        _table(kind, list(rows[0]), (list(row.values()) for row in rows))


def build(result: "BuildResult") -> None:
    """An artifact's facts, its hops, and what fell out of the delegate."""
    manifest = result.manifest
    _table(
        manifest.name,
        ["folder", "delegates", "operators in them", "outside", "deployed MB"],
        [
            [
                str(result.folder),
                _delegates(manifest.delegation.delegates),
                str(manifest.delegation.delegated_ops),
                str(sum(manifest.delegation.undelegated.values())),
                f"{manifest.deployed_bytes / 1e6:.2f}",
            ]
        ],
    )
    if manifest.agreement is not None:
        agreement(manifest.agreement)
    if result.parity is not None:
        parity(result.parity)


def agreement(found: "AgreementSection") -> None:
    """What was asked for, what was found, and what stays float for it."""
    top1 = found.top1
    interval = found.interval if top1 is None else top1.interval
    figures = {"asked": f"{found.asked:g}", "agreement": f"{found.agreement:.3f}"}
    if top1 is not None:
        figures |= {"FP32 top-1": f"{top1.reference:.3f}", "file": f"{top1.file:.3f}"}
        figures |= {"lost": str(top1.lost), "gained": str(top1.gained)}
    row = [
        *figures.values(),
        _ends(interval),
        f"{found.judged} beside {found.searched} of the search: {found.images}",
        f"{found.int8_share:.1%}",
        ", ".join(found.modules) or ABSENT,
    ]
    columns = [*figures, "95 %" if top1 is None else "95 % of lost"]
    columns += ["images", "MACs in INT8", "in float"]
    _table("Agreement of the saved file with FP32", columns, [row])


def parity(report: "ParityReport") -> None:
    """The hops of a parity report."""
    columns = ["hop", "from", "to", "runner", "samples", "SQNR dB", "median", "worst"]
    columns += ["max abs", "cosine", "top-1", "95 %", "constant"]
    rows = [
        [
            hop.name,
            hop.from_,
            hop.to,
            hop.runner,
            str(hop.samples),
            _number(hop.sqnr_db, ".1f"),
            _number(hop.median_sqnr_db, ".1f"),
            _number(hop.worst_sqnr_db, ".1f"),
            _number(hop.max_abs, ".2g"),
            _number(hop.cosine, ".6f"),
            _number(hop.top1_agreement, ".3f"),
            _ends(hop.agreement_interval),
            _number(hop.constant_agreement, ".3f"),
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
    title = f"{report.artifact} on {report.samples} of {report.found} images of {report.images}"
    _table(title, ["program", "top-1", "top-5", "agreement with FP32"], rows)


def sensitivity(found: "Sensitivity") -> None:
    """A row for each module, and the whole network."""
    columns = ["module", "INT8 layers", "MACs", "in float: SQNR dB", "agreement"]
    columns += ["alone in INT8: SQNR dB", "agreement"]
    rows = [
        [row.module, str(row.layers), f"{row.macs:,}", *_cost(row.in_float), *_cost(row.alone)]
        for row in found.modules
    ]
    whole = ", ".join(_cost(found.whole))
    title = f"{found.artifact} in INT8: {whole} on {found.samples} samples: {found.images}"
    _table(title, columns, rows)


def _cost(cost: "Cost | None") -> tuple[str, str]:
    if cost is None:
        return ABSENT, ABSENT
    return _number(cost.sqnr_db, ".1f"), _number(cost.agreement, ".3f")


def classifications(found: "Sequence[Classification]") -> None:
    """A line for each image."""
    for row in found:
        classes = [
            f"{ranked.label or f'class {ranked.index}'} {ranked.probability:.1%}"
            for ranked in row.classes
        ]
        _line(f"{row.image}: {', '.join(classes)}")


def matrix(rows: Sequence["Row"]) -> None:
    """A row for each artifact."""
    columns = ["artifact", "recipe", "delegates", "MB", "SQNR dB", "top-1 agreement", "gates"]
    evaluated = any(row.images is not None for row in rows)
    cells = [
        [
            row.artifact,
            row.recipe,
            _delegates(row.delegates),
            _number(row.megabytes, ".2f"),
            _number(row.sqnr_db, ".1f"),
            _number(row.top1_agreement, ".3f"),
            "passed" if row.passed else "FAILED",
            *([_number(row.agreement, ".3f"), _number(row.top1, ".3f")] if evaluated else []),
        ]
        for row in rows
    ]
    columns += ["agreement on images", "top-1"] if evaluated else []
    _table("Saved files against the FP32 reference", columns, cells)


def tuning(tuned: "Tuned") -> None:
    """A row for each file that was tried, and which was chosen."""
    found = tuned.tuning
    columns = ["file", "MB", "agreement", "95 %", "MACs in INT8", "p50 ms", "front", "gates"]
    rows = [
        [
            one.name,
            _number(one.megabytes, ".2f"),
            _number(one.agreement.share if one.agreement else None, ".3f"),
            _ends(one.agreement.interval if one.agreement else None),
            _number(one.int8_share, ".1%"),
            _number(one.p50_ms, ".3f") if one.target not in found.untimed else "not measured",
            "chosen" if one.name == found.chosen else "yes" if one.on_front else ABSENT,
            "passed" if one.passed else f"FAILED: {'; '.join(one.problems)}",
        ]
        for one in found.candidates
    ]
    _table(f"{found.model}: agreement with FP32 on {found.images}", columns, rows)
    if found.device is not None:
        _line(f"Times: {found.device}, on the runner {found.runner}")
    for target, why in found.untimed.items():
        _line(f"{target} was not timed: {why}")
    if tuned.out is not None:
        _line(f"{found.chosen} is now {tuned.out}")


def profile(result: "Profile") -> None:
    """Each report's phases and where its time goes; the ratios between them."""
    for path, report in zip(result.paths, result.reports, strict=True):
        _latency(report)
        if report.operators is not None:
            _operators(report.operators)
        _line(f"Written to {path}")
    if result.ratios:
        _table(
            "How many times faster, by median execute time",
            ["artifact", "than", "times", "interval", "rounds"],
            [
                [r.artifact, r.baseline, f"{r.value:.2f}", _interval(r), str(r.rounds)]
                for r in result.ratios
            ],
        )


def _latency(report: "LatencyReport") -> None:
    device, runtime, peak = report.device, report.runtime, report.peak_memory_bytes
    _table(
        report.artifact,
        ["ms", "p50", "p90", "p99", "mean", "min"],
        [
            [name, *(f"{ms:.3f}" for ms in (p.p50_ms, p.p90_ms, p.p99_ms, p.mean_ms, p.min_ms))]
            for name, p in report.phases
        ],
    )
    _line(
        f"{report.iterations} samples after {report.warmup} that warmed up; loaded in "
        f"{report.load_ms:.1f} ms, first inference {report.first_ms:.2f} ms"
        + (f", peak memory {peak / 1e6:.0f} MB" if peak else "")
    )
    _line(
        f"{device.name}, {device.cores} cores ({' '.join(device.isa)}), {device.os}; "
        f"{runtime.backend} {runtime.version} on {runtime.on_threads}"
        + (f"; operators: {report.compute_plan}" if report.compute_plan else "")
    )


def _operators(table: "OperatorTable") -> None:
    kinds = [
        [kind, str(calls), f"{ms:.3f}", f"{ms / table.whole_ms:.1%}"]
        for kind, (calls, ms) in table.by_kind().items()
    ]
    _table("Where the time goes", ["kind", "operators", "ms", "share"], kinds)
    slowest = sorted(table.rows[:-1], key=lambda row: -row.ms)[:SLOWEST]
    rows = [
        [
            *(row.operator, row.module or ABSENT, row.kind, f"{row.ms:.3f}", f"{row.share:.1%}"),
            ABSENT if row.macs is None else f"{row.macs / 1e6:.1f}",
            _number(row.gmac_s, ".1f"),
        ]
        for row in slowest
    ]
    columns = ["operator", "module", "kind", "ms", "share", "M MAC", "GMAC/s"]
    _table(f"The slowest {len(rows)} of {len(table.rows) - 1} operators", columns, rows)
    _line(
        f"One inference in the event trace: {table.whole_ms:.3f} ms. Operators named by their "
        f"source module: {table.matched_share:.0%}. Delegated share of the operators' time: "
        f"{table.delegated_share:.1%}"
    )


def _interval(ratio: "Ratio") -> str:
    return f"{ratio.low:.2f}-{ratio.high:.2f} ({ratio.level:.0%})"


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
    _console().print(table)


def _line(text: str) -> None:
    _console().print(Text(text), soft_wrap=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _delegates(count: int | None) -> str:
    return "not judged" if count is None else str(count)


def _ends(ends: tuple[float, float] | None) -> str:
    return ABSENT if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)
