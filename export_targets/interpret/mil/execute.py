"""Runs a program, operator by operator, in one of two modes."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor

from export_targets.interpret.mil.operators import OPERATORS
from export_targets.interpret.mil.program import Constant, Operation, Program
from export_targets.interpret.mil.types import TensorType, Value, in_memory, to_float16
from export_targets.interpret.refusal import RefusedError

Storage = Literal["declared", "float32"]
Observer = Callable[[Operation, tuple[Value, ...]], None]


def execute(
    program: Program,
    inputs: Mapping[str, Tensor],
    storage: Storage = "declared",
    observe: Observer | None = None,
) -> dict[str, Value]:
    """The outputs of a program by name.

    Each operator is computed in float32. ``storage`` "declared" rounds each result that the program
    declares as float16 to float16, as a device stores it; "float32" rounds nothing. ``observe``
    sees every operation with its results. Raises RefusedError for an operator, an argument or a
    type that is not known, and where a result is not of the type that the program declares.
    """
    values: dict[str, Value] = {}
    for given in program.inputs:
        if given.name not in inputs:
            raise RefusedError(
                f"the program has the input {given.name}, for which nothing was given"
            )
        values[given.name] = _stored(inputs[given.name], given.type, storage, given.name)
    for name, value in program.constants.items():
        _define(values, name, value)
    last_use = _last_uses(program)
    with torch.no_grad():
        for index, operation in enumerate(program.operations):
            results = _results(operation, values, storage)
            for (name, _), value in zip(operation.results, results, strict=True):
                _define(values, name, value)
            if observe is not None:
                observe(operation, results)
            for name in last_use.get(index, ()):
                values.pop(name, None)
    missing = [output.name for output in program.outputs if output.name not in values]
    if missing:
        raise RefusedError(f"the program never computes its output {missing[0]}")
    return {output.name: values[output.name] for output in program.outputs}


def _define(values: dict[str, Value], name: str, value: Value) -> None:
    if name in values:
        raise RefusedError(f"the program defines {name} twice")
    values[name] = value


def _results(
    operation: Operation, values: Mapping[str, Value], storage: Storage
) -> tuple[Value, ...]:
    """An operation's results, as stored."""
    where = f"{operation.type} {operation.results[0][0] if operation.results else ''}".strip()
    if operation.type not in OPERATORS:
        raise RefusedError(f"the operator {operation.type} is not known")
    arguments = {
        name: _argument(operation.type, name, bound, values)
        for name, bound in operation.arguments.items()
    }
    try:
        _signature(operation.type).bind(**arguments)
    except TypeError as error:
        raise RefusedError(f"the arguments of {where} are not known: {error}") from error
    try:
        found = OPERATORS[operation.type](**arguments)
    except RefusedError as error:
        raise RefusedError(f"{where}: {error}") from error
    except Exception as error:  # torch raises many kinds for sizes that do not fit
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RefusedError(f"{where} cannot be computed: {reason}") from error
    results = found if isinstance(found, tuple) else (found,)
    if len(results) != len(operation.results):
        raise RefusedError(f"{where} has {len(results)} results, not {len(operation.results)}")
    return tuple(
        value if declared is None else _stored(value, declared, storage, where)
        for value, (_, declared) in zip(results, operation.results, strict=True)
    )


def _argument(operator: str, name: str, bound: Any, values: Mapping[str, Value]) -> Any:
    if isinstance(bound, list) or (operator, name) in LISTS:
        items = bound if isinstance(bound, list) else [bound]
        return [_argument("", name, item, values) for item in items]
    if isinstance(bound, Constant):
        return bound.value
    if bound not in values:
        raise RefusedError(f"the program uses {bound} before it is computed")
    return values[bound]


# Arguments that are lists even where they hold one value.
LISTS = {("concat", "values"), ("stack", "values"), ("einsum", "values")}


@cache
def _signature(operator: str) -> inspect.Signature:
    return inspect.signature(OPERATORS[operator])


def _stored(value: Any, declared: TensorType, storage: Storage, where: str) -> Tensor:
    """A result in the type that the program declares for it."""
    if not isinstance(value, Tensor):
        raise RefusedError(f"{where} is no tensor, but the program declares one")
    if tuple(value.shape) != declared.shape:
        raise RefusedError(
            f"{where} has the shape {list(value.shape)}, but the program declares "
            f"{list(declared.shape)}"
        )
    if value.dtype != in_memory(declared.dtype):
        raise RefusedError(f"{where} is {value.dtype}, but the program declares {declared.dtype}")
    if declared.dtype == "FLOAT16" and storage == "declared":
        return to_float16(value)
    return value


def _last_uses(program: Program) -> dict[int, list[str]]:
    """Which names each operation uses last: they are forgotten after it."""
    kept = {output.name for output in program.outputs}
    last: dict[str, int] = {}
    for index, operation in enumerate(program.operations):
        for bound in operation.arguments.values():
            for item in bound if isinstance(bound, list) else [bound]:
                if isinstance(item, str):
                    last[item] = index
    uses: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in kept:
            uses.setdefault(index, []).append(name)
    return uses
