"""Parameters of quantization against the data that they are of."""

from torch import Tensor

from export_targets.interpret.mil.types import integer
from export_targets.interpret.refusal import RefusedError


def along(parameter: Tensor, data: Tensor, axis: Tensor | None) -> Tensor:
    """A scalar as it is, a vector along one axis of the data."""
    if parameter.dim() == 0:
        return parameter
    if axis is None or parameter.dim() != 1:
        raise RefusedError("a scale or zero point is neither a scalar nor a vector along an axis")
    shape = [1] * data.dim()
    shape[integer(axis)] = -1
    return parameter.view(shape)
