"""The ExecuTorch runtime of this environment. Only child processes load it: a file can crash it."""

from pathlib import Path
from typing import Any


def library() -> Any:
    """What ``executorch.runtime`` wraps. Importing that package takes 3 s more than this: it brings
    the whole exporter for the class of one warning.
    """
    from executorch.extension.pybindings import _C

    return _C


def load_program(model: Path, trace: bool = False) -> Any:
    """The program of a ``.pte``; with ``trace`` it keeps its events for an ETDump."""
    runtime = library()
    checks = runtime.Verification.InternalConsistency
    return runtime._load_program(str(model), enable_etdump=trace, program_verification=checks)
