"""How many operators a Vulkan file of each catalog model calls at 224; lowered, not run."""

import tempfile
from pathlib import Path

from edge_models.catalog import model_spec, model_specs
from export_targets.artifact.manifest import Delegation
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks.programs import edge_program
from tests.benchmarks.result import Result
from tests.benchmarks.subject import real_size

NAME = "vulkan-calls"
TARGET = "vulkan"
RECIPES = ("fp16", "int8")
LIMIT = 2000  # beyond which a runtime that is built for tracing aborts, about


def run() -> Result:
    """Every model that brings no images of its own."""
    models = [name for name, spec in model_specs().items() if not spec.embedded]
    found = {(name, recipe): held(name, recipe) for name in models for recipe in RECIPES}
    lines = ["| calls at 224 | " + " | ".join(RECIPES) + " |", "|---|" + "---|" * len(RECIPES)]
    for name in models:
        lines.append(f"| `{name}` | " + " | ".join(cell(found[name, r]) for r in RECIPES) + " |")
    measured = {f"{name} {recipe}": item.model_dump() for (name, recipe), item in found.items()}
    return Result(NAME, "\n".join(lines), measured)


def cell(delegation: Delegation) -> str:
    """The calls of a file that is one delegate."""
    assert delegation.whole
    assert delegation.dispatches is not None
    return f"{delegation.dispatches:,}" + (", beyond" if delegation.dispatches > LIMIT else "")


def held(model: str, recipe: str) -> Delegation:
    """What a lowered file holds; which operators are called depends on no weight nor range."""
    spec, target, chosen = model_spec(model), target_named(TARGET), recipe_named(recipe)
    image = real_size(model).calibration_inputs()[0]
    program = edge_program(model, target, chosen, image)
    lowering = Lowering(chosen, spec.input, target.choose(chosen, {}), (), {})
    with tempfile.TemporaryDirectory() as folder:
        delegation = target.lower(program, lowering, Path(folder, target.file)).delegation
    print(f"{model} {recipe}: {delegation.dispatches} calls", flush=True)
    return delegation
