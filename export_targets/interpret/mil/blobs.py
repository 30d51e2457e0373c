"""Weights: numbers of a blob file at an offset, checked before the reader of the format sees it.

The reader is native code that trusts the file. Layout, as in the format's open-source writer: at an
offset stands an entry of 64 bytes (a fixed mark, the data type, the bytes of data and where they
stand), all little-endian.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export_targets.interpret.mil.formats import blob_reader
from export_targets.interpret.refusal import RefusedError

MARK = 0xDEADBEEF
ENTRY = struct.Struct("<IIQQ")
ENTRY_BYTES = 64
# MIL type: bits of one number and the reader's method
READERS = {
    "FLOAT16": (16, "read_fp16_data"),
    "FLOAT32": (32, "read_float_data"),
    "INT8": (8, "read_int8_data"),
    "UINT8": (8, "read_uint8_data"),
    "INT16": (16, "read_int16_data"),
    "UINT16": (16, "read_uint16_data"),
    "INT32": (32, "read_int32_data"),
    "UINT32": (32, "read_uint32_data"),
    "INT4": (4, "read_int4_data"),
    "UINT1": (1, "read_uint1_data"),
    "UINT2": (2, "read_uint2_data"),
    "UINT3": (3, "read_uint3_data"),
    "UINT4": (4, "read_uint4_data"),
    "UINT6": (6, "read_uint6_data"),
}


class BlobFile:
    """A weight file of a package. Raises RefusedError where it is absent."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise RefusedError(f"the weight file {path.name} is missing")
        self.path, self.size = path, path.stat().st_size
        self.reader = blob_reader()(str(path))

    def read(self, offset: int, dtype: str, count: int) -> NDArray[Any]:
        """``count`` numbers of a MIL type whose entry stands at ``offset``."""
        if dtype not in READERS:
            raise RefusedError(f"the data type {dtype} is not known in a weight file")
        bits, method = READERS[dtype]
        self._check(offset, -(-count * bits // 8))
        try:
            found = np.asarray(getattr(self.reader, method)(offset))
        except (RuntimeError, ValueError, IndexError) as error:
            raise RefusedError(f"{self.path.name} at {offset}: {error}") from error
        if found.size != count:
            raise RefusedError(
                f"{self.path.name} at {offset} holds {found.size} numbers, not {count}"
            )
        return found.view(np.float16) if dtype == "FLOAT16" else found

    def _check(self, offset: int, expected: int) -> None:
        if offset < 0 or offset + ENTRY_BYTES > self.size:
            raise RefusedError(f"{self.path.name} is truncated: it has nothing at {offset}")
        with self.path.open("rb") as file:
            file.seek(offset)
            mark, _, size, start = ENTRY.unpack(file.read(ENTRY.size))
        if mark != MARK:
            raise RefusedError(f"{self.path.name} has no entry at {offset}")
        if size != expected:
            raise RefusedError(f"{self.path.name} at {offset} holds {size} bytes, not {expected}")
        if start + size > self.size:
            raise RefusedError(
                f"{self.path.name} is truncated: the data of {offset} are not all there"
            )
