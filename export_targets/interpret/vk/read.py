"""Reading the Vulkan delegate out of a saved ``.pte`` with ExecuTorch's own readers."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.graph import Call, Graph, TensorValue, Value, Values

if TYPE_CHECKING:
    from executorch.exir._serialize._program import PTEFile

BACKEND = "VulkanBackend"
LARGEST_TENSOR = 2**28  # elements: a larger one is no image model's but a damaged file's
SCALARS = {
    "Null": lambda value: None,
    "Int": lambda value: int(value.int_val),
    # the writer stores equal numbers once, as an int or a float by whichever came first
    "Double": lambda value: _whole(float(value.double_val)),
    "Bool": lambda value: bool(value.bool_val),
    "String": lambda value: str(value.string_val),
    "IntList": lambda value: tuple(map(int, value.items)),
    "DoubleList": lambda value: tuple(map(float, value.items)),
    "BoolList": lambda value: tuple(map(bool, value.items)),
    "ValueList": lambda value: Values(tuple(map(int, value.items))),
}


def _whole(number: float) -> int | float:
    """A whole number as an int, which stands for a float too."""
    return int(number) if number.is_integer() else number


def read_delegate(model: Path) -> Graph:
    """The graph of a program that is one Vulkan delegate and nothing else. Raises RefusedError."""
    try:
        return read_bytes(model.read_bytes())
    except RefusedError:
        raise
    except Exception as error:  # the readers say nowhere what they raise for a damaged file
        raise RefusedError(f"it cannot be read: {type(error).__name__}: {error}") from error


def read_bytes(data: bytes) -> Graph:
    """As ``read_delegate``, of the file's bytes; the readers' own errors pass through."""
    from executorch.backends.vulkan.serialization.vulkan_graph_serialize import (
        VulkanDelegateHeader,
        flatbuffer_to_vk_graph,
    )
    from executorch.exir._serialize._program import deserialize_pte_binary

    file = deserialize_pte_binary(data)
    blob, order = _only_delegate(file)
    header = VulkanDelegateHeader.from_bytes(blob[: VulkanDelegateHeader.EXPECTED_LENGTH])
    start, end = header.flatbuffer_offset, header.flatbuffer_offset + header.flatbuffer_size
    if not header.is_valid() or end > len(blob):
        raise RefusedError(f"the delegate's graph is said to lie at {start} to {end}: beyond it")
    stored = flatbuffer_to_vk_graph(blob[start:end])
    constants = [_constant(entry, file, blob[header.bytes_offset :]) for entry in stored.constants]
    values = tuple(_value(item.value, constants) for item in stored.values)
    graph = Graph(
        values,
        tuple(Call(call.name, tuple(call.args[:-1]), call.args[-1]) for call in stored.chain),
        tuple(stored.input_ids),
        tuple(stored.output_ids),
    )
    _check_numbers(graph)
    return _in_order(graph, order)


def _only_delegate(file: "PTEFile") -> tuple[bytes, tuple[list[int], list[int]]]:
    """The delegate's bytes; for each input and output of the program, which of the delegate's."""
    from executorch.exir.schema import DataLocation, DelegateCall

    plans = file.program.execution_plan
    if len(plans) != 1 or len(plans[0].chains) != 1:
        raise RefusedError("the program has more than one method")
    plan = plans[0]
    steps = [instruction.instr_args for instruction in plan.chains[0].instructions]
    if len(steps) != 1 or not isinstance(steps[0], DelegateCall):
        names = sorted({type(step).__name__ for step in steps})
        raise RefusedError(f"the program is not one call of a delegate but {', '.join(names)}")
    delegate = plan.delegates[steps[0].delegate_index]
    if delegate.id != BACKEND:
        raise RefusedError(f"its delegate is of {delegate.id}, not of {BACKEND}")
    if delegate.processed.location != DataLocation.INLINE:
        raise RefusedError("its delegate's bytes were not found")
    arguments = list(steps[0].args)
    if sorted(arguments) != sorted([*plan.inputs, *plan.outputs]):
        raise RefusedError("the delegate's arguments are not the program's inputs and outputs")
    given, taken = arguments[: len(plan.inputs)], arguments[len(plan.inputs) :]
    order = [plan.inputs.index(number) for number in given]
    return (
        file.program.backend_delegate_data[delegate.processed.index].data,
        (order, [taken.index(number) for number in plan.outputs]),
    )


def _constant(entry: Any, file: "PTEFile", inside: bytes) -> bytes:
    """A constant's bytes: in the program's named data, or in the delegate itself."""
    if entry.named_key:
        data = file.named_data
        if data is None or entry.named_key not in data.pte_data:
            raise RefusedError(f"the constant {entry.named_key} is not in the file")
        held = data.buffers[data.pte_data[entry.named_key].buffer_index]
    else:
        held = inside[entry.offset : entry.offset + entry.length]
    if len(held) < entry.length:
        raise RefusedError(f"a constant of {entry.length} bytes has only {len(held)}")
    return bytes(held[: entry.length])


def _value(stored: Any, constants: list[bytes]) -> Value:
    name = type(stored).__name__
    if name == "VkTensor":
        return _tensor(stored, constants)
    if name not in SCALARS:
        raise RefusedError(f"a value of the type {name} is not known")
    value: Value = SCALARS[name](stored)
    return value


def _tensor(stored: Any, constants: list[bytes]) -> TensorValue:
    from executorch.backends.vulkan.serialization.vulkan_graph_schema import (
        VkDataType,
        VkMemoryLayout,
        VkStorageType,
    )

    name = VkDataType(stored.datatype).name.lower()
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise RefusedError(f"a tensor of the type {name} is not known")
    shape = tuple(map(int, stored.dims))
    if math.prod(shape) > LARGEST_TENSOR:
        raise RefusedError(f"a tensor of the shape {shape} is beyond any image model")
    resource = VkStorageType(stored.storage_type).name, VkMemoryLayout(stored.memory_layout).name
    if stored.constant_id < 0:
        return TensorValue(dtype, shape, None, *resource)
    held = _numbers(constants[stored.constant_id], dtype, shape)
    return TensorValue(dtype, shape, held, *resource)


def _numbers(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise RefusedError(f"a constant of the shape {shape} has {len(data)} bytes")
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).view(shape)


def _check_numbers(graph: Graph) -> None:
    """Every number of a value must name one that is there."""
    lists = [value.numbers for value in graph.values if isinstance(value, Values)]
    named = [number for call in graph.calls for number in (*call.arguments, call.result)]
    named += [*graph.inputs, *graph.outputs, *(number for numbers in lists for number in numbers)]
    for number in named:
        if not 0 <= number < len(graph.values):
            raise RefusedError(f"value {number} of {len(graph.values)} is named")


def _in_order(graph: Graph, order: tuple[list[int], list[int]]) -> Graph:
    """The delegate's inputs and outputs in the program's order."""
    inputs, outputs = order
    if len(inputs) != len(graph.inputs) or len(outputs) != len(graph.outputs):
        raise RefusedError("the delegate has another number of inputs or outputs than the program")
    placed = sorted(zip(inputs, graph.inputs, strict=True))
    return Graph(
        graph.values,
        graph.calls,
        tuple(number for _, number in placed),
        tuple(graph.outputs[index] for index in outputs),
    )
