"""MIL's operators, one small function each, named as MIL names it, its arguments too.

A tensor argument that MIL makes optional is ``None`` where absent. A function takes and returns
tensors in memory's types (``types.IN_MEMORY``) and rounds nothing: storage is the executor's.
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from export_targets.interpret.mil.operators import (
    arithmetic,
    comparison,
    compression,
    layout,
    normalization,
    pooling,
    products,
    quantization,
    reduction,
    resampling,
    selection,
    unary,
)

Operator = Callable[..., Any]


def _operators(module: ModuleType) -> dict[str, Operator]:
    functions = inspect.getmembers(module, inspect.isfunction)
    return {
        name: function
        for name, function in functions
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


OPERATORS: dict[str, Operator] = {
    name: function
    for module in (
        arithmetic,
        comparison,
        compression,
        layout,
        normalization,
        pooling,
        products,
        quantization,
        reduction,
        resampling,
        selection,
        unary,
    )
    for name, function in _operators(module).items()
}
