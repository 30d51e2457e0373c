"""A folder as a registry: one module an entry, one constant in it, collected by name."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar

from edge_models.errors import InputError

Entry = TypeVar("Entry")


def collect(package: ModuleType, constant: str) -> dict[str, Any]:
    """The entries that the modules of a package hold under ``constant``, by their names.

    A constant is one entry or a tuple of them; a module without it holds none. Raises ValueError
    where two entries have the same name.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        held = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), constant, ())
        for entry in held if isinstance(held, tuple) else (held,):
            if entry.name in found:
                raise ValueError(f"two entries of {package.__name__} are named {entry.name}")
            found[entry.name] = entry
    return found


def named(entries: Mapping[str, Entry], kind: str, name: str) -> Entry:
    """One entry. Raises InputError that lists the names there are."""
    if name not in entries:
        raise InputError(f"There is no {kind} {name!r}.", f"There are {', '.join(entries)}.")
    return entries[name]
