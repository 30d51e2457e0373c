"""Parity: how far one program's logits are from another's, and whether that passes a gate."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from torch import Tensor

IDENTICAL_DB = 200.0  # the SQNR reported for equal tensors; float32 reaches about 150 otherwise


class Gate(BaseModel):
    """What a hop must reach: signal-to-quantization-noise ratio in dB, agreement in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    min_sqnr_db: FiniteFloat
    min_top1_agreement: FiniteFloat


class Hop(BaseModel):
    """The comparison of one program with the one before it, on the same inputs."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    name: str
    from_: str = Field(alias="from")
    to: str
    runner: str
    samples: int
    sqnr_db: FiniteFloat | None
    max_abs: FiniteFloat | None
    cosine: FiniteFloat | None
    top1_agreement: FiniteFloat | None
    gate: Gate
    status: Literal["passed", "failed", "skipped"]
    why: str


class ParityReport(BaseModel):
    """All hops of an artifact. It passes if a hop ran and none failed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: str = "1.0"
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
    """How far ``actual`` is from ``expected``."""

    sqnr_db: float
    max_abs: float
    cosine: float
    top1_agreement: float


def measure(expected: Tensor, actual: Tensor) -> Metrics:
    """Compare logits of equal shape (N, K).

    Raises ValueError, with a reason to show, for what cannot be compared: no samples, another
    shape, NaN or infinite values, an all-zero reference.
    """
    if expected.shape != actual.shape:
        raise ValueError(f"shape {tuple(actual.shape)} is not {tuple(expected.shape)}")
    if expected.numel() == 0:
        raise ValueError("there are no samples")
    expected, actual = expected.double(), actual.double()
    for name, tensor in (("reference", expected), ("result", actual)):
        if not torch.isfinite(tensor).all():
            raise ValueError(f"the {name} holds NaN or infinite values")
    signal, noise = expected.square().sum().item(), (expected - actual).square().sum().item()
    if signal == 0:
        raise ValueError("the reference is all zero")
    sqnr = IDENTICAL_DB if noise == 0 else 10 * math.log10(signal / noise)
    cosine = torch.nn.functional.cosine_similarity(expected.flatten(), actual.flatten(), dim=0)
    agreement = (expected.argmax(-1) == actual.argmax(-1)).double().mean().item()
    return Metrics(
        sqnr_db=min(sqnr, IDENTICAL_DB),
        max_abs=(expected - actual).abs().max().item(),
        cosine=cosine.item(),
        top1_agreement=agreement,
    )


def compare(spec: HopSpec, runner: str, expected: Tensor | None, actual: Tensor | None) -> Hop:
    """A hop's result. A tensor that is missing or not comparable is a failure with its reason."""
    samples = 0 if expected is None else len(expected)
    if expected is None or actual is None:
        absent = spec.from_ if expected is None else spec.to
        return _hop(spec, runner, samples, None, "failed", f"no logits of {absent}")
    try:
        metrics = measure(expected, actual)
    except ValueError as error:
        return _hop(spec, runner, samples, None, "failed", str(error))
    gate, misses = spec.gate, []
    if metrics.sqnr_db < gate.min_sqnr_db:
        misses.append(f"SQNR {metrics.sqnr_db:.1f} dB is below {gate.min_sqnr_db:g}")
    if metrics.top1_agreement < gate.min_top1_agreement:
        misses.append(
            f"top-1 agreement {metrics.top1_agreement:.3f} is below {gate.min_top1_agreement:g}"
        )
    return _hop(spec, runner, samples, metrics, "failed" if misses else "passed", "; ".join(misses))


def skip(spec: HopSpec, runner: str, why: str) -> Hop:
    """A hop that could not run here, with the reason."""
    return _hop(spec, runner, 0, None, "skipped", why)


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
        sqnr_db=metrics.sqnr_db if metrics else None,
        max_abs=metrics.max_abs if metrics else None,
        cosine=metrics.cosine if metrics else None,
        top1_agreement=metrics.top1_agreement if metrics else None,
        gate=spec.gate,
        status=status,
        why=why,
    )
