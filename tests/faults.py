"""Faults planted in real builds, and which gate sees them.

``python -m tests.faults`` plants each fault in the program of a build and prints what the
gate of its hop sees.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, fx

from edge_models.parity import Hop
from edge_models.reference.heads import run_eager
from export_targets.artifact.folder import LOWERED, MANIFEST, Artifact, open_artifact
from export_targets.artifact.manifest import Delegation
from export_targets.lowering.graph import module_path, multiply_accumulates, operator_name
from export_targets.pipeline import build
from export_targets.progress import silent_reporter
from export_targets.prove.hops import judge
from export_targets.request import BuildRequest
from export_targets.target import target_named
from quantize.recipe import recipe_named

Edit = Callable[[fx.GraphModule], None]
PRODUCTS = ("conv2d", "linear")
WHOLE = Delegation(delegates=1, delegated_ops=1, undelegated={}, fallen=())


SAMPLES = 8
CELLS = [("digits_cotnet", "xnnpack", "int8")]
# Faults that the gate of this build does not see.
UNSEEN = {
    "two channels swapped": "of two channels of one layer little reaches the logits",
    "red and blue swapped": "the digits are grey",
}


class NoPlaceError(Exception):
    """The network has no place for a fault."""


@dataclass(frozen=True)
class Fault:
    """One fault: of the program, as an edit of its graph, or of the input, (N, B, 3, H, W)."""

    name: str
    edit: Edit | None = None
    feed: Callable[[Tensor, "Artifact"], Tensor] | None = None


def _last(graph: fx.Graph, *modules: str) -> fx.Node:
    """The last node of the first module whose path ends so."""
    for path in dict.fromkeys(module_path(node) for node in graph.nodes):
        if path.endswith(modules):
            inside = [node for node in graph.nodes if module_path(node) == path]
            return [node for node in inside if "quantize" not in operator_name(node)][-1]
    raise NoPlaceError


def _middle(graph: fx.Graph) -> fx.Node:
    """The convolution with a bias that computes most in the middle third of the network."""
    convolutions = [node for node in graph.nodes if operator_name(node) == "conv2d"]
    found = [node for node in convolutions if len(node.args) > 2 and node.args[2]]
    return max(found[len(found) // 3 : -len(found) // 3], key=multiply_accumulates)


def _after(node: fx.Node, change: Callable[[fx.Graph, fx.Node], fx.Node]) -> None:
    """Give every user of a node a changed result."""
    users = list(node.users)
    with node.graph.inserting_after(node):
        changed = change(node.graph, node)
    for user in users:
        user.replace_input_with(node, changed)


def _times(node: fx.Node, factor: float) -> None:
    _after(node, lambda graph, at: graph.call_function(torch.ops.aten.mul.Tensor, (at, factor)))


def _picked(node: fx.Node, axis: int, order: list[int]) -> None:
    """Reorder a node's result along an axis."""
    module = node.graph.owning_module
    assert module is not None
    name = f"order_of_{node.name}"
    module.register_buffer(name, torch.tensor(order))

    def pick(graph: fx.Graph, at: fx.Node) -> fx.Node:
        index = graph.get_attr(name)
        at.append(index)
        with graph.inserting_after(index):
            return graph.call_function(torch.ops.aten.index_select.default, (at, axis, index))

    _after(node, pick)


def drop_context(module: fx.GraphModule) -> None:
    """The dynamic context of the first CoT layer is nothing."""
    _times(_last(module.graph, "conv2.local.sum", "conv2.softmax_mean", "softmax_mean"), 0.0)


def zero_weights(module: fx.GraphModule) -> None:
    weight = _middle(module.graph).args[1]
    assert isinstance(weight, fx.Node)
    _times(weight, 0.0)


def swap_channels(module: fx.GraphModule) -> None:
    node = _middle(module.graph)
    order = list(range(node.meta["val"].shape[1]))
    order[0], order[1] = 1, 0
    _picked(node, 1, order)


def leave_out_bias(module: fx.GraphModule) -> None:
    node = _middle(module.graph)
    node.args = (*node.args[:2], None, *node.args[3:])


def double_scale(module: fx.GraphModule) -> None:
    _times(_middle(module.graph), 2.0)


def permute_heads(module: fx.GraphModule) -> None:
    """The first block's queries of two heads change places."""
    heads = 2
    for node in module.graph.nodes:
        if operator_name(node) in PRODUCTS and module_path(node).endswith(("attn.q", "attn.query")):
            axis = 1 if operator_name(node) == "conv2d" else node.meta["val"].dim() - 1
            width = node.meta["val"].shape[axis]
            order = torch.arange(width).view(heads, -1).flip(0).flatten().tolist()
            _picked(node, axis, order)
            return
    raise NoPlaceError


def shift_coupling(module: fx.GraphModule) -> None:
    """The map of the first up-coupling is one pixel to the right."""
    node = _last(module.graph, "expand_block")
    width = node.meta["val"].shape[3]
    _picked(node, 3, [width - 1, *range(width - 1)])


def reverse_classes(module: fx.GraphModule) -> None:
    (logits,) = module.graph.output_node().args[0]
    _picked(logits, 1, list(reversed(range(logits.meta["val"].shape[1]))))


def swap_red_and_blue(inputs: Tensor, _: Artifact) -> Tensor:
    return inputs.flip(2)


def normalize_twice(inputs: Tensor, opened: Artifact) -> Tensor:
    section = opened.manifest.input
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (section.mean, section.std))
    return (inputs - mean) / std


def blacken(inputs: Tensor, _: Artifact) -> Tensor:
    return torch.full_like(inputs, inputs.min().item())


FAULTS = (
    Fault("dynamic context of a CoT layer dropped", drop_context),
    Fault("a layer's weights zero", zero_weights),
    Fault("two channels swapped", swap_channels),
    Fault("a bias left out", leave_out_bias),
    Fault("a scale off by two", double_scale),
    Fault("two attention heads permuted", permute_heads),
    Fault("up-coupling shifted by a pixel", shift_coupling),
    Fault("class order reversed", reverse_classes),
    Fault("red and blue swapped", feed=swap_red_and_blue),
    Fault("normalized twice", feed=normalize_twice),
    Fault("black images", feed=blacken),
)


@cache
def _program(path: Path) -> fx.GraphModule:
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    module = torch.export.load(path).module()
    assert isinstance(module, fx.GraphModule)
    return module


def broken_program(opened: Artifact, fault: Fault) -> fx.GraphModule:
    """The program with a fault planted. Raises NoPlaceError."""
    module = copy.deepcopy(_program(opened.path(LOWERED)))
    if fault.edit is not None:
        fault.edit(module)
        module.graph.lint()
        module.recompile()
    return module


def normalized(opened: Artifact) -> Tensor:
    """The golden inputs as the program takes them, (samples, B, 3, H, W)."""
    inputs, section = opened.inputs(), opened.manifest.input
    if section.normalization == "caller":
        return inputs
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (section.mean, section.std))
    return (inputs / 255 - mean) / std


def program_logits(opened: Artifact, fault: Fault, inputs: Tensor) -> Tensor:
    """Of the broken program, or of the right one on broken inputs."""
    fed = inputs if fault.feed is None else fault.feed(inputs, opened)
    return run_eager(broken_program(opened, fault), fed)


def hop_of(opened: Artifact, name: str, found: Tensor) -> Hop:
    """The hop that ends in a program, with that program's logits replaced by those found."""
    manifest, count = opened.manifest, len(found)
    edge = opened.logits("edge")[:count]
    changed = found if name == "quantize" else opened.logits("lowered")[:count]
    logits = {
        "reference": opened.logits("reference")[:count],
        "edge": found if name == "edge" else edge,
        "quantized": changed,
        "exact": changed,
        "file": found,
    }
    runner = target_named(manifest.target.name).runner
    report, _ = judge(manifest, runner, "golden", logits, {}, WHOLE)
    return next(hop for hop in report.hops if hop.name == name)


def hop_of_program(opened: Artifact) -> str:
    """The hop whose end is the program that was lowered."""
    return "quantize" if recipe_named(opened.manifest.recipe).approximate else "edge"


def measured(opened: Artifact, count: int) -> Iterator[tuple[str, Hop]]:
    """Each fault that the network has a place for, and the hop of the broken program."""
    inputs = normalized(opened)[:count]
    for fault in FAULTS:
        try:
            found = program_logits(opened, fault, inputs)
        except NoPlaceError:
            continue
        yield fault.name, hop_of(opened, hop_of_program(opened), found)


def main() -> None:
    """Print a row for each fault in each build: the hop, its figures, and whether it is seen."""
    print("| build | hop | fault | SQNR | top-1 | seen |\n|---|---|---|---|---|---|")
    for model, target, recipe in CELLS:
        out = Path("build", "faults", f"{model}-{target}-{recipe}")
        request = BuildRequest(model=model, target=target, recipe=recipe, out=out)
        if not (out / MANIFEST).is_file():
            build(request, silent_reporter())
        for name, hop in measured(open_artifact(out), SAMPLES):
            build_name = f"{model} {target} `{recipe}`"
            print(f"| {build_name} | {hop.name} | {name} | {_figures(hop)} |", flush=True)


def _figures(hop: Hop) -> str:
    seen = "**not seen**" if hop.status == "passed" else "seen"
    if hop.sqnr_db is None:
        return f"- | - | {seen}: {hop.why}"
    return f"{hop.sqnr_db:.1f} dB | {hop.top1_agreement:.0%} | {seen}"


if __name__ == "__main__":
    main()
