"""How many operators a Vulkan file of each catalog model calls at 224; lowered, not run."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from edge_models.catalog import model_specs
from edge_models.images import normalize
from export_targets.artifact.manifest import Delegation
from export_targets.form import in_form
from export_targets.plan import choose_images, resolve
from export_targets.progress import silent_reporter
from quantize.pt2e import quantize
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
    subject = real_size(model, TARGET)
    plan = resolve(replace(subject.request, recipe=recipe, calibration_samples=1))
    images = choose_images(plan, silent_reporter())
    golden = plan.inputs(plan.batches(images.golden))[0][:1]
    loaded = subject.loaded()
    program = in_form(plan, loaded, subject.published(), golden, silent_reporter()).program
    if images.calibration is not None:
        inputs = (normalize(batch, plan.spec.input) for batch in plan.batches(images.calibration))
        quantizer = plan.target.quantizer(plan.recipe, plan.float_rules)
        quantized = quantize(program.module(), quantizer, inputs, lambda: None)
        program = torch.export.export(quantized, (golden[0],))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, plan.target.file)
        delegation = plan.target.lower(program, plan.lowering(loaded, ()), path).delegation
    print(f"{model} {recipe}: {delegation.dispatches} calls", flush=True)
    return delegation
