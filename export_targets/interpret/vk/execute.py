"""Running a delegate's chain of calls, one after the other, on the CPU."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.graph import Call, Graph, TensorValue, Value, Values
from export_targets.interpret.vk.operators import OPERATORS
from export_targets.interpret.vk.operators.normalization import IN_TWO_DISPATCHES
from export_targets.interpret.vk.rounding import Rounding, stored_float16
from export_targets.interpret.vk.taken import refuse_untaken

# Called with each operator call and its results.
Watch = Callable[[Call, Sequence[Tensor]], None]


def execute(
    graph: Graph,
    inputs: Sequence[Tensor],
    rounding: Rounding = "nearest",
    watch: Watch | None = None,
) -> list[Tensor]:
    """The outputs for inputs of the declared shapes. Raises RefusedError, before it computes
    anything where a call is not known to be taken by the runtime. ``rounding`` is of the results
    that the file declares as float16.
    """
    refuse_untaken(graph)
    held: dict[int, Tensor] = {}
    for number, value in enumerate(graph.values):
        if isinstance(value, TensorValue) and value.constant is not None:
            held[number] = _for_computing(value.constant)
    if len(inputs) != len(graph.inputs):
        raise RefusedError(f"{len(inputs)} inputs were given to a model of {len(graph.inputs)}")
    for number, tensor in zip(graph.inputs, inputs, strict=True):
        held[number] = _stored(graph.values[number], tensor, rounding, "the input")
    uses = _uses(graph)
    for place, call in enumerate(graph.calls):
        where = f"call {place}, {call.operator},"
        arguments = [_argument(graph, number, held, where) for number in call.arguments]
        numbers = _results(graph, call)
        if call.operator in IN_TWO_DISPATCHES:
            between = graph.values[numbers[-1]]
            arguments.append(partial(_stored, between, rounding=rounding, where=where))
        results = _called(call, arguments, where)
        if len(numbers) != len(results):
            raise RefusedError(f"{where} has {len(numbers)} results, not {len(results)}")
        stored = [
            _stored(graph.values[number], result, rounding, where)
            for number, result in zip(numbers, results, strict=True)
        ]
        held.update(zip(numbers, stored, strict=True))
        if watch is not None:
            watch(call, stored)
        for number in _tensors(graph, call.arguments):
            uses[number] -= 1
            if uses[number] == 0:
                del held[number]
    return [_output(number, held) for number in graph.outputs]


def _called(call: Call, arguments: list[object], where: str) -> tuple[Tensor, ...]:
    try:
        result = OPERATORS[call.operator](*arguments)
    except RefusedError as error:
        raise RefusedError(f"{where} {error}") from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError) as error:
        raise RefusedError(f"{where} cannot be computed: {error}") from error
    except (ValueError, RuntimeError) as error:  # what torch raises for shapes that do not fit
        raise RefusedError(f"{where} cannot be computed: {error}") from error
    return result if isinstance(result, tuple) else (result,)


def _argument(graph: Graph, number: int, held: dict[int, Tensor], where: str) -> object:
    value = graph.values[number]
    if isinstance(value, Values):
        return [_argument(graph, item, held, where) for item in value.numbers]
    if not isinstance(value, TensorValue):
        return value
    if number not in held:
        raise RefusedError(f"{where} reads value {number} before it is computed")
    return held[number]


def _results(graph: Graph, call: Call) -> tuple[int, ...]:
    value = graph.values[call.result]
    return value.numbers if isinstance(value, Values) else (call.result,)


def _stored(value: Value, tensor: Tensor, rounding: Rounding, where: str) -> Tensor:
    """A result as its tensor stores it: rounded to the declared type, computed on as float32."""
    if not isinstance(value, TensorValue) or value.constant is not None:
        raise RefusedError(f"{where} writes to what is no tensor of results")
    if tuple(tensor.shape) != value.shape:
        raise RefusedError(f"{where} gives {tuple(tensor.shape)} where {value.shape} is declared")
    if tensor.is_floating_point() != value.dtype.is_floating_point:
        raise RefusedError(f"{where} gives {tensor.dtype} where {value.dtype} is declared")
    if value.dtype == torch.float16:
        return stored_float16(tensor.float(), rounding)
    return _for_computing(tensor.to(value.dtype))


def _for_computing(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _uses(graph: Graph) -> Counter[int]:
    """How often each tensor is read; an output once more, so that it stays."""
    uses = Counter(number for call in graph.calls for number in _tensors(graph, call.arguments))
    uses.update(graph.outputs)
    return uses


def _tensors(graph: Graph, numbers: Sequence[int]) -> list[int]:
    """The tensors among values and in lists of them."""
    found = []
    for number in numbers:
        value = graph.values[number]
        if isinstance(value, Values):
            found += _tensors(graph, value.numbers)
        elif isinstance(value, TensorValue):
            found.append(number)
    return found


def _output(number: int, held: dict[int, Tensor]) -> Tensor:
    if number not in held:
        raise RefusedError(f"the output {number} is never computed")
    return held[number]
