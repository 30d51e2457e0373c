"""Where a saved file leaves its graph: looked for where the lower hop of an INT8 build fails."""

from collections.abc import Callable

import torch
from torch import Tensor, fx

from edge_models.parity import measure
from export_targets.lowering.graph import module_path, operator_name
from export_targets.prove.layer_errors import LAYERS
from quantize.biases import integer_bias

SAMPLES = 4
LARGEST_INTEGER = 2.0**31
Run = Callable[[torch.export.ExportedProgram, Tensor], Tensor]


def first_apart(
    program: torch.export.ExportedProgram, inputs: Tensor, least_db: float, run: Run
) -> str:
    """The first layer whose result in a file is below ``least_db`` of its graph's, and the likely
    cause, in words. ``run`` lowers a program and executes the file on inputs (samples, ...).

    The program is cut after a layer, and the files of the cuts are bisected: a fault in one layer
    stays in all that follow.
    """
    module = _module(program)
    nodes = {node.name: node for node in module.graph.nodes}
    names = [name for name, node in nodes.items() if operator_name(node) in LAYERS]
    chosen, found = inputs[:SAMPLES], dict[int, float]()
    low, high = -1, len(names)  # the last layer that is known to agree, the first known not to
    while high - low > 1:
        place = (low + high) // 2
        found[place] = _agreement(_cut(program, names[place]), chosen, run)
        low, high = (low, place) if found[place] < least_db else (place, high)
    if high == len(names):
        return "each layer's result in the file is its graph's; what follows the last one is not"
    layers = [nodes[name] for name in names[: high + 1]]
    node = layers[-1]
    before = f", {found[low]:.1f} dB in the layer before" if low >= 0 else ""
    return (
        f"{module_path(node) or node.name} ({operator_name(node)}) is the first layer that is not "
        f"its graph's in the file: {found[high]:.1f} dB{before}; {_cause(module, layers)}"
    )


def _module(program: torch.export.ExportedProgram) -> fx.GraphModule:
    module = program.module()
    assert isinstance(module, fx.GraphModule)
    return module


def _cut(program: torch.export.ExportedProgram, name: str) -> fx.GraphModule:
    """The program up to a layer's result, after its quantization where it has one; (1, numbers)."""
    module = _module(program)
    graph = module.graph
    result = next(node for node in graph.nodes if node.name == name)
    while result.users and all(map(_goes_on, result.users)):
        result = next(iter(result.users))
    output = graph.output_node()
    with graph.inserting_before(output):
        row = graph.call_function(torch.ops.aten.reshape.default, (result, [1, -1]))
    output.args = ((row,),)
    graph.set_codegen(fx.graph.CodeGen())  # the program's own packs its old output
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _goes_on(node: fx.Node) -> bool:
    """Whether a node still belongs to the layer before it: its activation and quantization."""
    return "quantize_per_tensor" in str(node.target) or operator_name(node) == "relu"


def _agreement(module: fx.GraphModule, inputs: Tensor, run: Run) -> float:
    with torch.no_grad():
        expected = torch.stack([module(sample)[0] for sample in inputs])
    actual = run(torch.export.export(module, (inputs[0],)), inputs)
    return measure(expected.flatten(1), actual.flatten(1)).sqnr_db


def _cause(module: fx.GraphModule, layers: list[fx.Node]) -> str:
    """What makes a kernel give other numbers than its operator, where a layer shows it."""
    for layer in layers:
        bias = integer_bias(module, layer)
        if bias is not None and bias.abs().max() >= LARGEST_INTEGER:
            where = module_path(layer) or layer.name
            return f"the bias of {where} passes int32: a channel's weights are zero or close to it"
    return "likely a kernel of the runtime"
