"""What a multiply-accumulate takes longer in float than in INT8, by operator, on this machine."""

from collections import Counter
from collections.abc import Iterator

from export_targets.artifact.latency_report import Operator
from export_targets.profile.profile import Settings, profile_all
from export_targets.progress import silent_reporter
from tests.benchmarks.engines import THREADS
from tests.benchmarks.result import Result
from tests.benchmarks.subject import REAL_SIZE, real_size

NAME = "float-costs"
RECIPES = ("fp32", "int8")
NAMES = {  # of a row's kind, the operator of a graph
    "convolution": "conv2d",
    "linear": "linear",
    "matrix product of activations": "bmm",
}
SETTINGS = Settings(iterations=20, warmup=5, threads=THREADS)


def run() -> Result:
    """CoTNet-50 and Conformer-S at 224 for XNNPACK."""
    picoseconds, macs = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for recipe, row in (found for model in REAL_SIZE for found in products(model)):
        product = recipe, NAMES[row.kind]
        picoseconds[product] += round(row.ms * 1e9)
        macs[product] += row.macs or 0
    lines = ["| operator | ps each in FP32 | in INT8 | more in float |", "|---|---|---|---|"]
    found = {}
    for name in NAMES.values():
        in_float, in_int8 = (picoseconds[r, name] / macs[r, name] for r in RECIPES)
        found[name] = in_float - in_int8
        lines.append(f"| `{name}` | {in_float:.1f} | {in_int8:.1f} | {found[name]:.1f} |")
    return Result(NAME, "\n".join(lines), {"picoseconds more in float": found})


def products(model: str) -> Iterator[tuple[str, Operator]]:
    """The products of a model's files and their recipes, both measured in one run."""
    sides = [real_size(model).artifact(recipe, "edge") for recipe in RECIPES]
    folders = [side.folder for side in sides]
    reports = profile_all(folders, None, None, SETTINGS, silent_reporter()).reports
    for side, report in zip(sides, reports, strict=True):
        assert report.operators is not None
        for row in report.operators.rows:
            if row.kind in NAMES and row.macs:
                yield side.manifest.recipe, row
