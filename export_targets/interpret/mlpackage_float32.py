"""As ``mlpackage``, in float32 arithmetic whatever the program stores its results in."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from export_targets.interpret import mlpackage


def load(model: Path) -> Callable[[Tensor], Tensor]:
    """A package as a function from one input to its logits; ends the process where it refuses."""
    return mlpackage.load(model, "float32")
