"""A runtime with one file in a process of its own, which measures in turns."""

import sys
import time
from pathlib import Path

import numpy as np

from export_targets.runners.processes.measuring import Turns, answer
from tests.benchmarks.engines import ENGINES


def worker(engine: str, model: Path, image: Path, warm_up: int) -> Turns:
    """A process that has loaded a file. Its answer to a number of samples are the milliseconds of
    that many inferences, after one that is not counted.
    """
    command = [sys.executable, "-m", "tests.benchmarks.worker"]
    return Turns([*command, engine, str(model), str(image), str(warm_up)], f"{engine}, {model}")


def main() -> None:
    """The child process: load, warm up, then measure as many inferences as each line says."""
    engine, model, source, warm_up = sys.argv[1:]
    image = np.load(source, allow_pickle=False)
    inference = ENGINES[engine](Path(model))
    for _ in range(int(warm_up)):
        inference(image)
    answer("ready")
    for line in sys.stdin:
        inference(image)
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            inference(image)
            times.append((time.perf_counter() - start) * 1e3)
        answer(times)


if __name__ == "__main__":
    main()
