"""Files of torch.save, the zip archive and the format before it, without running their code."""

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from edge_models.errors import InputError
from edge_models.inert_pickle import InertUnpickler, Storage, StoredTensor

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization's
Fetch = Callable[[StoredTensor], Tensor]


def read_zip(path: Path) -> tuple[object, Fetch]:
    """What the archive's pickle holds, and how to read one of its tensors.

    Raises ValueError, pickle.UnpicklingError and what the readers below raise.
    """
    _refuse_other_archives(path)
    archive = torch._C.PyTorchFileReader(str(path))
    records = archive.get_all_records()
    unpickler = InertUnpickler(io.BytesIO(archive.get_record("data.pkl")))
    order = archive.get_record("byteorder").decode() if "byteorder" in records else ""
    content = unpickler.load()

    @cache
    def read(storage: Storage) -> bytearray:
        data = bytearray(archive.get_record(f"data/{storage.key}"))
        if order not in ("", sys.byteorder) and data:
            whole = torch.frombuffer(data, dtype=torch.uint8)
            whole.untyped_storage().byteswap(storage.dtype)
        return data

    return content, lambda stored: stored.of(read(stored.storage))


def read_legacy(path: Path) -> tuple[object, Fetch]:
    """The same of the format that torch wrote until 1.5, and still does where it is asked to."""
    with path.open("rb") as file:
        first = InertUnpickler(file).load()
        if first != LEGACY_MAGIC:
            raise InputError(
                f"The checkpoint {path} is a plain pickle, not a file of torch.save.",
                "Load it where it was made, and save the state dict with torch.save.",
            )
        for _ in ("protocol", "byte order and sizes"):
            InertUnpickler(file).load()
        unpickler = InertUnpickler(file)
        content = unpickler.load()
        places: dict[str, tuple[int, int]] = {}
        for key in InertUnpickler(file).load():
            storage = unpickler.storages[str(key)]
            (elements,) = struct.unpack("<q", file.read(8))
            if elements != storage.elements:
                raise ValueError(f"its storage {key} is not as long as its tensors say")
            places[storage.key] = (file.tell(), elements * storage.dtype.itemsize)
            file.seek(places[storage.key][1], io.SEEK_CUR)

    @cache
    def read(storage: Storage) -> bytearray:
        start, length = places[storage.key]
        if start + length > path.stat().st_size:
            raise ValueError(f"it ends before its storage {storage.key} does")
        with path.open("rb") as file:
            file.seek(start)
            return bytearray(file.read(length))

    return content, lambda stored: stored.of(read(stored.storage))


def _refuse_other_archives(path: Path) -> None:
    """Raises InputError for what it is, ValueError for what unpacks to more than it is: torch.save
    compresses nothing, and a bomb unpacks beyond the memory.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        inside = [name.split("/")[1:] for name in archive.namelist()]
    if any(parts[:1] == ["code"] for parts in inside):  # which TorchScript compresses in part
        raise InputError(
            f"The checkpoint {path} is a TorchScript program.",
            f"If you trust it, save its weights: network = torch.jit.load({path.name!r}, 'cpu'); "
            "torch.save(network.state_dict(), 'weights.pth')",
        )
    if unpacked > path.stat().st_size:
        raise ValueError(f"it would unpack to {unpacked} bytes, which are more than it has")
    if ["data.pkl"] not in inside:
        raise InputError(
            f"The checkpoint {path} is a zip archive, not a file of torch.save.",
            "Unpack it, and give the checkpoint that is in it.",
        )
