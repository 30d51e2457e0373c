"""The C++ runner of ``apps/linux`` on x86-64 and on ARM64, which qemu translates elsewhere."""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge_models.errors import InputError
from export_targets.artifact.folder import read_manifest
from export_targets.runner import Runner
from export_targets.runners.bridges.cpp_build import is_native, program, to_build
from export_targets.runners.processes.child import run_command

SYSROOT = "/usr/aarch64-linux-gnu"
CPU = "QEMU_CPU"
# ARMv8.2 with dot products, what phones have in common, and with i8mm, as today's have it. qemu's
# own choice, "max", has SME: XNNPACK takes kernels for it that qemu 7.2 computes wrongly.
DEFAULT_CPU, I8MM_CPU = "cortex-a76", "max,sme=off"
WRONG_CPU, WITHOUT_SME = I8MM_CPU.split(",")
SECONDS_TO_START = 300
SECONDS_PER_IMAGE = {"x86-64": 60, "arm64": 600}  # of the largest model, in FP32 under qemu


def run(architecture: str, model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of an artifact's model for inputs (samples, B, 3, H, W)."""
    output = read_manifest(model.parent).output
    rows = output.shape[0] * (2 if output.heads == "both" else 1)
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE[architecture] * inputs.shape[0] * inputs.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "inputs.f32"), Path(folder, "logits.f32")
        inputs.numpy().astype("<f4").tofile(source)
        command = [*_command(architecture), "logits", str(model.parent), str(source), str(result)]
        run_command(command, f"the runner {architecture}", model, limit, advance)
        logits = torch.from_numpy(np.fromfile(result, dtype="<f4"))
    return logits.reshape(len(inputs), rows, output.shape[1])


def turns_command(architecture: str, folder: Path, threads: int, warmup: int) -> list[str]:
    """The command of a process for ``Turns``."""
    options = ["--threads", str(threads), "--warmup", str(warmup)]
    return [*_command(architecture), "turns", str(folder), *options]


def _command(architecture: str) -> list[str]:
    """The program, under qemu for another processor. Raises InputError for a wrong ``QEMU_CPU``."""
    binary = str(program(architecture))
    if is_native(architecture):
        return [binary]
    cpu = os.environ.get(CPU, DEFAULT_CPU)
    name, *properties = cpu.split(",")
    if name == WRONG_CPU and WITHOUT_SME not in properties:
        raise InputError(
            f"{CPU}={cpu} has SME, whose kernels qemu 7.2 computes wrongly.",
            f"Leave it out: {CPU}={I8MM_CPU}.",
        )
    return ["qemu-aarch64", "-cpu", cpu, "-L", SYSROOT, binary]


def _runner(architecture: str, summary: str) -> Runner:
    timed = is_native(architecture)
    return Runner(
        name=architecture,
        summary=summary,
        targets=("xnnpack",),
        run=partial(run, architecture),
        turns=partial(turns_command, architecture) if timed else None,
        untimed="" if timed else "its processor is emulated, whose times say nothing of a phone's",
        absent=partial(to_build, architecture),
    )


RUNNER = (
    _runner("x86-64", "the C++ runner of apps/linux"),
    _runner("arm64", "the C++ runner of apps/linux, under qemu-user where this is no ARM64"),
)
