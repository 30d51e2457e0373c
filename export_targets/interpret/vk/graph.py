"""A Vulkan delegate's graph: values and the chain of operator calls over them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TensorValue:
    """A tensor: its declared type and shape, its numbers where the file holds them, and the names
    of the GPU resource and of the layout in it.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    constant: Tensor | None = None
    storage: str = "DEFAULT_STORAGE"
    layout: str = "DEFAULT_LAYOUT"


@dataclass(frozen=True)
class Values:
    """A list of other values, by number."""

    numbers: tuple[int, ...]


Scalar = int | float | bool | str | None
Value = TensorValue | Values | Scalar | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Call:
    """One operator call: its registered name, the numbers of its arguments, and of its result."""

    operator: str
    arguments: tuple[int, ...]
    result: int


@dataclass(frozen=True)
class Graph:
    """``inputs`` and ``outputs`` are numbers of values, in the program's order."""

    values: tuple[Value, ...]
    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
