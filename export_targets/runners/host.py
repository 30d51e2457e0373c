"""The ExecuTorch runtime on this machine, in a process of its own.

A damaged file can crash the runtime: the crash then ends the child process, not the program.
"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from edge_models.reference.heads import stack_outputs
from export_targets.runner import Runner
from export_targets.runners.processes import host_measuring as host_times
from export_targets.runners.processes.child import run_in_child
from export_targets.runners.processes.executorch_runtime import load_program
from export_targets.runners.processes.this_machine import require_mac

# A damaged file can also run for ever. A whole process takes about 5 s to start, and the largest
# model less than 1 s an image on a slow core.
SECONDS_TO_START, SECONDS_PER_IMAGE = 300, 60


def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of a ``.pte`` for inputs (samples, B, 3, H, W)."""
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
    module = __spec__.name
    return run_in_child(module, "the ExecuTorch runtime", model, inputs, limit, advance)


def load(model: Path) -> Callable[[Tensor], Tensor]:
    """The method ``forward`` of a program, as a function from its input to its logits."""
    method = load_program(model).load_method("forward")
    # the runtime owns the output's memory: copy before the next call
    return lambda sample: stack_outputs([output.clone() for output in method([sample])])


def check(target: str) -> None:
    """Raises InputError where ExecuTorch's wheel lacks the backend of a target's files."""
    if target == "coreml_pte":
        require_mac(
            "Core ML's delegate runs on a Mac alone: only ExecuTorch's wheel for it has it."
        )


RUNNER = Runner(
    name="host",
    summary="the ExecuTorch runtime in this environment",
    targets=("coreml_pte",),
    check=check,
    run=run,
    load=load,
    turns=host_times.turns_command,
    trace=host_times.trace,
)
