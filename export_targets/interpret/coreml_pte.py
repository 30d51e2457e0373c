"""The Core ML delegate of a saved ``.pte`` run on the CPU. ``load`` is for a process of its own."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from export_targets.interpret import mlpackage
from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.refusal import RefusedError

BACKEND = "CoreMLBackend"
PACKAGE = "lowered_module/model.mlpackage"  # where it stands inside the delegate


def read_delegate(model: Path) -> Program:
    """The Core ML program inside a ``.pte`` that is one delegate. Raises RefusedError."""
    from executorch.backends.apple.coreml import executorchcoreml
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DataLocation

    try:
        program = deserialize_pte_binary(model.read_bytes()).program
        delegates = program.execution_plan[0].delegates
    except Exception as error:  # the format's reader says nowhere what it raises
        raise RefusedError(f"{model.name} cannot be read: {error!r}") from error
    if [delegate.id for delegate in delegates] != [BACKEND]:
        raise RefusedError(f"{model.name} is not one delegate of {BACKEND}")
    place = delegates[0].processed
    if place.location != DataLocation.INLINE or place.index >= len(program.backend_delegate_data):
        raise RefusedError(f"{model.name} does not hold its delegate's data")
    content = bytes(program.backend_delegate_data[place.index].data)
    with tempfile.TemporaryDirectory() as folder:
        if not executorchcoreml.unflatten_directory_contents(content, folder):
            raise RefusedError(f"the delegate of {model.name} is damaged")
        return read_package(Path(folder, PACKAGE))


def load(model: Path) -> Callable[[Tensor], Tensor]:
    """A file as a function from one input to its logits; ends the process where it refuses."""
    return mlpackage.loaded(lambda: read_delegate(model))
