"""Core ML itself, on a Mac, through coremltools in a process of its own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from edge_models.errors import InputError
from export_targets.artifact.device import ACCELERATORS, UNIT_NAMES, Requested, requested_units
from export_targets.runner import Runner
from export_targets.runners.processes import core_ml
from export_targets.runners.processes.child import run_in_child
from export_targets.runners.processes.this_machine import require_mac

# The Neural Engine's compiler takes minutes for a large model; an image takes less than 1 s.
SECONDS_TO_START, SECONDS_PER_IMAGE = 900, 60


def run(units: Requested, model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of an ``.mlpackage`` for inputs (samples, B, 3, H, W).
    Raises RunnerError where Core ML refuses the file or crashes.
    """
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
    return run_in_child(core_ml.__name__, "Core ML", model, inputs, limit, advance, units)


def turns_command(units: Requested, folder: Path, threads: int, warmup: int) -> list[str]:
    """The command of a process for ``Turns``. Raises InputError for a number of threads."""
    if threads:
        raise InputError("Core ML chooses its threads itself.", "Leave --threads out.")
    return core_ml.turns_command(folder, units, warmup)


def fallen(units: Requested, model: Path) -> list[str]:
    """The operators in the middle of a model that the accelerator cannot take, a line each."""
    plan = core_ml.planned(model, units)
    if plan is None:
        return []
    accelerator = UNIT_NAMES[ACCELERATORS.get(units, "cpu")]
    return [
        f"{operator.operator} of {operator.output} falls out of {accelerator}, which takes others "
        "before and after it"
        for operator in plan.fallen()
    ]


def on_units(units: str) -> Runner:
    """The runner held to compute units of the chip. Raises InputError for unknown ones."""
    asked = requested_units(units)
    return Runner(
        name="mac" if asked == "all" else f"mac:{asked}",
        summary="Core ML itself, on a Mac; mac:cpu_and_ne names the compute units",
        targets=("coreml",),
        run=partial(run, asked),
        turns=partial(turns_command, asked),
        check=lambda target: require_mac("The runner mac is Core ML itself, which only a Mac has."),
        fallen=partial(fallen, asked),
        variant=on_units,
        chooses_units=True,
    )


RUNNER = on_units("all")
