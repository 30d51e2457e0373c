"""Unpickling what torch.save wrote without running code: no class is imported or called.

What says where a tensor lies becomes a ``StoredTensor``; dictionaries, lists and plain values
become themselves; an object of any other class becomes a ``StandIn``, whatever the file would have
had called to make it.
"""

import pickle
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import torch

from edge_models import inert_array

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "UntypedStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")  # a GPU's tensors are read as the CPU's


class StandIn:
    """In place of an object of an unknown class: it takes every state and keeps none of it."""

    def __new__(cls, *_: object, **__: object) -> "StandIn":
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None:
        """Takes a list's element."""

    def extend(self, _: object) -> None:
        """Takes a list's elements."""

    def add(self, _: object) -> None:
        """Takes a set's element."""


class Table(dict[Any, Any]):
    """In place of an OrderedDict: one whose attributes no file can set."""

    __slots__ = ()

    def __setstate__(self, _: object) -> None: ...


@dataclass(frozen=True)
class Storage:
    """A run of elements in the file, by the key that it has there."""

    key: str
    dtype: torch.dtype
    elements: int


class StoredTensor:
    """Where a dense tensor lies: its storage, its first element there, its shape and strides."""

    __slots__ = ("dtype", "offset", "shape", "storage", "stride")

    def __init__(
        self, storage: Storage, offset: int, shape: Any, stride: Any, *rest: object
    ) -> None:
        if not isinstance(storage, Storage):
            raise pickle.UnpicklingError("a tensor has no storage that is known")
        self.storage, self.shape, self.stride = storage, _sizes(shape), _sizes(stride)
        (self.offset,) = _sizes([offset])
        dtypes = [value for value in rest if isinstance(value, torch.dtype)]
        self.dtype = dtypes[0] if dtypes else storage.dtype

    def __setstate__(self, _: object) -> None:
        raise pickle.UnpicklingError("a tensor has a state of its own")

    @property
    def bytes(self) -> int:
        """What its elements would take in memory, dense."""
        return prod(self.shape) * self.dtype.itemsize

    def of(self, content: bytearray) -> torch.Tensor:
        """The tensor, of its storage's bytes. Raises RuntimeError where it reaches beyond them."""
        whole = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0).byte()
        empty = torch.empty(0, dtype=self.dtype)
        return empty.set_(whole.untyped_storage(), self.offset, self.shape, self.stride)


class Parameter:
    """In place of nn.Parameter's rebuilding: the tensor in it."""

    def __new__(cls, data: object, *_: object) -> Any:
        return data


class WithType:
    """In place of the rebuilding of a tensor that carries attributes: the tensor."""

    def __new__(cls, rebuild: object, _: object, arguments: Any, *__: object) -> Any:
        return StoredTensor(*arguments) if rebuild is StoredTensor else StandIn()


KNOWN: dict[str, Any] = {
    **inert_array.KNOWN,
    "collections.OrderedDict": Table,
    "torch._utils._rebuild_tensor": StoredTensor,
    "torch._utils._rebuild_tensor_v2": StoredTensor,
    "torch._utils._rebuild_tensor_v3": StoredTensor,
    "torch._utils._rebuild_parameter": Parameter,
    "torch._utils._rebuild_parameter_with_state": Parameter,
    "torch._tensor._rebuild_from_type_v2": WithType,
    "torch.Size": tuple,
    **{str(dtype): dtype for dtype in DTYPES.values()},
    **{f"{module}.{name}": DTYPES[name] for module in STORAGE_MODULES for name in DTYPES},
}


class InertUnpickler(pickle._Unpickler):
    """The unpickler in Python: the one in C would allocate as much as a number in the file says.

    ``storages`` are those that the tensors name, by key.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")  # Python 2's files keep their bytes
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """A known stand-in by the full name, else a new inert class; nothing is imported."""
        full = f"{module}.{name}"
        return KNOWN[full] if full in KNOWN else type(full, (StandIn,), {})

    def persistent_load(self, identity: Any) -> Any:
        """A storage, or the class of a module whose source torch kept beside it."""
        kind, *data = identity
        if kind == "module":
            return data[0]
        if kind != "storage":
            raise pickle.UnpicklingError(f"of the unknown kind {kind!r}")
        dtype, key, _, elements, *view = data
        if any(part is not None for part in view):
            raise pickle.UnpicklingError("it shares storages as torch 0.1 did")
        if not isinstance(dtype, torch.dtype):  # a quantized tensor's
            return StandIn()
        (count,) = _sizes([elements])
        return self.storages.setdefault(str(key), Storage(str(key), dtype, count))


def _sizes(values: Any) -> tuple[int, ...]:
    if not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise pickle.UnpicklingError("a tensor's size is no number of elements")
    return tuple(values)
