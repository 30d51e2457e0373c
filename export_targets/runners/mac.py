"""Core ML itself, on a Mac, through coremltools in a process of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edge_models.errors import InputError, RunnerError
from export_targets.artifact.folder import read_manifest
from export_targets.runner import Runner
from export_targets.runners.processes.child import run_in_child

PLATFORM = sys.platform
# The Neural Engine's compiler takes minutes for a large model; an image takes less than 1 s.
SECONDS_TO_START, SECONDS_PER_IMAGE = 900, 60


def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of an ``.mlpackage`` for inputs (samples, B, 3, H, W), on the
    units that Core ML chooses. Raises InputError where this is no Mac, RunnerError where Core ML
    refuses the file or crashes.
    """
    if PLATFORM != "darwin":
        raise InputError(
            "The runner mac is Core ML itself, which only a Mac has.",
            "Run it on a Mac, or use --runner interpreter here.",
        )
    limit = SECONDS_TO_START + SECONDS_PER_IMAGE * inputs.shape[0] * inputs.shape[1]
    return run_in_child(__spec__.name, "Core ML", model, inputs, limit, advance)


def load(model: Path) -> Callable[[Tensor], Tensor]:
    """A package as a function from its input to its logits, the first head's rows first."""
    import coremltools as ct

    manifest = read_manifest(model.parent)
    network = ct.models.MLModel(str(model), compute_units=ct.ComputeUnit.ALL)
    one = manifest.output.heads == "mean"
    names = [manifest.output.name] if one else [f"{manifest.output.name}_{i}" for i in range(2)]
    is_image = manifest.input.kind == "image"

    def forward(sample: Tensor) -> Tensor:
        given = _picture(sample) if is_image else sample.numpy()
        answers = network.predict({manifest.input.name: given})
        if missing := [name for name in names if name not in answers]:
            raise RunnerError(f"the model has no output {missing[0]}")
        found = [np.asarray(answers[name], dtype=np.float32) for name in names]
        return torch.cat([torch.from_numpy(o).reshape(manifest.output.shape) for o in found])

    return forward


def _picture(sample: Tensor) -> Image.Image:
    """The pixels of 0 to 255 of one input (1, 3, H, W)."""
    (planes,) = sample.round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(planes.permute(1, 2, 0).numpy())


RUNNER = Runner(
    name="mac",
    summary="Core ML itself, on a Mac",
    targets=("coreml",),
    run=run,
    untimed="its times are a Mac's; --runner ios takes an iPhone's",
)
