"""A runtime with one file in a process of its own, which stands still while another is measured.

A runtime's threads wait in a loop for some time after an inference, to be quick at the next one: in
one process, or running freely, they would take the cores from the side that is measured. A worker
is therefore stopped by a signal except in its turn, and every runtime keeps its defaults.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tests.benchmarks.engines import ENGINES


class Worker:
    """A child process that has loaded a file. Use it as a context manager."""

    def __init__(self, engine: str, model: Path, image: Path, warm_up: int) -> None:
        self.model = model
        command = [sys.executable, "-m", "tests.benchmarks.worker"]
        command += [engine, str(model), str(image), str(warm_up)]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> "Worker":
        self._answer()
        self.child.send_signal(signal.SIGSTOP)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.child.kill()
        self.child.wait()

    def turn(self, samples: int) -> list[float]:
        """Milliseconds of each of ``samples`` inferences, after one that is not counted."""
        self.child.send_signal(signal.SIGCONT)
        assert self.child.stdin is not None
        self.child.stdin.write(f"{samples}\n".encode())
        self.child.stdin.flush()
        times: list[float] = self._answer()
        self.child.send_signal(signal.SIGSTOP)
        return times

    def _answer(self) -> Any:
        assert self.child.stdout is not None
        while line := self.child.stdout.readline():
            if line.startswith(b"{"):
                return json.loads(line)["answer"]
        raise RuntimeError(f"the worker of {self.model} ended with {self.child.wait()}")


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


def answer(content: object) -> None:
    """One line to the parent."""
    print(json.dumps({"answer": content}), flush=True)


if __name__ == "__main__":
    main()
