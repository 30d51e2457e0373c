"""The element types of MIL tensors and what their numbers are in memory here."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError

Value = Tensor | str | tuple[str, ...]

# MIL's data types that a program here may hold. FLOAT16 numbers are computed with in float32;
# whether results are rounded to what float16 can store is the executor's mode.
IN_MEMORY = {
    "FLOAT16": torch.float32,
    "FLOAT32": torch.float32,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
    "INT16": torch.int32,
    "UINT16": torch.int32,
    "INT32": torch.int32,
    "UINT32": torch.int64,
    "BOOL": torch.bool,
    "UINT1": torch.uint8,
    "UINT2": torch.uint8,
    "UINT3": torch.uint8,
    "UINT4": torch.uint8,
    "UINT6": torch.uint8,
    "INT4": torch.int8,
}
ON_DISK: dict[str, np.dtype[Any]] = {
    "FLOAT16": np.dtype("<f2"),
    "FLOAT32": np.dtype("<f4"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT16": np.dtype("<i2"),
    "UINT16": np.dtype("<u2"),
    "INT32": np.dtype("<i4"),
    "UINT32": np.dtype("<u4"),
}
# The spelling of a data type in the argument of ``cast``, ``quantize`` and ``constexpr_cast``.
BY_NAME = {
    "fp16": "FLOAT16",
    "fp32": "FLOAT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "uint16": "UINT16",
    "int32": "INT32",
    "bool": "BOOL",
}
LARGEST = 2**31  # numbers in one tensor: more is a damaged shape


@dataclass(frozen=True)
class TensorType:
    """Data type and shape of a value as the program declares them."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers a tensor of this type holds. Raises RefusedError for an absurd shape."""
        count = 1
        for size in self.shape:
            count *= size
            if count > LARGEST:
                raise RefusedError(f"a tensor of shape {list(self.shape)} is too large")
        return count


def in_memory(dtype: str) -> torch.dtype:
    """The torch type that holds a MIL type. Raises RefusedError for an unknown one."""
    if dtype not in IN_MEMORY:
        raise RefusedError(f"the data type {dtype} is not known")
    return IN_MEMORY[dtype]


def named_dtype(name: str) -> str:
    """A MIL data type from its spelling in an argument. Raises RefusedError for an unknown one."""
    if name not in BY_NAME:
        raise RefusedError(f"the data type {name!r} is not known")
    return BY_NAME[name]


def to_float16(x: Tensor) -> Tensor:
    """Numbers rounded to float16, to the nearest, too large ones to infinity; still float32."""
    return x.half().float()


def integers(x: Tensor | None, default: list[int] | None = None) -> list[int]:
    """A constant argument as integers, in row-major order."""
    if x is None:
        return list(default or ())
    return [int(value) for value in x.flatten().tolist()]


def integer(x: Tensor) -> int:
    """A constant argument that is one integer."""
    return int(x.item())


def number(x: Tensor) -> float:
    """A constant argument that is one number."""
    return float(x.item())


def flag(x: Tensor | None) -> bool:
    """A constant argument that is true or false; absent is false."""
    return x is not None and bool(x.item())
