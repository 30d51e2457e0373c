"""Core ML itself through coremltools, as ``coremltools.models`` documents it: a child's side.

``python -m export_targets.runners.processes.core_ml turns FOLDER UNITS WARMUP`` measures in turns;
``... plan MODEL UNITS`` answers with the compute plan.
"""

import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edge_models.errors import RunnerError
from edge_models.reference.heads import stack_outputs
from export_targets.artifact.device import (
    ComputePlan,
    PlannedOperator,
    Requested,
    Unit,
    requested_units,
)
from export_targets.artifact.folder import open_artifact, read_manifest
from export_targets.artifact.manifest import Manifest
from export_targets.runners.processes.measuring import Turns, answer
from export_targets.runners.processes.phases import measure_in_turns
from export_targets.runners.processes.this_machine import this_device

# How coremltools.ComputeUnit names what reports ask for.
UNITS: dict[Requested, str] = {
    "all": "ALL",
    "cpu_and_ne": "CPU_AND_NE",
    "cpu_and_gpu": "CPU_AND_GPU",
    "cpu": "CPU_ONLY",
}
FIRST_WITH_PLAN = (14, 4)  # of macOS


def turns_command(folder: Path, units: Requested, warmup: int) -> list[str]:
    """The command of a process for ``Turns``."""
    return [sys.executable, "-m", __spec__.name, "turns", str(folder), units, str(warmup)]


def planned(model: Path, units: Requested) -> ComputePlan | None:
    """The compute plan of a package, loaded in a process of its own. Raises RunnerError."""
    command = [sys.executable, "-m", __spec__.name, "plan", str(model), units]
    with Turns(command, f"the compute plan of {model.parent.name}") as process:
        return None if process.ready is None else ComputePlan.model_validate(process.ready)


def main() -> None:
    """The child process."""
    kind, path, units, *warmup = sys.argv[1:]
    if kind == "plan":
        plan = _plan(_network(Path(path), requested_units(units)), requested_units(units))
        answer(None if plan is None else plan.model_dump(mode="json"))
    else:
        _measure(Path(path), requested_units(units), int(*warmup))


def load(model: Path, units: str) -> Callable[[Tensor], Tensor]:
    """A package as a function from its input to its outputs as one tensor."""
    execute = _executed(_network(model, requested_units(units)), read_manifest(model.parent))
    return lambda sample: stack_outputs(execute(sample))


def _measure(folder: Path, units: Requested, warmup: int) -> None:
    artifact = open_artifact(folder)
    network = _network(artifact.model, units)

    def facts() -> dict[str, object]:
        plan = _plan(network, units)
        return {
            # Core ML's own call: what coremltools reads beside it an app does not, and a package is
            # compiled once for a device
            "load_ms": network.load_duration_in_nano_seconds / 1e6,
            "runtime": {
                "backend": artifact.manifest.target.name,
                "version": this_device().os,
                "threads": None,
            },
            "compute_plan": None if plan is None else plan.model_dump(mode="json"),
        }

    measure_in_turns(artifact, _executed(network, artifact.manifest), facts, warmup)


def _network(model: Path, units: Requested) -> Any:
    """The package, compiled and loaded; where Core ML refuses it, its first ``predict`` raises."""
    import coremltools as ct

    return ct.models.MLModel(str(model), compute_units=ct.ComputeUnit[UNITS[units]])


def _executed(network: Any, manifest: Manifest) -> Callable[[Tensor], Sequence[Tensor]]:
    """The outputs of the model for an input (B, 3, H, W): one a head, or the named tensors."""
    output = manifest.output
    names = [output.name] if output.heads == "mean" else [f"{output.name}_{i}" for i in range(2)]
    shapes = {tensor.name: tensor.shape for tensor in output.tensors}
    shapes = shapes or dict.fromkeys(names, output.shape)
    is_image = manifest.input.kind == "image"

    def execute(sample: Tensor) -> list[Tensor]:
        given = _picture(sample) if is_image else sample.numpy()
        answers = network.predict({manifest.input.name: given})
        if missing := [name for name in shapes if name not in answers]:
            raise RunnerError(f"the model has no output {missing[0]}")
        return [
            torch.from_numpy(np.asarray(answers[name], dtype=np.float32)).reshape(shape)
            for name, shape in shapes.items()
        ]

    return execute


def _picture(sample: Tensor) -> Image.Image:
    """The pixels of 0 to 255 of one input (1, 3, H, W)."""
    (planes,) = sample.round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(planes.permute(1, 2, 0).numpy())


def _plan(network: Any, units: Requested) -> ComputePlan | None:
    """Which unit Core ML means to run each operator on; None before macOS 14.4."""
    import coremltools as ct

    version = tuple(int(part) for part in platform.mac_ver()[0].split(".") if part)
    if version and version < FIRST_WITH_PLAN:
        return None
    # of the compiled model: given a package, it ends the process
    plan = ct.models.compute_plan.MLComputePlan.load_from_path(
        network.get_compiled_model_path(), compute_units=ct.ComputeUnit[UNITS[units]]
    )
    program = plan.model_structure.program
    if program is None:
        raise RunnerError("the model is no ML program")
    operators = []
    for operation in program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is None:  # a constant runs nowhere
            continue
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        operators.append(
            PlannedOperator(
                operator=operation.operator_name,
                output=operation.outputs[0].name,
                unit=_unit(usage.preferred_compute_device),
                supported=tuple(_unit(device) for device in usage.supported_compute_devices),
                cost=None if cost is None else cost.weight,
            )
        )
    return ComputePlan.of(units, operators)


def _unit(device: object) -> Unit:
    import coremltools as ct

    devices = ct.models.compute_device
    if isinstance(device, devices.MLNeuralEngineComputeDevice):
        return "neural_engine"
    if isinstance(device, devices.MLGPUComputeDevice):
        return "gpu"
    if isinstance(device, devices.MLCPUComputeDevice):
        return "cpu"
    raise RunnerError(f"Core ML names a unit that this program does not know: {device}")


if __name__ == "__main__":
    main()
