"""coremltools' readers of the format: its protobuf messages and its reader of weight files.

They are loaded without the package around them, whose own import brings in the converters: the
interpreter checks those, and importing them takes four of the six seconds that a child process
needs to start.
"""

import importlib
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from export_targets.interpret.refusal import RefusedError

PACKAGE = "coremltools"


def messages(name: str) -> Any:
    """One module of the format's protobuf messages: "Model_pb2" or "MIL_pb2"."""
    return _part(f"{PACKAGE}.proto.{name}")


def blob_reader() -> Any:
    """The class that reads a weight file."""
    return _part(f"{PACKAGE}.libmilstoragepython")._BlobStorageReader


def _part(name: str) -> ModuleType:
    if PACKAGE in sys.modules or name in sys.modules:
        return importlib.import_module(name)
    found = PathFinder.find_spec(PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise RefusedError(f"{PACKAGE} is not installed, whose readers this needs")
    bare = ModuleType(PACKAGE)
    bare.__path__ = list(found.submodule_search_locations)
    sys.modules[PACKAGE] = bare
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[PACKAGE]  # a later import of the whole package runs as ever
