"""Operators of a saved Core ML program, computed by coremltools' own numpy semantics."""

from collections.abc import Mapping
from typing import Any

import coremltools
import numpy as np
import torch
from coremltools.converters.mil.mil import Builder, Function
from coremltools.converters.mil.mil.operation import Operation as OperatorClass
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from torch import Tensor

from export_targets.interpret.mil.program import Constant, Operation
from export_targets.interpret.mil.types import Value

OPSET = coremltools.target.iOS17


def has_semantics(operator: str) -> bool:
    """Whether coremltools computes an operator's value, in one call or for constants alone."""
    versions = SSAOpRegistry.core_ops[operator]
    chosen = versions[max(version for version in versions if version <= OPSET)]
    own = chosen.value_inference is not OperatorClass.value_inference
    return own or hasattr(chosen, "materialized_val_inference")


def opinion(operation: Operation, values: Mapping[str, Value]) -> tuple[Tensor, ...]:
    """The results of one operation on the values it takes, computed with float32."""
    arguments = {
        name: [_number(item, values) for item in bound]
        if isinstance(bound, list)
        else _number(bound, values)
        for name, bound in operation.arguments.items()
    }
    with Function({}, opset_version=OPSET):
        found = getattr(Builder, operation.type)(**arguments)
    results = found if isinstance(found, (tuple, list)) else (found,)
    return tuple(torch.from_numpy(np.asarray(_value(result))) for result in results)


def _number(bound: str | Constant, values: Mapping[str, Value]) -> Any:
    value = bound.value if isinstance(bound, Constant) else values[bound]
    if not isinstance(value, Tensor):
        return value
    if value.dtype == torch.bool and not value.dim():
        return bool(value)  # numpy's own is no number in a reduction
    array = value.numpy().astype(np.uint32) if value.dtype == torch.int64 else value.numpy()
    return array if value.dim() else array[()]


def _value(variable: Any) -> Any:
    return variable.val if variable.val is not None else variable.op.materialized_val_inference()
