"""Instructions of one inference on x86-64, counted by callgrind: a ratio free of noise and load."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export_targets.artifact.folder import open_artifact
from export_targets.runners.bridges import cpp_build as linux_runner
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.sides import FORMS
from tests.benchmarks.subject import REAL_SIZE, real_size

NAME = "callgrind"
RUNNER = "x86-64"
RECIPE = "int8"


@dataclass(frozen=True)
class Row:
    """A model's instructions for one inference by form."""

    model: str
    instructions: Mapping[str, int]

    @property
    def ratio(self) -> float:
        """How many times the edge form's the published form's are."""
        return self.instructions["published"] / self.instructions["edge"]


def absent() -> str:
    """Why nothing can be counted here; empty where every tool is present."""
    if shutil.which("valgrind") is None:
        return "missing: apt-get install valgrind"
    return linux_runner.absent(RUNNER)


def run() -> Result | Skipped:
    """Count both forms of each model in INT8."""
    if reason := absent():
        return Skipped(NAME, reason)
    program = linux_runner.build(RUNNER, linux_runner.BINARIES / RUNNER)
    rows = [
        Row(m, {form: count(program, real_size(m).artifact(RECIPE, form).folder) for form in FORMS})
        for m in REAL_SIZE
    ]
    return Result(NAME, table(rows), document(rows))


def count(program: Path, folder: Path) -> int:
    """One inference on one thread: what a run of two executes beyond a run of one."""
    image = open_artifact(folder).inputs()[:1].numpy().astype("<f4").tobytes()
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name, "inputs.f32"), Path(name, "logits.f32")
        counts = []
        for times in (1, 2):
            source.write_bytes(times * image)
            command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
            command += [str(program), "logits", str(folder), str(source), str(result)]
            done = subprocess.run(
                [*command, "--threads", "1"], capture_output=True, text=True, check=True
            )
            counts.append(collected(done.stderr))
    return counts[1] - counts[0]


def collected(log: str) -> int:
    """The instructions that callgrind says it counted."""
    found = re.search(r"Collected : (\d+)", log)
    if found is None:
        raise ValueError(f"callgrind counted nothing: {log[-200:]}")
    return int(found[1])


def table(rows: list[Row]) -> str:
    """The counts as Markdown."""
    lines = [
        "Instructions of one INT8 inference on one thread under callgrind, which shows the program "
        "a processor with AVX2 and without AVX512.",
        "",
        "| model | edge, G | published, G | ratio |",
        "|---|---|---|---|",
    ]
    for row in rows:
        edge, published = (row.instructions[form] / 1e9 for form in ("edge", "published"))
        lines.append(f"| {row.model} | {edge:.3f} | {published:.3f} | {row.ratio:.2f} |")
    return "\n".join(lines)


def document(rows: list[Row]) -> dict[str, Any]:
    """The counts for JSON."""
    return {"counts": [{"model": row.model, **row.instructions} for row in rows]}
