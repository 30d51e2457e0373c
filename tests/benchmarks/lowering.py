"""The target's lowering beside a plain one of the same program.

``python -m tests.benchmarks.lowering WAY PROGRAM.pt2`` lowers once and prints the time and peak.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from edge_models.edge import edge_form
from edge_models.spec import InputSpec
from export_targets.command_line.console import collector_off
from export_targets.plan import resolve
from export_targets.runners.processes.this_machine import load_average
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks.machine import busy_note
from tests.benchmarks.programs import lowerable
from tests.benchmarks.result import RESULTS, Result
from tests.benchmarks.subject import REAL_SIZE, TARGET, Subject, real_size

RECIPE = "int8"
ROUNDS = 3
IMAGES = 2
AIM = 0.65  # of the plain lowering's time


@dataclass(frozen=True)
class Measured:
    """One lowering in a process of its own: CPU seconds, and the process's peak memory in GB."""

    model: str
    way: str
    seconds: float
    peak_gb: float


def plain(program: torch.export.ExportedProgram, path: Path) -> None:
    """ExecuTorch's own calls, as its documentation has them."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.utils.configs import get_xnnpack_edge_compile_config
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(
        program,
        partitioner=[XnnpackPartitioner()],
        compile_config=get_xnnpack_edge_compile_config(),
    )
    with path.open("wb") as file:
        edge.to_executorch().write_to_file(file)


@collector_off()
def own(program: torch.export.ExportedProgram, path: Path) -> None:
    """The target's lowering, as a build does it."""
    lowering = Lowering(recipe_named(RECIPE), InputSpec(), {}, (), {})
    target_named(TARGET).lower(program, lowering, path)


WAYS: dict[str, Callable[[torch.export.ExportedProgram, Path], None]] = {
    "edgeform": own,
    "plain": plain,
}


def run() -> Result:
    """Both ways of each model's saved program, alternating."""
    load, rows = load_average(), []
    for model in REAL_SIZE:
        program = RESULTS / f"{model}-{RECIPE}.pt2"
        torch.export.save(quantized(real_size(model)), program)
        for turn in range(ROUNDS):
            order = list(WAYS) if turn % 2 == 0 else list(reversed(WAYS))
            rows += [_in_own_process(model, way, program) for way in order]
    measured = {"load_average": load, "aim": AIM, "rows": [asdict(row) for row in rows]}
    return Result("lowering", table(rows, load), measured)


def quantized(subject: Subject) -> torch.export.ExportedProgram:
    """The program that a build lowers. Calibrated on a few images: its graph is the same."""
    plan, loaded = resolve(subject.request), subject.loaded()
    heads, forms = plan.request.heads, plan.target.forms()
    module = edge_form(plan.spec, loaded.module, plan.size, 1, heads, forms)
    images = subject.calibration_inputs()[:IMAGES, 0]
    return lowerable(module, plan.spec, plan.target, plan.recipe, images)


def table(rows: list[Measured], load: float) -> str:
    """Medians of each way as Markdown."""
    lines = [
        "# Lowering",
        "",
        f"{busy_note(load)} Lowering the same {RECIPE} program to a file, {ROUNDS} times each, "
        "alternating, each in a process of its own. Time: of the CPU, which other load hardly "
        "changes. Memory: the whole process, libraries included.",
        "",
        f"| model | way | median CPU s | each | of the plain time (aim <= {AIM}) | peak GB |",
        "|---|---|---|---|---|---|",
    ]
    for model in dict.fromkeys(row.model for row in rows):
        reference = _median(rows, model, "plain")
        for way in WAYS:
            found = [row for row in rows if (row.model, row.way) == (model, way)]
            median = _median(rows, model, way)
            each = ", ".join(f"{row.seconds:.1f}" for row in found)
            peak = max(row.peak_gb for row in found)
            share = f"{median / reference:.2f}"
            lines.append(f"| {model} | {way} | {median:.1f} | {each} | {share} | {peak:.2f} |")
    return "\n".join(lines)


def _median(rows: list[Measured], model: str, way: str) -> float:
    return float(np.median([r.seconds for r in rows if (r.model, r.way) == (model, way)]))


def _in_own_process(model: str, way: str, program: Path) -> Measured:
    print(f"{model}: lowering, {way}", flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.lowering", way, str(program)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    measured = json.loads(done.stdout.splitlines()[-1])
    return Measured(model, way, measured["seconds"], measured["peak_gb"])


def main() -> None:
    """The child process."""
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    way, source = sys.argv[1:]
    program = torch.export.load(source)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        WAYS[way](program, Path(folder, "model.pte"))
        seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes here
    print(json.dumps({"seconds": seconds, "peak_gb": peak * unit / 1e9}))


if __name__ == "__main__":
    main()
