"""NumPy's arrays as pickle has them, read without NumPy's code: what a file says of one is kept,
and becomes a tensor where it is asked for.
"""

import pickle
import sys
from math import prod
from typing import Any

import torch

DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}
NATIVE = {"little": "<", "big": ">"}[sys.byteorder]


class ArrayType:
    """In place of a dtype: its code, as ``f4``, and its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: object = "", *_: object) -> None:
        self.code, self.order = str(code), "|"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1:
            self.order = str(state[1])


class StoredArray:
    """In place of an array: its shape, type and bytes."""

    __slots__ = ("content", "fortran", "kind", "shape")

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.kind, self.fortran, self.content = ArrayType(), False, b""

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, kind, fortran, content = state
        except (TypeError, ValueError) as error:
            raise pickle.UnpicklingError("an array has no state that is known") from error
        plain = isinstance(kind, ArrayType) and isinstance(content, bytes)
        if plain and all(type(side) is int and side >= 0 for side in shape):
            self.shape, self.kind = tuple(shape), kind
            self.fortran, self.content = bool(fortran), content

    def tensor(self) -> torch.Tensor:
        """The array as a tensor. Raises ValueError for one that is not of plain numbers."""
        dtype = DTYPES.get(self.kind.code)
        if dtype is None or prod(self.shape) * dtype.itemsize != len(self.content):
            raise ValueError("an array in it is not of plain numbers")
        if not self.content:
            return torch.empty(self.shape, dtype=dtype)
        flat = torch.frombuffer(bytearray(self.content), dtype=dtype)
        if self.kind.order not in ("|", "=", NATIVE):
            flat.untyped_storage().byteswap(dtype)
        if self.fortran:
            return flat.reshape(self.shape[::-1]).permute(*range(len(self.shape))[::-1])
        return flat.reshape(self.shape)


def latin1_bytes(text: object = "", *_: object) -> bytes:
    """In place of ``_codecs.encode``, by which old protocols write bytes as text."""
    return text.encode("latin1") if isinstance(text, str) else b""


KNOWN: dict[str, Any] = {
    "_codecs.encode": latin1_bytes,
    "numpy.dtype": ArrayType,
    "numpy.core.multiarray._reconstruct": StoredArray,
    "numpy._core.multiarray._reconstruct": StoredArray,
}
