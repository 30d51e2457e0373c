"""MIL's operators, one small function each, named as MIL names it, its arguments too.

A tensor argument that MIL makes optional is ``None`` where absent. A function takes and returns
tensors in memory's types (``types.IN_MEMORY``) and rounds nothing: storage is the executor's.
Every public function of every module of this folder is an operator.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

Operator = Callable[..., Any]


def _operators() -> dict[str, Operator]:
    """By name. Raises ValueError where two functions have the same one."""
    found: dict[str, Operator] = {}
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ != module.__name__ or name.startswith("_"):
                continue
            if name in found:
                raise ValueError(f"the operator {name} is written twice")
            found[name] = function
    return found


OPERATORS = _operators()
