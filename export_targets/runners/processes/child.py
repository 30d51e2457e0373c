"""A child process that runs a saved model file: a crash or an endless loop ends it alone."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export_targets.runner import RunnerError

STEP = "one sample has run"  # the line that a child prints after each


def run_in_child(
    module: str,
    name: str,
    model: Path,
    inputs: Tensor,
    limit: float,
    advance: Callable[[], None],
    *options: str,
) -> Tensor:
    """Logits (samples, rows, classes) for inputs (samples, B, 3, H, W), in a process of its own:
    ``load(model, *options)`` of ``module`` gives a function from one input (B, 3, H, W) to its
    logits. ``name`` is of what runs the file; ``advance`` is called after each sample. Raises
    RunnerError where it fails or takes over ``limit`` seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "in.npy"), Path(folder, "out.npy")
        np.save(source, inputs.numpy())
        command = [sys.executable, "-m", __name__, module, str(model), str(source), str(result)]
        command += options
        run_command(command, name, model, limit, advance)
        return torch.from_numpy(np.load(result, allow_pickle=False))


def run_command(
    command: list[str], name: str, model: Path, limit: float, advance: Callable[[], None]
) -> None:
    """Run a command that executes a model file and prints the line ``STEP`` after each sample.

    Raises RunnerError where it fails or takes over ``limit`` seconds.
    """
    with tempfile.TemporaryFile() as errors:
        code = _watch(command, errors.fileno(), limit, advance)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if code is None:
        raise RunnerError(f"{name} did not end within {limit} s on {model.name}")
    if code != 0:
        lines = [line for line in text.splitlines() if line.strip()]
        last = lines[-1] if lines else "no message"
        raise RunnerError(f"{name} ended with {code} on {model.name}: {last}")


def _watch(
    command: list[str], stderr: int, limit: float, advance: Callable[[], None]
) -> int | None:
    """The child's exit code; None where it had to be ended at its limit."""
    late = threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        timer = threading.Timer(limit, end)
        try:
            timer.start()  # a Ctrl-C as it starts must not leave it: the program would wait for it
            for line in child.stdout:
                if line.rstrip("\n") == STEP:
                    advance()
        except BaseException:
            child.kill()
            raise
        finally:
            timer.cancel()
        code = child.wait()
    return None if late.is_set() else code


def answer(module: str, model: str, source: str, result: str, *options: str) -> None:
    """The child's side."""
    inputs = torch.from_numpy(np.load(source, allow_pickle=False))
    forward: Callable[[Tensor], Tensor] = import_module(module).load(Path(model), *options)
    outputs = []
    for sample in inputs:
        outputs.append(forward(sample))
        print(STEP, flush=True)
    np.save(result, torch.stack(outputs).numpy())


if __name__ == "__main__":
    answer(*sys.argv[1:])
