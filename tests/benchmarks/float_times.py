"""How many times longer XNNPACK's convolutions and linears take in float than in INT8."""

from collections.abc import Mapping

from export_targets.runners.processes.this_machine import load_average
from tests.benchmarks.machine import busy_note, describe_machine
from tests.benchmarks.operators import Kind, trace
from tests.benchmarks.result import Result
from tests.benchmarks.subject import REAL_SIZE, real_size

NAME = "float-times"
OPERATORS = {"conv2d": "Convolution", "linear": "Fully Connected"}  # in XNNPACK's words


def run() -> Result:
    """Of the models at real size, from the runtime's event trace of both files."""
    machine, load = describe_machine(), load_average()
    rows = {model: _times(model) for model in REAL_SIZE}
    setting = f"{machine['processor']}, {machine['cores']} cores. {busy_note(load)}"
    return Result(NAME, "\n\n".join(["# INT8 and float", setting, table(rows)]), rows)


def _times(model: str) -> dict[str, tuple[float, float]]:
    """Milliseconds by operator: in float, and in INT8."""
    measured = real_size(model)
    found = []
    for recipe in ("fp32", "int8"):
        artifact = measured.artifact(recipe, "edge")
        found.append(trace(artifact.model, artifact.inputs()[0]))
    return {name: (_of(word, found[0]), _of(word, found[1])) for name, word in OPERATORS.items()}


def _of(word: str, kinds: list[Kind]) -> float:
    return sum(kind.milliseconds for kind in kinds if word in kind.name)


def table(rows: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Milliseconds of an inference and their ratio, as Markdown."""
    lines = ["| model | operator | float, ms | INT8, ms | times |", "|---|---|---|---|---|"]
    for model, operators in rows.items():
        for name, (floating, integer) in operators.items():
            if integer:
                ratio = f"{floating / integer:.2f}"
                lines.append(f"| {model} | {name} | {floating:.2f} | {integer:.2f} | {ratio} |")
    return "\n".join(lines)
