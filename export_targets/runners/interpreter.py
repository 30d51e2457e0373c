"""Interpreters of saved files whose runtime this machine does not have, in a process of their own.

What an interpreter computes is what the file means: not how fast or in which order a device does.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

from torch import Tensor

from export_targets.lowering.delegates import delegate_backends
from export_targets.runner import Runner, RunnerError
from export_targets.runners.processes.child import run_in_child

# What a file is: the module that runs it in the child process, and its name for messages.
INTERPRETERS = {
    ".mlpackage": ("export_targets.interpret.mlpackage", "the Core ML interpreter"),
    "CoreMLBackend": ("export_targets.interpret.coreml_pte", "the Core ML interpreter"),
    "VulkanBackend": ("export_targets.interpret.vulkan", "the Vulkan interpreter"),
}
EXACT_INTERPRETERS = {
    ".mlpackage": ("export_targets.interpret.mlpackage_float32", "the Core ML interpreter"),
}
TOWARD_ZERO = {
    "VulkanBackend": ("export_targets.interpret.vulkan_toward_zero", "the Vulkan interpreter"),
}
FLUSHED = {
    "VulkanBackend": ("export_targets.interpret.vulkan_flushed", "the Vulkan interpreter"),
}
# A whole process takes about 10 s to start, and the largest model about 1 s an image.
SECONDS_TO_START, SECONDS_PER_IMAGE = 300, 60


def interpret(
    table: Mapping[str, tuple[str, str]], model: Path, inputs: Tensor, advance: Callable[[], None]
) -> Tensor:
    """Logits (samples, rows, classes) of a saved file for inputs (samples, B, 3, H, W)."""
    module, name = _chosen(table, model)
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
    return run_in_child(module, name, model, inputs, limit, advance)


def load(table: Mapping[str, tuple[str, str]], model: Path) -> Callable[[Tensor], Tensor]:
    """A file as a function from one input to its logits, which ends the process to refuse it."""
    forward: Callable[[Tensor], Tensor] = import_module(_chosen(table, model)[0]).load(model)
    return forward


def _chosen(table: Mapping[str, tuple[str, str]], model: Path) -> tuple[str, str]:
    kind = kind_of(model)
    if kind not in table:
        raise RunnerError(f"no interpreter here runs {kind} files such as {model.name}")
    return table[kind]


def kind_of(model: Path) -> str:
    """What a file is: its suffix, or the backend of the delegate in a ``.pte``."""
    if model.suffix != ".pte":
        return model.suffix
    try:
        backends = sorted(set(delegate_backends(model)))
    except Exception as error:  # the format's reader says nowhere what it raises
        raise RunnerError(
            f"{model.name} cannot be read: {type(error).__name__}: {error}"
        ) from error
    return " and ".join(backends) or "undelegated .pte"


UNTIMED = "it computes a phone's operators one by one in torch"
RUNNER = (
    Runner(
        name="interpreter",
        summary="this program's own interpreter of the saved file, on the CPU",
        run=partial(interpret, INTERPRETERS),
        load=partial(load, INTERPRETERS),
        untimed=UNTIMED,
    ),
    Runner(
        name="interpreter_float32",
        summary="the same without rounding results to float16",
        run=partial(interpret, EXACT_INTERPRETERS),
        load=partial(load, EXACT_INTERPRETERS),
        untimed=UNTIMED,
    ),
    Runner(
        name="interpreter_toward_zero",
        summary="the same with float16 results rounded toward zero",
        run=partial(interpret, TOWARD_ZERO),
        load=partial(load, TOWARD_ZERO),
        untimed=UNTIMED,
    ),
    Runner(
        name="interpreter_flushed",
        summary="the same with float16's subnormal results as zero",
        run=partial(interpret, FLUSHED),
        load=partial(load, FLUSHED),
        untimed=UNTIMED,
    ),
)
