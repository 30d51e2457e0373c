"""The Vulkan delegate of a saved ``.pte`` run on the CPU: see ``run``. ``load`` is for a process
of its own.
"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from export_targets.interpret.outputs import joined
from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Graph
from export_targets.interpret.vk.read import read_delegate
from export_targets.interpret.vk.rounding import Rounding


def run(graph: Graph, sample: Tensor, rounding: Rounding = "nearest") -> Tensor:
    """Logits (rows, classes) of one input (B, 3, H, W): the outputs, ``joined``.

    Raises RefusedError.
    """
    return joined(execute(graph, [sample], rounding))


def load(model: Path, rounding: Rounding = "nearest") -> Callable[[Tensor], Tensor]:
    """A file as a function from one input to its logits; ends the process where it refuses."""
    try:
        graph = read_delegate(model)
    except RefusedError as error:
        raise SystemExit(f"refused: {error}") from error

    def forward(sample: Tensor) -> Tensor:
        try:
            return run(graph, sample, rounding)
        except RefusedError as error:
            raise SystemExit(f"refused: {error}") from error

    return forward
