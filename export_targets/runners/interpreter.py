"""Interpreters of saved files whose runtime this machine does not have, in a process of their own.

What an interpreter computes is what the file means: not how fast or in which order a device does.
"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from export_targets.child import run_in_child
from export_targets.runner import Runner, RunnerError

# What a file is: the module that runs it in the child process, and its name for messages.
INTERPRETERS = {
    ".mlpackage": ("export_targets.interpret.mlpackage", "the Core ML interpreter"),
}
# A whole process takes about 10 s to start, and the largest model about 1 s an image.
SECONDS_TO_START, SECONDS_PER_IMAGE = 300, 60


def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of a saved file for inputs (samples, B, 3, H, W)."""
    kind = kind_of(model)
    if kind not in INTERPRETERS:
        raise RunnerError(f"no interpreter here runs {kind} files such as {model.name}")
    module, name = INTERPRETERS[kind]
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
    return run_in_child(module, name, model, inputs, limit, advance)


def kind_of(model: Path) -> str:
    """What a file is."""
    return model.suffix


RUNNER = Runner(
    name="interpreter",
    summary="this program's own interpreter of the saved file, on the CPU",
    targets=("coreml",),
    run=run,
)
