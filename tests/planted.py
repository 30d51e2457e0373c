"""Faults planted in real builds, and which gate sees them.

``python -m tests.planted`` plants each fault in the programs of the builds for digits and prints
what the gate of its hop says; with ``file`` in the saved files, with ``real-size`` in the programs
of models at 224; of named targets alone.
"""

import copy
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, fx

from edge_models.parity import Hop, measure
from edge_models.reference.heads import run_eager
from export_targets.artifact.folder import LOWERED, MANIFEST, Artifact, open_artifact
from export_targets.artifact.manifest import Delegation
from export_targets.pipeline import build
from export_targets.progress import silent_reporter
from export_targets.prove.hops import judge
from export_targets.request import BuildRequest
from export_targets.runner import runner_named
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.faults import FAULTS, Fault, NoPlaceError, fed, images_of, normalized

SAMPLES = 8
ENDS = {"edge": "edge", "quantize": "quantized", "lower": "file"}  # a hop's second program
WHOLE = Delegation(delegates=1, delegated_ops=1, undelegated={}, fallen=())
MODELS = ("digits_cotnet_simple", "digits_cotnet", "digits_conformer")
PAIRS = (
    *(("xnnpack", recipe) for recipe in ("fp32", "int8", "int8_dynamic")),
    *((target, recipe) for target in ("vulkan", "coreml") for recipe in ("fp16", "int8")),
)
CELLS = tuple((model, *pair) for pair in PAIRS for model in MODELS)
PTE = tuple(("digits_cotnet_simple", "coreml_pte", recipe) for recipe in ("fp16", "int8"))
AT_224 = tuple(  # random weights hold the gates of these recipes
    (model, *pair)
    for pair in (
        *(("xnnpack", recipe) for recipe in ("fp32", "int8_dynamic")),
        *((target, "fp16") for target in ("vulkan", "coreml")),
    )
    for model in ("cotnet50_simple", "cotnet50", "conformer_small_patch16")
)
INT8 = tuple(pair for pair in PAIRS if pair[1].startswith("int8"))
_COTNETS = {("digits_cotnet", *pair) for pair in INT8}
_CONFORMERS = {("digits_conformer", *pair) for pair in INT8}
_CORE_ML = ("digits_conformer", "coreml", "int8")
# Faults that the gate of a build does not see: what they change is less than INT8 may lose.
UNSEEN = {
    "red and blue swapped": set(CELLS),  # the digits are grey
    "two channels swapped": {*_COTNETS, _CORE_ML},
    "a bias left out": _CONFORMERS,
    "a layer's weights zero": {_CORE_ML},
    "a scale off by two": {_CORE_ML},
}
# Those that the mark of an app's self-test takes for another implementation's rounding.
UNSEEN_BY_APPS = {
    "red and blue swapped": set(CELLS),
    "two channels swapped": {*_COTNETS, _CORE_ML, ("digits_conformer", "coreml", "fp16")},
    "a bias left out": {_CORE_ML},
}
# Those that the gate of a file against its graph does not see.
UNSEEN_IN_FILES = {
    "red and blue swapped": {*CELLS, *PTE},
    "two channels swapped": {*_COTNETS, _CORE_ML},
    "a bias left out": _CONFORMERS,
}
UNSEEN_AT_224 = {  # one layer of 16
    "dynamic context of a CoT layer dropped": {("cotnet50_simple", "xnnpack", "int8_dynamic")},
    "two channels swapped": {
        (model, "xnnpack", "int8_dynamic") for model in ("cotnet50_simple", "cotnet50")
    },
}


def broken_program(opened: Artifact, fault: Fault) -> fx.GraphModule:
    """The program with a fault planted. Raises NoPlaceError."""
    module = copy.deepcopy(_program(opened.path(LOWERED)))
    if fault.edit is not None:
        fault.edit(module)
        module.graph.lint()
        module.recompile()
    return module


@cache
def _program(path: Path) -> fx.GraphModule:
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    module = torch.export.load(path).module()
    assert isinstance(module, fx.GraphModule)
    return module


def hop_of_program(opened: Artifact) -> str:
    """The hop whose end is the program that was lowered."""
    return "quantize" if recipe_named(opened.manifest.recipe).approximate else "edge"


def broken_logits(opened: Artifact, fault: Fault, count: int = SAMPLES) -> Tensor:
    """Logits of the broken program, or of the right one on broken inputs. Raises NoPlaceError."""
    section = opened.manifest.input
    images = images_of(opened.inputs()[:count], section)
    inputs = normalized(fed(images, fault, section), section)
    return run_eager(broken_program(opened, fault), inputs)


def broken_file_logits(opened: Artifact, fault: Fault, count: int = SAMPLES) -> Tensor:
    """Logits of the broken program's file on its target's runner, or of the artifact's file on
    broken inputs. Raises NoPlaceError.
    """
    section = opened.manifest.input
    given = fed(images_of(opened.inputs()[:count], section), fault, section)
    given = given * 255 if section.normalization == "model" else normalized(given, section)
    target = target_named(opened.manifest.target.name)
    runner = runner_named(target.runner, target.name)
    if fault.edit is None:
        return runner.run(opened.model, given, lambda: None)
    broken = broken_program(opened, fault)
    program = torch.export.export(broken, (normalized(images_of(given, section), section)[0],))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.file)
        target.lower(program, _lowering(opened), path)
        return runner.run(path, given, lambda: None)


def _lowering(opened: Artifact) -> Lowering:
    manifest = opened.manifest
    facts = dict.fromkeys(("name", "model", "size", "weights", "version"), "broken")
    return Lowering(
        recipe_named(manifest.recipe),
        manifest.input.spec,
        manifest.target.options,
        tuple(opened.labels()),
        facts,
    )


def hop_of(opened: Artifact, name: str, found: Tensor, reference: Tensor | None = None) -> Hop:
    """The hop that ends in a program, with that program's logits replaced by those found, on the
    golden inputs or on others with the ``reference``'s logits on them.
    """
    manifest, count = opened.manifest, len(found)
    logits = {program: opened.logits(program)[:count] for program in ("reference", *ENDS.values())}
    if reference is not None:
        logits["reference"] = reference
    logits[ENDS[name]] = found
    runner = target_named(manifest.target.name).runner
    report, _ = judge(manifest, runner, "golden", logits, {}, WHOLE)
    return next(hop for hop in report.hops if hop.name == name)


def planted(opened: Artifact, in_file: bool) -> dict[str, Tensor]:
    """Logits with each fault that the network has a place for."""
    plant, found = broken_file_logits if in_file else broken_logits, {}
    for fault in FAULTS:
        with suppress(NoPlaceError):
            found[fault.name] = plant(opened, fault)
    return found


def judged(opened: Artifact, found: dict[str, Tensor], in_file: bool) -> dict[str, Hop]:
    """The hop of each fault."""
    name = "lower" if in_file else hop_of_program(opened)
    return {fault: hop_of(opened, name, logits) for fault, logits in found.items()}


def passes_self_test(opened: Artifact, found: Tensor) -> bool:
    """Whether an app would take these logits for the file's."""
    mark = opened.manifest.selftest
    metrics = measure(opened.logits("file")[: len(found), 0], found[:, 0])
    return metrics.sqnr_db >= mark.sqnr_db and metrics.top1_agreement >= mark.top1


def main() -> None:
    """Print a table for each target and recipe: a row a fault, a column a network."""
    in_file = "file" in sys.argv[1:]
    cells = (*CELLS, *PTE) if in_file else AT_224 if "real-size" in sys.argv[1:] else CELLS
    named = set(sys.argv[1:]) & {target for _, target, _ in cells}
    for target, recipe in dict.fromkeys((target, recipe) for _, target, recipe in cells):
        if named and target not in named:
            continue
        columns = {}
        for model in (cell[0] for cell in cells if cell[1:] == (target, recipe)):
            opened = _opened(model, target, recipe)
            columns[model] = judged(opened, planted(opened, in_file), in_file)
        print(f"\n{target} `{recipe}`\n\n{table(columns)}", flush=True)


def _opened(model: str, target: str, recipe: str) -> Artifact:
    """An artifact, built where it is not there."""
    out = Path("build", "faults", f"{model}-{target}-{recipe}")
    request = BuildRequest(model=model, target=target, recipe=recipe, out=out)
    if not (out / MANIFEST).is_file():
        build(request, silent_reporter())
    return open_artifact(out)


def table(columns: dict[str, dict[str, Hop]]) -> str:
    """SQNR and top-1 agreement of each hop, bold where its gate does not see the fault."""
    lines = [f"| fault | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for fault in FAULTS:
        cells = [_figures(hops.get(fault.name)) for hops in columns.values()]
        lines.append(f"| {fault.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _figures(hop: Hop | None) -> str:
    if hop is None:
        return ""
    if hop.sqnr_db is None:
        return hop.why
    figures = f"{hop.sqnr_db:.1f} dB, {hop.top1_agreement:.0%}"
    return f"**{figures}**" if hop.status == "passed" else figures


if __name__ == "__main__":
    main()
