"""A saved ``.mlpackage`` run on the CPU: see ``run``. ``load`` is for a process of its own."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from export_targets.interpret.mil.execute import Storage, execute
from export_targets.interpret.mil.formats import leave_converters_out
from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.outputs import joined
from export_targets.interpret.refusal import RefusedError


def run(program: Program, sample: Tensor, storage: Storage = "declared") -> Tensor:
    """Logits (rows, classes) of one input (B, 3, H, W): the model's tensor outputs, ``joined``.

    Where the model takes an image, ``sample`` holds its pixels from 0 to 255. Raises RefusedError.
    """
    if len(program.inputs) != 1:
        raise RefusedError(f"the model has {len(program.inputs)} inputs, not one")
    results = execute(program, {program.inputs[0].name: sample}, storage)
    return joined([results[o.name] for o in program.outputs if o.kind == "tensor"])


def load(model: Path, storage: Storage = "declared") -> Callable[[Tensor], Tensor]:
    """A package as a function from one input to its logits; ends the process where it refuses."""

    def read() -> Program:
        leave_converters_out()
        return read_package(model)

    return loaded(read, storage)


def loaded(
    read: Callable[[], Program], storage: Storage = "declared"
) -> Callable[[Tensor], Tensor]:
    """The same of a program that ``read`` gives."""
    try:
        program = read()
    except RefusedError as error:
        raise SystemExit(f"refused: {error}") from error

    def forward(sample: Tensor) -> Tensor:
        try:
            return run(program, sample, storage)
        except RefusedError as error:
            raise SystemExit(f"refused: {error}") from error

    return forward
