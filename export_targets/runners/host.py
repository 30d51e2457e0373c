"""The ExecuTorch runtime on this machine, in a process of its own.

A damaged file can crash the runtime: the crash then ends the child process, not the program.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export_targets.runner import Runner, RunnerError

# A damaged file can also run for ever. A whole process takes about 5 s to start, and the largest
# model less than 1 s an image on a slow core.
SECONDS_TO_START, SECONDS_PER_IMAGE = 300, 60


def run(model: Path, inputs: Tensor) -> Tensor:
    """Logits (samples, rows, classes) of a ``.pte`` for inputs (samples, B, 3, H, W)."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "inputs.npy"), Path(folder, "outputs.npy")
        np.save(source, inputs.numpy())
        command = [sys.executable, "-m", __spec__.name, str(model), str(source), str(result)]
        limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
        try:
            child = subprocess.run(
                command, capture_output=True, errors="replace", check=False, timeout=limit
            )
        except subprocess.TimeoutExpired as error:
            raise RunnerError(
                f"the ExecuTorch runtime did not end within {limit} s on {model.name}"
            ) from error
        if child.returncode != 0:
            lines = [line for line in child.stderr.splitlines() if line.strip()]
            raise RunnerError(
                f"the ExecuTorch runtime ended with {child.returncode} on {model.name}: "
                + (lines[-1] if lines else "no message")
            )
        return torch.from_numpy(np.load(result, allow_pickle=False))


def main() -> None:
    """The child process: model, inputs.npy, outputs.npy."""
    from executorch.runtime import Runtime

    model, source, result = sys.argv[1:]
    inputs = torch.from_numpy(np.load(source, allow_pickle=False))
    program = Runtime.get().load_program(model)
    method = program.load_method("forward")
    if method is None:
        raise SystemExit("the program has no method forward")
    outputs = []
    for sample in inputs:
        # the runtime owns the output's memory: copy before the next call
        outputs.append(torch.cat([output.clone() for output in method.execute([sample])]))
    np.save(result, torch.stack(outputs).numpy())


RUNNER = Runner(
    name="host",
    summary="the ExecuTorch runtime in this environment",
    targets=("xnnpack",),
    run=run,
)

if __name__ == "__main__":
    main()
