"""``python -m tests.export_targets.coreml_inventory > tests/export_targets/coreml_inventory.txt``

The operators of each model's Core ML program, FP16: in the target's forms and in plain ones.
"""

import sys
import tempfile
from pathlib import Path

import torch

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.edge import edge_form
from edge_models.edge.forms import Forms
from edge_models.edge.forms.local_convolution import LocalConvolutionBySlices
from export_targets.interpret.mil.read import read_package
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named

SMALL = ("digits_conformer", "digits_cotnet_simple", "digits_cotnet")
REAL = ("conformer_small_patch16", "cotnet50_simple")
PLAIN = Forms(local_convolution=LocalConvolutionBySlices)  # the plain one does not convert
LAYOUT = ("reshape", "transpose", "expand_dims", "squeeze", "concat", "slice_by_index")
GOLDEN = Path(__file__).with_suffix(".txt")


def inventory(model: str, forms: Forms) -> dict[str, int]:
    """Calls by operator in the saved FP16 program of a model with given forms."""
    spec, target = model_spec(model), target_named("coreml")
    size = spec.input.size
    module = edge_form(spec, load_reference(spec, None, 0).module, size, 1, "mean", forms)
    program = torch.export.export(module, (torch.zeros(1, 3, *size),))
    options = {"input": "tensor", "output": "logits", "minimum-deployment": "iOS17"}
    facts = {"model": model, "size": f"{size[0]}x{size[1]}", "version": "0"}
    lowering = Lowering(recipe_named("fp16"), spec.input, options, (), facts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        target.lower(program, lowering, path)
        return read_package(path).inventory


def section(model: str) -> str:
    """One model's inventory as text: the target's forms beside the plain ones."""
    ours, plain = inventory(model, target_named("coreml").forms()), inventory(model, PLAIN)
    names = sorted(
        {*ours, *plain}, key=lambda name: (-max(ours.get(name, 0), plain.get(name, 0)), name)
    )
    rows = [(name, ours.get(name, 0), plain.get(name, 0)) for name in names]
    moved = [sum(counts.get(name, 0) for name in LAYOUT) for counts in (ours, plain)]
    rows.append(("moves only", *moved))
    rows.append(("all", sum(ours.values()), sum(plain.values())))
    lines = [f"{model:<28}{'target':>8}{'plain':>8}"]
    lines += [f"  {name:<26}{count:>8}{other:>8}" for name, count, other in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    sys.stdout.write("\n".join(section(model) for model in (*SMALL, *REAL)))


if __name__ == "__main__":
    main()
