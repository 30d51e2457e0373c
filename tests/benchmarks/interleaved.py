"""Time several files in one run: all sides in every round, in a new order each time."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from tests.benchmarks.sides import Side
from tests.benchmarks.worker import worker

ROUNDS = 40
SAMPLES = 3  # of a side in a round
WARM_UP = 10
SEED = 0


@dataclass(frozen=True)
class Timed:
    """A side and its milliseconds, (rounds, samples)."""

    side: Side
    times: np.ndarray

    @property
    def median(self) -> float:
        return float(np.median(self.times))


def measure_sides(sides: Sequence[Side], image: Tensor) -> list[Timed]:
    """Time every side on one input, (1, 3, H, W)."""
    generator = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        source = Path(folder, "image.npy")
        np.save(source, image.numpy())
        workers = [
            stack.enter_context(worker(side.engine, side.path, source, WARM_UP)) for side in sides
        ]
        times: list[list[list[float]]] = [[] for _ in sides]
        for _ in range(ROUNDS):
            for index in generator.permutation(len(sides)):
                times[index].append(workers[index].turn(SAMPLES))
        return [Timed(side, np.array(rounds)) for side, rounds in zip(sides, times, strict=True)]
