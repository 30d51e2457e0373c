"""One small function an operator, by the operator's registered name.

Arguments come in the order of the operator's schema. Floats are computed in float32: what the
runtime does otherwise than torch stands at the operator. Which arguments the functions are called
with is held by ``taken.py``.
"""

from collections.abc import Callable

from torch import Tensor

from export_targets.interpret.vk.operators import (
    arithmetic,
    integers,
    layout,
    normalization,
    pooling,
    products,
)

Operator = Callable[..., Tensor | tuple[Tensor, ...]]

OPERATORS: dict[str, Operator] = {
    **arithmetic.OPERATORS,
    **integers.OPERATORS,
    **layout.OPERATORS,
    **normalization.OPERATORS,
    **pooling.OPERATORS,
    **products.OPERATORS,
}
