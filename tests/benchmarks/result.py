"""What a benchmark gives: a table, and the numbers behind it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export_targets.artifact.manifest import to_json, toolchain
from tests.benchmarks.machine import describe_machine

RESULTS = Path("build/benchmarks")


@dataclass(frozen=True)
class Result:
    """A benchmark's name, its table as Markdown, and what it measured."""

    name: str
    markdown: str
    measured: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``<name>.md`` and ``<name>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.markdown + "\n", encoding="utf-8")
        document = {
            "machine": describe_machine(),
            "toolchain": toolchain(("executorch",)),
            "commit": commit(),
        }
        (folder / f"{self.name}.json").write_text(
            to_json({**document, **self.measured}), encoding="utf-8"
        )


@dataclass(frozen=True)
class Skipped:
    """A benchmark that cannot run here, and why."""

    name: str
    why: str


def commit() -> str:
    """The commit that is checked out, with "-dirty" where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
