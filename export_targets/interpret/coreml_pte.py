"""The Core ML delegate of a saved ``.pte`` run on the CPU. ``load`` is for a process of its own."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from export_targets.interpret import mlpackage
from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.refusal import RefusedError

if TYPE_CHECKING:
    from executorch.exir.schema import ExecutionPlan

BACKEND = "CoreMLBackend"
PACKAGE = "lowered_module/model.mlpackage"  # where it stands inside the delegate


def read_delegate(model: Path) -> Program:
    """The Core ML program inside a ``.pte`` that is one delegate, its outputs in the order of the
    ``.pte``. Raises RefusedError.
    """
    from executorch.backends.apple.coreml import executorchcoreml
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DataLocation

    try:
        program = deserialize_pte_binary(model.read_bytes()).program
        plan = program.execution_plan[0]
        delegates = plan.delegates
    except Exception as error:  # the format's reader says nowhere what it raises
        raise RefusedError(f"{model.name} cannot be read: {error!r}") from error
    if [delegate.id for delegate in delegates] != [BACKEND]:
        raise RefusedError(f"{model.name} is not one delegate of {BACKEND}")
    order = _order_of_outputs(plan)
    place = delegates[0].processed
    if place.location != DataLocation.INLINE or place.index >= len(program.backend_delegate_data):
        raise RefusedError(f"{model.name} does not hold its delegate's data")
    content = bytes(program.backend_delegate_data[place.index].data)
    with tempfile.TemporaryDirectory() as folder:
        if not executorchcoreml.unflatten_directory_contents(content, folder):
            raise RefusedError(f"the delegate of {model.name} is damaged")
        inside = read_package(Path(folder, PACKAGE))
    if len(inside.outputs) != len(order):
        raise RefusedError(f"the delegate has {len(inside.outputs)} outputs, not {len(order)}")
    return replace(inside, outputs=tuple(inside.outputs[index] for index in order))


def _order_of_outputs(plan: "ExecutionPlan") -> list[int]:
    """Which of the delegate's outputs each of the program's is, where the program is one call."""
    from executorch.exir.schema import DelegateCall

    steps = [step.instr_args for chain in plan.chains for step in chain.instructions]
    if len(steps) != 1 or not isinstance(steps[0], DelegateCall):
        names = sorted({type(step).__name__ for step in steps})
        raise RefusedError(f"the program is not one call of a delegate but {', '.join(names)}")
    taken = steps[0].args[len(plan.inputs) :]
    if sorted(taken) != sorted(plan.outputs):
        raise RefusedError("the delegate's results are not the program's outputs")
    return [taken.index(number) for number in plan.outputs]


def load(model: Path) -> Callable[[Tensor], Tensor]:
    """A file as a function from one input to its logits; ends the process where it refuses."""
    return mlpackage.loaded(lambda: read_delegate(model))
