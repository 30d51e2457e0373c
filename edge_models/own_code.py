"""The user's own code: a function that returns a network, from a file or an importable module."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from edge_models.errors import InputError, described

SEPARATOR = ":"
FORM = "FILE.py:FUNCTION or package.module:FUNCTION"


def is_place(model: str) -> bool:
    """Whether a model's name is meant as the place of a function, as ``my_net.py:make_net``."""
    return SEPARATOR in model or model.endswith(".py")


def called(place: str, seed: int) -> Any:
    """What a function without arguments returns, under seeded random numbers.

    It runs as the user's own code, with its folder and the working directory to import from.
    Raises InputError where it cannot be found or called, or raises itself.
    """
    source, _, name = place.rpartition(SEPARATOR)
    if not source or not name:
        raise InputError(f"The network {place!r} names no function.", f"Write {FORM}.")
    folder = Path(source).parent if source.endswith(".py") else Path()
    with _importing_from(folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        function = _function(_imported(source), source, name)
        return _run(function, f"The function {place}", source)


def _imported(source: str) -> ModuleType:
    if not source.endswith(".py"):
        return _ran(lambda: importlib.import_module(source), f"The module {source}", source)
    path = Path(source)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", f"Check the path; write {FORM}.")
    name = f"network_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and torch look modules up by their names
    loader = spec.loader
    _ran(lambda: loader.exec_module(module), f"The file {path}", source)
    return module


def _function(module: ModuleType, source: str, name: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if function is None:
        found = [
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise InputError(
            f"{source} has no {name}.", f"Its functions: {', '.join(found) or 'none'}."
        )
    if isinstance(function, torch.nn.Module) or not callable(function):
        kind = type(function).__name__
        raise InputError(
            f"{name} of {source} is no function but a {kind}.",
            f"Write a function that returns it: def make_net(): return {name}",
        )
    return function


def _run(function: Callable[[], Any], what: str, source: str) -> Any:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some callables written in C have none
        parameters = {}.values()
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise InputError(
            f"{what} needs arguments: {', '.join(needed)}.",
            "Name a function without arguments that calls it with yours.",
        )
    return _ran(function, what, source)


def _ran(run: Callable[[], Any], what: str, source: str) -> Any:
    """What a user's code gives. Raises InputError for whatever it raises."""
    try:
        return run()
    except ImportError as error:
        raise InputError(
            f"{what} cannot be imported: {error}{_line(error, source)}.",
            "Install what it imports. A layer with a custom CUDA operator runs on no phone: write "
            "it with torch's own operators.",
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{what} raised {described(error)}{_line(error, source)}.",
            "It runs here without arguments and without a GPU: try it so in Python.",
        ) from error


def _line(error: BaseException, source: str) -> str:
    """Where in the user's file it was raised, where the traceback has it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name == Path(source).name]
    return f" (line {own[-1].lineno} of {Path(source).name})" if own else ""


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """While open, Python imports from a folder and from the working directory too."""
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()), str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before
