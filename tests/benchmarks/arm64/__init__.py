"""Instructions per inference on ARM64, counted under qemu-user: a figure without noise."""

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.arm64 import program
from tests.benchmarks.arm64.count import count, document, table
from tests.benchmarks.result import RESULTS, Result, Skipped


def run(models: Sequence[Path] = ()) -> Result | Skipped:
    """Count one inference of each file."""
    if reason := program.absent():
        return Skipped("arm64", reason)
    built = program.build(RESULTS / "arm64")
    counts = [count(built, model) for model in models]
    return Result("arm64", table(counts), document(counts))
