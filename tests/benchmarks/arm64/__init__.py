"""Instructions per inference on ARM64, counted under qemu-user: a figure without noise."""

from collections.abc import Sequence
from pathlib import Path

from export_targets.runners.linux import DEFAULT_CPU, I8MM_CPU
from tests.benchmarks.arm64 import program
from tests.benchmarks.arm64.count import count, document, table
from tests.benchmarks.result import RESULTS, Result, Skipped
from tests.benchmarks.sides import FORMS
from tests.benchmarks.subject import REAL_SIZE, real_size

RECIPE = "int8"  # qemu emulates float arithmetic slowly: 2 to 5 minutes a file in FP32


def run() -> Result | Skipped:
    """Count each form of each model in INT8."""
    if reason := program.absent():
        return Skipped("arm64", reason)
    files = [real_size(m).artifact(RECIPE, form).model for m in REAL_SIZE for form in FORMS]
    return run_files(files, "arm64")


def run_files(models: Sequence[Path], name: str = "arm64-files") -> Result | Skipped:
    """Count one inference of each file."""
    if reason := program.absent():
        return Skipped(name, reason)
    built = program.build(RESULTS / "arm64")
    counts = [count(built, model, cpu) for model in models for cpu in (DEFAULT_CPU, I8MM_CPU)]
    return Result(name, table(counts), document(counts))
