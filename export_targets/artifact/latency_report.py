"""LatencyReport: how fast a saved file ran on a device, sample by sample, and where the time went.

Written by ``edgeform profile``, by the C++ runner and by the phones' apps; ``apps/README.md`` lists
the fields with their units. A report that does not hold together is refused as a whole.
"""

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from export_targets.artifact.device import ComputePlan, Device, Part, Runtime, Text, Thermal

SCHEMA_VERSION = "1.2"  # 1.1: compute_plan, and threads may be null; 1.2: its operators
# Times and shares are written by several programs: a figure may differ so much from what follows
# from the samples, relative to it, and no more.
TOLERANCE = 1e-6
OUTSIDE = "outside the operators"  # the operator of the row that closes a table

Milliseconds = Annotated[FiniteFloat, Field(gt=0)]
# A phase can be shorter than a clock's tick.
Duration = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1 + TOLERANCE)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Image(Part):
    """The size in pixels of the decoded image from which ``preprocess`` starts."""

    width: PositiveInt
    height: PositiveInt


class Phase(Part):
    """Every sample of a phase in the order of measurement, and what follows from them.

    Percentiles interpolate linearly between samples, as ``numpy.percentile`` does.
    """

    samples_ms: Annotated[tuple[Duration, ...], Field(min_length=1)]
    p50_ms: Duration
    p90_ms: Duration
    p99_ms: Duration
    mean_ms: Duration
    min_ms: Duration

    @classmethod
    def of(cls, samples_ms: Sequence[float]) -> Self:
        """A phase from its samples. Raises ValueError where there are none."""
        if not samples_ms:
            raise ValueError("there are no samples")
        return cls(samples_ms=tuple(samples_ms), **_statistics(samples_ms))

    @model_validator(mode="after")
    def _follows_from_the_samples(self) -> Self:
        if not self.min_ms <= self.p50_ms <= self.p90_ms <= self.p99_ms:
            raise ValueError("the percentiles are not in order")
        for name, expected in _statistics(self.samples_ms).items():
            if not _equal(getattr(self, name), expected):
                raise ValueError(f"{name} is not {expected:.6f}, as the samples have it")
        return self


class Phases(Part):
    """One inference: image -> input, input -> logits, logits -> top classes, and all of it."""

    preprocess: Phase
    execute: Phase
    postprocess: Phase
    total: Phase

    @model_validator(mode="after")
    def _total_holds_its_parts(self) -> Self:
        parts = (self.preprocess, self.execute, self.postprocess)
        if any(len(part.samples_ms) != len(self.total.samples_ms) for part in parts):
            raise ValueError("the phases have different numbers of samples")
        rows = zip(self.total.samples_ms, *(part.samples_ms for part in parts), strict=True)
        for index, (total, *times) in enumerate(rows):
            if sum(times) > total and not _equal(sum(times), total):
                raise ValueError(f"the phases of sample {index} take longer than its total")
        return self


class Operator(Part):
    """One operator of the file in one inference.

    ``module``: the path of its source module, "" where it was not matched. ``kind``: what it
    computes, to sum by. ``macs``: multiply-accumulates, None where they are not known or it has
    none; then there is no ``gmac_s`` either. ``delegated``: whether the backend ran it.
    """

    operator: Text
    module: str
    kind: Text
    delegated: bool
    ms: Duration
    share: Share
    macs: PositiveInt | None
    gmac_s: Annotated[FiniteFloat, Field(gt=0)] | None

    @model_validator(mode="after")
    def _rate_follows(self) -> Self:
        expected = rate(self.macs, self.ms)
        if (self.gmac_s is None) != (expected is None):
            raise ValueError("gmac_s stands where macs and a time do")
        if expected is not None and not _equal(self.gmac_s or 0, expected):
            raise ValueError(f"gmac_s is not {expected:.6f}, as macs and ms have it")
        return self


class OperatorTable(Part):
    """Where the time of an inference goes, from the runtime's own event trace.

    The last row, "outside the operators", is the rest of ``whole_ms``: calls, copies, waiting.
    ``matched_share``: of the operators, those with a module. ``delegated_share``: of the
    operators' time, what the backend ran.
    """

    inferences: PositiveInt
    whole_ms: Milliseconds
    matched_share: Share
    delegated_share: Share
    rows: Annotated[tuple[Operator, ...], Field(min_length=2)]

    @classmethod
    def of(cls, inferences: int, whole_ms: float, operators: Sequence[Operator]) -> Self:
        """A table from the rows of operators, whose shares are of ``whole_ms``."""
        rest = whole_ms - sum(row.ms for row in operators)
        outside = Operator(
            operator=OUTSIDE,
            module="",
            kind=OUTSIDE,
            delegated=False,
            ms=rest,
            share=rest / whole_ms,
            macs=None,
            gmac_s=None,
        )
        return cls(
            inferences=inferences,
            whole_ms=whole_ms,
            **_shares(operators),
            rows=(*operators, outside),
        )

    def by_kind(self) -> dict[str, tuple[int, float]]:
        """How many operators of each kind, and their milliseconds; the slowest kind first."""
        found: dict[str, tuple[int, float]] = {}
        for row in self.rows:
            calls, milliseconds = found.get(row.kind, (0, 0.0))
            found[row.kind] = (calls + 1, milliseconds + row.ms)
        return dict(sorted(found.items(), key=lambda item: -item[1][1]))

    @model_validator(mode="after")
    def _rows_make_the_whole(self) -> Self:
        places = [index for index, row in enumerate(self.rows) if row.operator == OUTSIDE]
        if places != [len(self.rows) - 1]:
            raise ValueError(f"the last row, and no other, is {OUTSIDE!r}")
        for name, expected in _shares(self.rows[:-1]).items():
            if not _equal(getattr(self, name), expected):
                raise ValueError(f"{name} is not {expected:.6f}, as the rows have it")
        if not _equal(sum(row.ms for row in self.rows), self.whole_ms):
            raise ValueError("the rows do not sum to whole_ms")
        if any(not _equal(row.share, row.ms / self.whole_ms) for row in self.rows):
            raise ValueError("a share is not its row's part of whole_ms")
        return self


class Ratio(Part):
    """How many times faster ``artifact`` is than ``baseline``: their median execute times, with a
    bootstrap interval, from one interleaved run of ``rounds`` rounds.
    """

    artifact: Text
    baseline: Text
    value: Annotated[FiniteFloat, Field(gt=0)]
    low: Annotated[FiniteFloat, Field(gt=0)]
    high: Annotated[FiniteFloat, Field(gt=0)]
    level: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    rounds: PositiveInt

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("the interval's ends are swapped")
        return self

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


class LatencyReport(Part):
    """The content of a file in ``latency/``."""

    schema_version: str = SCHEMA_VERSION
    artifact: Text
    model_sha256: Digest
    runner: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._:-]{0,60}$")]
    created: Text
    device: Device
    runtime: Runtime
    image: Image
    warmup: Annotated[int, Field(ge=0)]
    iterations: PositiveInt
    interrupted: bool
    load_ms: Milliseconds
    first_ms: Milliseconds
    phases: Phases
    peak_memory_bytes: PositiveInt | None
    thermal: Thermal | None
    operators: OperatorTable | None
    compute_plan: ComputePlan | None = None
    ratios: tuple[Ratio, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if len(self.phases.total.samples_ms) != self.iterations:
            raise ValueError("iterations is not the number of samples")
        if any(ratio.artifact != self.artifact for ratio in self.ratios):
            raise ValueError("a ratio is of another artifact")
        return self


def rate(macs: int | None, milliseconds: float) -> float | None:
    """Achieved GMAC/s; None where there are no multiply-accumulates or no time."""
    return macs / milliseconds / 1e6 if macs is not None and milliseconds > 0 else None


def _statistics(samples: Sequence[float]) -> dict[str, float]:
    p50, p90, p99 = np.percentile(samples, (50, 90, 99))
    mean, least = np.mean(samples), np.min(samples)
    named = {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "mean_ms": mean, "min_ms": least}
    return {name: float(value) for name, value in named.items()}


def _shares(operators: Sequence[Operator]) -> dict[str, float]:
    total = sum(row.ms for row in operators)
    delegated = sum(row.ms for row in operators if row.delegated)
    return {
        "matched_share": sum(row.module != "" for row in operators) / len(operators),
        "delegated_share": delegated / total if total > 0 else 0.0,
    }


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other), 1)
