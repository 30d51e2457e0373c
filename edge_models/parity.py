"""Parity: how far one program's logits are from another's, and whether that passes a gate."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from torch import Tensor

from edge_models.gate import Gate

IDENTICAL_DB = 200.0  # the SQNR reported for equal tensors; float32 reaches about 150 otherwise
# Of the outputs' energy: what float32's rounding alone can make of equal answers.
ROUNDING_SHARE = 1e-12
NORMAL_QUANTILE = 1.959964  # 95 % of a normal distribution lie within so many deviations
DO_NOT_TELL = "these inputs do not tell"
Outputs = Tensor | Sequence[Tensor]


class TensorParity(BaseModel):
    """The figures of one output tensor, as ``Metrics``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    sqnr_db: FiniteFloat
    median_sqnr_db: FiniteFloat
    worst_sqnr_db: FiniteFloat
    max_abs: FiniteFloat
    cosine: FiniteFloat


class Hop(BaseModel):
    """The comparison of one program with the one before it, on the same inputs.

    The figures are those of ``Metrics``, of several outputs the worst. Outputs that are no logits
    stand in ``tensors`` by name, and there is no top-1.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    name: str
    from_: str = Field(alias="from")
    to: str
    runner: str
    samples: int
    sqnr_db: FiniteFloat | None
    median_sqnr_db: FiniteFloat | None
    worst_sqnr_db: FiniteFloat | None
    max_abs: FiniteFloat | None
    cosine: FiniteFloat | None
    top1_agreement: FiniteFloat | None
    agreement_interval: tuple[FiniteFloat, FiniteFloat] | None
    constant_agreement: FiniteFloat | None
    gate: Gate
    status: Literal["passed", "failed", "skipped"]
    why: str
    tensors: tuple[TensorParity, ...] = ()


class ParityReport(BaseModel):
    """All hops of an artifact. It passes if a hop ran and none failed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: str = "2.2"
    artifact: str
    inputs: str
    hops: tuple[Hop, ...]

    @property
    def passed(self) -> bool:
        states = {hop.status for hop in self.hops}
        return "passed" in states and "failed" not in states


@dataclass(frozen=True)
class HopSpec:
    """A comparison that a target asks for: the names of two programs and the gate between them."""

    name: str
    from_: str
    to: str
    gate: Gate


@dataclass(frozen=True)
class Metrics:
    """How far one output's ``actual`` values are from ``expected``.

    ``sqnr_db`` is of what differs between the samples: 10 log10 of the energy of the expected
    values about their mean over the samples, by the energy of the errors. An answer that ignores
    its input has 0 dB at best. ``median_sqnr_db`` and ``worst_sqnr_db`` are of single samples.
    ``agreement_interval`` is the Wilson interval, 95 %, of ``top1_agreement``: of all images, as
    far as these tell. ``constant_agreement`` is the share of the most frequent class in
    ``expected``: the top-1 agreement that a constant answer reaches.
    """

    sqnr_db: float
    median_sqnr_db: float
    worst_sqnr_db: float
    max_abs: float
    cosine: float
    top1_agreement: float
    agreement_interval: tuple[float, float]
    constant_agreement: float


def measure(expected: Tensor, actual: Tensor) -> Metrics:
    """Compare one output of equal shape (N, K), N samples.

    Raises ValueError, with a reason to show, for what cannot be compared: no samples, another
    shape, NaN or infinite values, fewer than two samples, samples that do not differ.
    """
    if expected.shape != actual.shape:
        raise ValueError(f"shape {tuple(actual.shape)} is not {tuple(expected.shape)}")
    if expected.numel() == 0:
        raise ValueError("there are no samples")
    expected, actual = expected.double(), actual.double()
    for name, tensor in (("reference", expected), ("result", actual)):
        if not torch.isfinite(tensor).all():
            raise ValueError(f"the {name} holds NaN or infinite values")
    if len(expected) < 2:
        raise ValueError(f"{DO_NOT_TELL}: there is one sample")
    signal = _energies(expected - expected.mean(0))
    noise = _energies(expected - actual)
    if signal.sum() <= ROUNDING_SHARE * expected.square().sum():
        raise ValueError(f"{DO_NOT_TELL}: the reference answers the same to all of them")
    each = torch.tensor(
        [decibels(s, n) for s, n in zip(signal.tolist(), noise.tolist(), strict=True)]
    )
    cosine = torch.nn.functional.cosine_similarity(expected.flatten(), actual.flatten(), dim=0)
    classes = expected.argmax(-1)
    agree = classes == actual.argmax(-1)
    return Metrics(
        sqnr_db=decibels(signal.sum().item(), noise.sum().item()),
        median_sqnr_db=each.quantile(0.5).item(),
        worst_sqnr_db=each.min().item(),
        max_abs=(expected - actual).abs().max().item(),
        cosine=cosine.item(),
        top1_agreement=agree.double().mean().item(),
        agreement_interval=wilson_interval(int(agree.sum()), agree.numel()),
        constant_agreement=(classes == classes.flatten().mode().values).double().mean().item(),
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The share that ``successes`` of ``trials`` speak for, lower and upper end at 95 %.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    1927. Unlike the normal approximation it does not shrink to a point where all agree.
    """
    share, square = successes / trials, NORMAL_QUANTILE**2
    center = share + square / (2 * trials)
    half = NORMAL_QUANTILE * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    low, high = (center - half) / (1 + square / trials), (center + half) / (1 + square / trials)
    return max(0.0, low), min(1.0, high)


def decibels(signal: float, noise: float) -> float:
    """The ratio of two energies in dB, within ``IDENTICAL_DB`` on both sides."""
    if noise == 0:
        return IDENTICAL_DB
    ratio = signal / noise
    return max(-IDENTICAL_DB, min(IDENTICAL_DB, 10 * math.log10(ratio))) if ratio else -IDENTICAL_DB


def compare(
    spec: HopSpec,
    runner: str,
    expected: Outputs | None,
    actual: Outputs | None,
    names: Sequence[str] = (),
) -> Hop:
    """A hop's result for outputs, logits (N, K) each, or with ``names`` tensors of any meaning. One
    that is missing or not comparable is a failure with its reason.
    """
    samples = 0 if expected is None else expected[0].shape[0]
    if expected is None or actual is None:
        absent = spec.from_ if expected is None else spec.to
        return _hop(spec, runner, samples, None, "failed", f"no logits of {absent}")
    if len(expected) != len(actual):
        why = f"{len(actual)} outputs are not {len(expected)}"
        return _hop(spec, runner, samples, None, "failed", why)
    labels = [f"{name}: " for name in names] or [""] * len(expected)
    outputs = []
    for label, *pair in zip(labels, expected, actual, strict=True):
        try:
            outputs.append(measure(*pair))
        except ValueError as error:
            return _hop(spec, runner, samples, None, "failed", f"{label}{error}")
    misses, remark = _judge(spec.gate, outputs, labels)
    status: Literal["passed", "failed"] = "failed" if misses else "passed"
    hop = _hop(spec, runner, samples, _worst(outputs), status, "; ".join(misses) or remark)
    return _of_tensors(hop, outputs, names) if names else hop


def _of_tensors(hop: Hop, outputs: Sequence[Metrics], names: Sequence[str]) -> Hop:
    """A hop with the figures of its tensors, and without those of classes."""
    fields = TensorParity.model_fields.keys() - {"name"}
    tensors = tuple(
        TensorParity(name=name, **{field: getattr(found, field) for field in fields})
        for name, found in zip(names, outputs, strict=True)
    )
    absent = ("top1_agreement", "agreement_interval", "constant_agreement")
    return hop.model_copy(update={"tensors": tensors, **dict.fromkeys(absent)})


def skip(spec: HopSpec, runner: str, why: str) -> Hop:
    """A hop that could not run here, with the reason."""
    return _hop(spec, runner, 0, None, "skipped", why)


def _judge(gate: Gate, outputs: Sequence[Metrics], labels: Sequence[str]) -> tuple[list[str], str]:
    """What misses the gate, and a remark on what could not be judged."""
    misses, remark = list[str](), ""
    below = [
        (label, output.sqnr_db)
        for label, output in zip(labels, outputs, strict=True)
        if output.sqnr_db < gate.min_sqnr_db
    ]
    for label, sqnr_db in below if any(labels) else sorted(below)[:1]:
        least, short = gate.min_sqnr_db, gate.min_sqnr_db - sqnr_db
        misses.append(f"{label}SQNR {sqnr_db:.1f} dB is below {least:g} by {short:.1f} dB")
    if telling := [out for out in outputs if out.constant_agreement < gate.min_top1_agreement]:
        misses += _agreement_misses(gate, min(telling, key=lambda out: out.top1_agreement))
    if gate.min_top1_agreement > 0 and len(telling) < len(outputs):
        constant = max(output.constant_agreement for output in outputs)
        remark = f"top-1 is not judged: one class is {constant:.0%} of the reference's answers"
        if gate.min_sqnr_db <= 0:  # a constant answer reaches both
            misses.append(f"{DO_NOT_TELL}: {remark}")
    return misses, remark


def _agreement_misses(gate: Gate, output: Metrics) -> list[str]:
    agreement, (low, _) = output.top1_agreement, output.agreement_interval
    wanted = gate.min_top1_agreement
    if agreement == 1.0:
        return []
    if wanted == 1.0:
        return [f"top-1 agreement {agreement:.3f} is not of every sample"]
    if low < wanted:
        return [
            f"top-1 agreement {agreement:.3f} speaks for {low:.3f} or more, below {wanted:g} by "
            f"{wanted - low:.3f}"
        ]
    return []


def _worst(outputs: Sequence[Metrics]) -> Metrics:
    return Metrics(
        sqnr_db=min(output.sqnr_db for output in outputs),
        median_sqnr_db=min(output.median_sqnr_db for output in outputs),
        worst_sqnr_db=min(output.worst_sqnr_db for output in outputs),
        max_abs=max(output.max_abs for output in outputs),
        cosine=min(output.cosine for output in outputs),
        top1_agreement=min(output.top1_agreement for output in outputs),
        agreement_interval=min(output.agreement_interval for output in outputs),
        constant_agreement=max(output.constant_agreement for output in outputs),
    )


def _energies(values: Tensor) -> Tensor:
    """(N, ...) -> (N)"""
    return values.flatten(1).square().sum(1)


def _hop(
    spec: HopSpec,
    runner: str,
    samples: int,
    metrics: Metrics | None,
    status: Literal["passed", "failed", "skipped"],
    why: str,
) -> Hop:
    return Hop(
        name=spec.name,
        from_=spec.from_,
        to=spec.to,
        runner=runner,
        samples=samples,
        **(asdict(metrics) if metrics else dict.fromkeys(Metrics.__dataclass_fields__)),
        gate=spec.gate,
        status=status,
        why=why,
    )
