"""Each INT8 file on trained weights: its agreement with the published module in FP32."""

from dataclasses import dataclass

from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.digits import digits
from edge_models.images import preprocess_all
from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from tests.benchmarks import subject, trained
from tests.benchmarks.engines import logits
from tests.benchmarks.sides import sides_of
from tests.benchmarks.subject import Subject

DIGITS = ("digits_cotnet_simple", "digits_cotnet", "digits_conformer")


@dataclass(frozen=True)
class Agreement:
    """One INT8 file on held-out images; agreement in percent, SQNR in dB."""

    model: str
    family: str
    form: str
    samples: int
    agreement: float
    sqnr_db: float


def measure_agreement() -> list[Agreement]:
    """The digits models, and the Conformer trained on photographs where it is present."""
    rows = []
    for name in DIGITS:
        spec = model_spec(name)
        images, _ = digits("held_out")
        rows += _rows(subject.digits(name), preprocess_all(images, spec.input, spec.input.size))
    if not trained.absent():
        rows += _rows(subject.photographs(), trained.photographs("test")[0])
    return rows


def hardest(rows: list[Agreement], family: str, form: str) -> Agreement | None:
    """The lowest agreement of a form over the trained models of a family."""
    found = [row for row in rows if (row.family, row.form) == (family, form)]
    return min(found, key=lambda row: row.agreement, default=None)


def table(rows: list[Agreement]) -> str:
    """The rows as Markdown."""
    lines = [
        "INT8 files on trained weights, against the published module in FP32, on held-out images.",
        "",
        "| model | form | images | agreement | SQNR |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.model} | {row.form} | {row.samples} | {row.agreement:.1f} % "
        f"| {row.sqnr_db:.1f} dB |"
        for row in rows
    ]
    if reason := trained.absent():
        lines += ["", f"Skipped the Conformer trained on photographs: {reason}."]
    return "\n".join(lines)


def _rows(measured: Subject, inputs: Tensor) -> list[Agreement]:
    """``inputs``: (N, 3, H, W)."""
    fp32 = run_eager(measured.published(), inputs[:, None])[:, 0]
    rows = []
    for side in sides_of(measured, ["int8"]):
        metrics = measure(fp32, logits(side.engine, side.path, inputs))
        rows.append(
            Agreement(
                model=measured.model,
                family=measured.family,
                form=side.form,
                samples=len(inputs),
                agreement=metrics.top1_agreement * 100,
                sqnr_db=metrics.sqnr_db,
            )
        )
    return rows
