"""Where an XNNPACK INT8 artifact's numbers on ARM64 part from those of this machine's runtime.

``python -m tests.benchmarks.arm64.first_difference ARTIFACT [OPERATOR...]``: without numbers, the
operators of the artifact's quantized graph; with them, the graph is cut after each of these,
lowered and run on both for the first golden input.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge_models.catalog import model_spec
from export_targets.artifact.folder import LOWERED, Artifact, open_artifact
from export_targets.runners.linux import DEFAULT_CPU, SYSROOT
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.benchmarks.arm64 import program
from tests.benchmarks.result import RESULTS

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"


@dataclass(frozen=True)
class Watched:
    """An operator and its result. ``step`` is that of the result's INT8 grid, 0 of a float one."""

    name: str
    result: torch.fx.Node
    step: float


def watched(graph: torch.fx.Graph) -> list[Watched]:
    """The operators that compute; of one that is quantized its INT8 numbers, as they leave it."""
    found = []
    for node in graph.nodes:
        value = node.meta.get("val")
        is_float = isinstance(value, Tensor) and value.dtype == torch.float32
        if getattr(node.target, "namespace", "") != "aten" or not is_float:
            continue
        quantized = [user for user in node.users if str(user.target) == QUANTIZE]
        result = next(iter(quantized[0].users)) if quantized else node
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        name = f"{node.target} {stack[-1][0] if stack else ''}"
        found.append(Watched(name, result, float(quantized[0].args[1]) if quantized else 0.0))
    return found


def compare(opened: Artifact, program_: torch.export.ExportedProgram, number: int) -> str:
    """What the cut after one operator gives on both, in words."""
    image, module = opened.inputs()[0], program_.module()
    item = watched(module.graph)[number]
    (end,) = [node for node in module.graph.nodes if node.op == "output"]
    end.args = ((item.result,),)
    module.graph.set_codegen(torch.fx.graph.CodeGen())  # the program's own packs its old output
    module.graph.eliminate_dead_code()
    module.recompile()
    with tempfile.TemporaryDirectory() as name:
        model = Path(name, "cut.pte")
        spec = model_spec(opened.manifest.model.name)
        lowering = Lowering(recipe_named(opened.manifest.recipe), spec.input, {}, (), {})
        target_named("xnnpack").lower(torch.export.export(module, (image,)), lowering, model)
        own, other = on_this_machine(model, image), on_arm64(model, image)
    apart = np.abs(own - other)
    if not apart.any():
        return f"{number:4} {item.name}: equal"
    unit = "steps" if item.step else "of the largest number"
    size = apart.max() / (item.step or np.abs(own).max())
    return f"{number:4} {item.name}: {np.mean(apart > 0):.3%} differ, at most {size:.2g} {unit}"


def on_this_machine(model: Path, image: Tensor) -> np.ndarray:
    """The one output, in the order of its memory."""
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(model).load_method("forward")
    assert method is not None
    value = method.execute([image])[0]
    ordered = value if value.is_contiguous() else value.permute(0, 2, 3, 1)
    return np.array(ordered.flatten())


def on_arm64(model: Path, image: Tensor) -> np.ndarray:
    """The same under qemu."""
    inference = program.build(RESULTS / "arm64").inference
    source, target = model.with_name("input.f32"), model.with_name("logits.f32")
    image.numpy().astype("<f4").tofile(source)
    command = ["qemu-aarch64", "-cpu", DEFAULT_CPU, "-L", SYSROOT, str(inference)]
    subprocess.run([*command, str(model), str(source), str(target), "1"], check=True)
    return np.fromfile(target, "<f4")


def main() -> None:
    """Print a line for each operator."""
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    folder, *numbers = sys.argv[1:]
    opened = open_artifact(Path(folder))
    exported = torch.export.load(opened.path(LOWERED))
    if not numbers:
        for number, item in enumerate(watched(exported.module().graph)):
            print(f"{number:4} {item.name}{', INT8' if item.step else ''}")
    for number in map(int, numbers):
        print(compare(opened, exported, number), flush=True)


if __name__ == "__main__":
    main()
