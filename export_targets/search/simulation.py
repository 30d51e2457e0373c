"""A quantized program run on the CPU with any of its layers back in float, not calibrated again.

In a quantized graph each number that an INT8 kernel reads or writes passes a pair of quantize and
dequantize. A pair is left out where what is on both its sides is float, and a float layer takes its
float weights: what a build that keeps those layers float computes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators
from torch import Tensor, fx

from edge_models.reference.heads import stack_outputs
from export_targets.lowering.graph import (
    FOLLOWING,
    PRODUCTS,
    WEIGHTED,
    computing,
    in_int8,
    module_path,
    multiply_accumulates,
    operator_name,
    readers,
    sources,
)

CARRIERS = ("cat", "pad")  # compute nothing, but have kernels for INT8
_operators = torch.ops.quantized_decomposed
DEQUANTIZE = (
    _operators.dequantize_per_tensor.default,
    _operators.dequantize_per_tensor.tensor,
    _operators.dequantize_per_channel.default,
)
STATIC = _operators.quantize_per_tensor.default
QUANTIZE = (STATIC, _operators.quantize_per_tensor.tensor)

Values = Mapping[fx.Node, Any]
LeftOut = frozenset[fx.Node]
Modules = Callable[[str], bool]  # whether a module, by its path, is one of some


class Simulation:
    """The two graphs of a program: ``floating`` as exported, ``quantized`` as PT2E made it of that.

    Raises ValueError where their layers are not the same.
    """

    def __init__(self, floating: fx.GraphModule, quantized: fx.GraphModule) -> None:
        self.quantized = quantized = _with_separate_reads(quantized)
        originals = dict(zip(_computed(quantized), _computed(floating), strict=True))
        self.names = {  # of the weights that are in INT8, in the floating graph
            _weight(layer): str(_weight(original).target)
            for layer, original in originals.items()
            if operator_name(layer) in WEIGHTED and in_int8(layer)
        }
        self.weights = {node: _constant(floating, name) for node, name in self.names.items()}
        self.macs = {layer: multiply_accumulates(node) for layer, node in originals.items()}
        self.pairs = {node: _ends(node) for node in quantized.graph.nodes if _is_pair(node)}
        self.int8 = {  # what computes or copies in INT8, and the path of its module
            node: module_path(node)
            for node in quantized.graph.nodes
            if in_int8(node) or _carries(node)
        }
        self.read = {n: sources(n) for n in self.int8 if operator_name(n) in FOLLOWING}
        self.rectifying = {pair for pair in self.pairs if _rectifies(pair, originals)}
        self.constants = {
            node: _constant(quantized, str(node.target))
            for node in quantized.graph.nodes
            if node.op == "get_attr"
        }
        self.decoded: dict[fx.Node, Tensor] = {}  # INT8 weights as the numbers they stand for

    def products_in(self, chosen: Modules) -> Iterator[fx.Node]:
        """The INT8 products in some modules."""
        for node, module in self.int8.items():
            if operator_name(node) in PRODUCTS and chosen(module):
                yield node

    def macs_in(self, chosen: Modules) -> list[int]:
        """Of each INT8 product in some modules: its multiply-accumulates."""
        return [self.macs[node] for node in self.products_in(chosen)]

    def weight_bytes(self, left_out: LeftOut, of_float: int) -> int:
        """Of the layers that the recipe quantizes, with so many bytes for a weight in float."""
        return sum(
            weight.numel() * (of_float if node in left_out else 1)
            for node, weight in self.weights.items()
        )

    def left_out(self, in_float: Modules) -> LeftOut:
        """The nodes that dequantize nothing where the INT8 layers of some modules are float."""
        floats = set[fx.Node]()
        for node, module in self.int8.items():
            read = self.read.get(node)
            if in_float(module) or (read and floats.issuperset(read)):
                floats.add(node)
        quantized = self.int8.keys() - floats
        weights = {node for node in self.weights if quantized.isdisjoint(node.users)}
        pairs = {node for node, ends in self.pairs.items() if quantized.isdisjoint(ends)}
        return frozenset(weights | pairs)

    def answer(self, sample: Tensor, left_out: LeftOut) -> Tensor:
        """What the program returns for a sample (B, 3, H, W), as (rows, numbers)."""
        return self.returned(self.values(sample, left_out))

    @torch.no_grad()
    def values(self, sample: Tensor, left_out: LeftOut, known: Values | None = None) -> Values:
        """The values of all nodes for a sample; those that are ``known`` are taken as they are."""
        return self.run(sample, left_out, known)

    def run(self, sample: Tensor, left_out: LeftOut, known: Values | None = None) -> Values:
        """``values`` by way of which gradients pass, through rounding as if it were none."""
        values = dict(known or {})
        for node in self.quantized.graph.nodes:
            if node not in values:
                values[node] = self._value(node, values, sample, node in left_out)
        return values

    def untouched(self, one: LeftOut, other: LeftOut) -> frozenset[fx.Node]:
        """The nodes that have the same values where others dequantize nothing."""
        touched = set(one ^ other)
        for node in self.quantized.graph.nodes:
            if not touched.isdisjoint(node.all_input_nodes):
                touched.add(node)
        return frozenset(self.quantized.graph.nodes) - touched

    def returned(self, values: Values) -> Tensor:
        """What the program returned where its nodes had these values, (rows, numbers)."""
        return stack_outputs(values[self.quantized.graph.output_node()])

    def _value(self, node: fx.Node, values: Values, sample: Tensor, left_out: bool) -> Any:
        if node.op == "placeholder":
            return sample
        if node.op == "get_attr":
            return self.constants[node]
        if node in self.pairs:
            return self._passed(node, values, left_out)
        if node in self.weights and left_out:
            return self.weights[node]
        if node in self.decoded:
            return self.decoded[node]
        if node.target == STATIC and self.pairs.keys() >= node.users.keys():
            return None  # the pairs read what it quantizes
        arguments = fx.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "output":
            return arguments[0][0]
        call: Any = node.target
        if isinstance(call, str):  # what torch.export guards the inputs with
            call = self.quantized.get_submodule(call)
        result = call(*arguments[0], **arguments[1])
        if node in self.weights:
            self.decoded[node] = result
        return result

    def _passed(self, pair: fx.Node, values: Values, left_out: bool) -> Any:
        quantize: Any = pair.args[0]
        value = values[quantize.args[0]]
        if left_out:
            return value.relu() if pair in self.rectifying else value
        scale, zero_point, low, high = quantize.args[1:5]
        if quantize.target != STATIC:  # its scale is of each input
            scale, zero_point = values[scale].detach(), values[zero_point].detach()
        if value.requires_grad:
            return torch.fake_quantize_per_tensor_affine(value, scale, zero_point, low, high)
        return rounded(value, scale, zero_point, low, high)


def rounded(value: Tensor, scale: Any, zero_point: Any, low: int, high: int) -> Tensor:
    """To the bit what ``torch.fake_quantize_per_tensor_affine`` gives, which takes twenty times as
    long.
    """
    step = torch.as_tensor(scale, dtype=torch.float32)
    lowest, highest = low - int(zero_point), high - int(zero_point)
    return value.mul(1 / step).round_().clamp_(lowest, highest).mul_(step)


def _computed(module: fx.GraphModule) -> Iterator[fx.Node]:
    """The calls that both graphs of a program have, in the same order."""
    for node in module.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload) or operator_name(node) == "relu":
            continue
        if node.target.namespace != "quantized_decomposed":
            yield node


def _rectifies(pair: fx.Node, originals: Mapping[fx.Node, fx.Node]) -> bool:
    """Whether a pair stands for a ReLU too, that was left to the smallest integer."""
    quantize: Any = pair.args[0]
    source, _, zero_point, smallest = quantize.args[:4]
    original = originals.get(source)
    users = () if original is None else original.users
    return zero_point == smallest and any(operator_name(user) == "relu" for user in users)


def _with_separate_reads(quantized: fx.GraphModule) -> fx.GraphModule:
    """The same program in which each reader dequantizes its own input, as one of them may be float.

    before: q -> dq -> query, and the same dq -> key
    after:  q -> dq -> query, and q -> another dq -> key
    """
    copied = fx.Graph()
    copied.output(copied.graph_copy(quantized.graph, {}))
    for node in filter(_is_pair, list(copied.nodes)):
        for reader in list(node.users)[1:]:
            with copied.inserting_after(node):
                own = copied.node_copy(node)
            reader.replace_input_with(node, own)
    copied.set_codegen(quantized.graph._codegen)  # how it takes its input and returns its output
    return fx.GraphModule(quantized, copied)


def _carries(node: fx.Node) -> bool:
    """Whether a node that computes nothing takes integers to integers."""
    quantized = all(user.target == STATIC for user in node.users)
    dequantized = all(source.target in DEQUANTIZE for source in node.all_input_nodes)
    return operator_name(node) in CARRIERS and quantized and dequantized


def _weight(layer: fx.Node) -> fx.Node:
    weight = layer.args[1]
    assert isinstance(weight, fx.Node)
    return weight


def _constant(module: fx.GraphModule, target: str) -> Tensor:
    owner, _, name = target.rpartition(".")
    value: Tensor = getattr(module.get_submodule(owner), name)
    return value


def _is_pair(node: fx.Node) -> bool:
    """Whether a node dequantizes what was quantized for it as the program ran."""
    if node.target not in DEQUANTIZE:
        return False
    source = node.args[0]
    return isinstance(source, fx.Node) and source.target in QUANTIZE


def _ends(pair: fx.Node) -> frozenset[fx.Node]:
    """What computes the numbers that pass a pair, and what reads them; of a pair whose scale is of
    each input the readers alone, which ask for it.
    """
    assert isinstance(pair.args[0], fx.Node)
    computed = {computing(pair)} if pair.args[0].target == STATIC else set()
    return frozenset(computed | readers(pair))
