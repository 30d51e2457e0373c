"""coremltools' readers of the format: its protobuf messages and its reader of weight files.

The package's own import brings in the converters, which the interpreter checks: that takes four of
the six seconds that a process of its own needs to start, so such a process leaves them out.
"""

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from export_targets.interpret.refusal import RefusedError

PACKAGE = "coremltools"


def messages(name: str) -> Any:
    """One module of the format's protobuf messages: "Model_pb2" or "MIL_pb2"."""
    return import_module(f"{PACKAGE}.proto.{name}")


def blob_reader() -> Any:
    """The class that reads a weight file."""
    return import_module(f"{PACKAGE}.libmilstoragepython")._BlobStorageReader


def leave_converters_out() -> None:
    """In a process that only interprets: from here on the package is its readers alone."""
    found = PathFinder.find_spec(PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise RefusedError(f"{PACKAGE} is not installed, whose readers this needs")
    bare = ModuleType(PACKAGE)
    bare.__path__ = list(found.submodule_search_locations)
    sys.modules[PACKAGE] = bare
