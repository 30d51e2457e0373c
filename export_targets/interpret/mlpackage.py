"""A saved ``.mlpackage`` run on the CPU: see ``run``. As a module, a process of its own."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export_targets.interpret.mil.execute import Storage, execute
from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.refusal import Refusal


def run(program: Program, sample: Tensor, storage: Storage = "declared") -> Tensor:
    """Logits (rows, classes) of one input (B, 3, H, W): the model's tensor outputs, row by row.

    Where the model takes an image, ``sample`` holds its pixels from 0 to 255. Raises Refusal.
    """
    if len(program.inputs) != 1:
        raise Refusal(f"the model has {len(program.inputs)} inputs, not one")
    results = execute(program, {program.inputs[0].name: sample}, storage)
    tensors = [results[output.name] for output in program.outputs if output.kind == "tensor"]
    rows = [tensor for tensor in tensors if isinstance(tensor, Tensor) and tensor.dim() == 2]
    if not rows or len(rows) != len(tensors):
        raise Refusal("the model's outputs are not rows of logits")
    return torch.cat(rows)


def main() -> None:
    """The child process: model, inputs.npy, outputs.npy, storage."""
    model, source, result = (Path(argument) for argument in sys.argv[1:4])
    inputs = torch.from_numpy(np.load(source, allow_pickle=False))
    try:
        program = read_package(model)
        logits = torch.stack([run(program, sample) for sample in inputs])
    except Refusal as error:
        raise SystemExit(f"the program is refused: {error}") from error
    np.save(result, logits.numpy())


if __name__ == "__main__":
    main()
