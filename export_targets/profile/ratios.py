"""Confidence intervals of ratios of medians, by resampling whole rounds."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """How many times the base's median a side's median is, with its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(side: np.ndarray, base: np.ndarray) -> Interval:
    """The ratio of two sides' medians; times are (rounds, samples), measured in the same rounds.

    What disturbs a machine for a while disturbs neighbouring samples of both sides: rounds are
    resampled whole and for both sides alike, which keeps that together.
    """
    if side.shape[0] != base.shape[0]:
        raise ValueError(f"{side.shape[0]} rounds of one side, {base.shape[0]} of the other")
    rounds = side.shape[0]
    chosen = np.random.default_rng(SEED).integers(0, rounds, size=(RESAMPLES, rounds))
    resampled = np.median(side[chosen], axis=(1, 2)) / np.median(base[chosen], axis=(1, 2))
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.median(side) / np.median(base)), float(low), float(high))
