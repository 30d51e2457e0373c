"""Faults to plant in the program of a build, or in what is fed to it.

Most change constants alone, so that a target lowers the broken program as it does the right one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, fx

from export_targets.artifact.interface import InputSection
from export_targets.lowering.graph import WEIGHTED, module_path, multiply_accumulates, operator_name

Edit = Callable[[fx.GraphModule], None]
Feed = Callable[[Tensor], Tensor]


class NoPlaceError(Exception):
    """The network has no place for a fault."""


@dataclass(frozen=True)
class Fault:
    """One fault: of the program, as an edit of its graph, or of the images, (N, B, 3, H, W) from 0
    to 1.
    """

    name: str
    edit: Edit | None = None
    feed: Feed | None = None
    twice: bool = False  # what is fed was normalized before


def normalized(images: Tensor, section: InputSection) -> Tensor:
    """Images from 0 to 1 with the mean and deviation of a model's input."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (section.mean, section.std))
    return (images - mean) / std


def images_of(inputs: Tensor, section: InputSection) -> Tensor:
    """What a saved file takes, (N, B, 3, H, W), as images from 0 to 1."""
    if section.normalization == "model":
        return inputs / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (section.mean, section.std))
    return inputs * std + mean


def fed(images: Tensor, fault: Fault, section: InputSection) -> Tensor:
    """The images that a faulty caller gives, from 0 to 1."""
    images = images if fault.feed is None else fault.feed(images)
    return normalized(images, section) if fault.twice else images


def drop_context(module: fx.GraphModule) -> None:
    """The dynamic context of a CoT layer is nothing."""
    node = _last(module.graph, "conv2.local.sum", "conv2.softmax_mean", "softmax_mean")
    times = torch.ops.aten.mul.Tensor
    _after(node, lambda graph, at: graph.call_function(times, (at, 0.0)))


def zero_weights(module: fx.GraphModule) -> None:
    _change(_constant(_weight(_middle(module.graph))), torch.zeros_like)


def swap_channels(module: fx.GraphModule) -> None:
    """Two results of a layer change places."""
    node = _middle(module.graph)
    _reorder_rows(node, [1, 0, *range(2, node.meta["val"].shape[1])])


def leave_out_bias(module: fx.GraphModule) -> None:
    _change(_constant(_middle(module.graph).args[2]), torch.zeros_like)


def double_scale(module: fx.GraphModule) -> None:
    """The scale of a layer's weights; of a float layer the weights themselves."""
    weight = _middle(module.graph).args[1]
    assert isinstance(weight, fx.Node)
    scale = weight if weight.op == "get_attr" else weight.args[1]
    _change(_constant(scale), lambda values: values * 2)


def permute_heads(module: fx.GraphModule) -> None:
    """The first block's queries of one half of the heads and of the other change places."""
    for node in _products(module.graph):
        if module_path(node).endswith("attn.query"):
            rows = len(_constant(_weight(node)))
            _reorder_rows(node, torch.arange(rows).view(2, -1).flip(0).flatten().tolist())
            return
    raise NoPlaceError


def shift_coupling(module: fx.GraphModule) -> None:
    """The map of the last up-coupling is one pixel to the right."""
    node = _last(module.graph, "expand_block")
    cut, join = torch.ops.aten.slice.Tensor, torch.ops.aten.cat.default

    def shift(graph: fx.Graph, at: fx.Node) -> fx.Node:
        width = at.meta["val"].shape[3]
        last = graph.call_function(cut, (at, 3, width - 1, width))
        others = graph.call_function(cut, (at, 3, 0, width - 1))
        return graph.call_function(join, ([last, others], 3))

    _after(node, shift)


def reverse_classes(module: fx.GraphModule) -> None:
    """The logits' order, in each head."""
    (logits,) = module.graph.output_node().args[0]
    heads = [logits] if operator_name(logits) in WEIGHTED else list(logits.all_input_nodes)
    for node in heads:
        while operator_name(node) not in WEIGHTED:
            node = node.all_input_nodes[0]
        _reorder_rows(node, list(reversed(range(len(_constant(_weight(node)))))))


FAULTS = (
    Fault("dynamic context of a CoT layer dropped", drop_context),
    Fault("a layer's weights zero", zero_weights),
    Fault("two channels swapped", swap_channels),
    Fault("a bias left out", leave_out_bias),
    Fault("a scale off by two", double_scale),
    Fault("attention heads permuted", permute_heads),
    Fault("up-coupling shifted by a pixel", shift_coupling),
    Fault("class order reversed", reverse_classes),
    Fault("red and blue swapped", feed=lambda images: images.flip(2)),
    Fault("normalized twice", twice=True),
    Fault("black images", feed=torch.zeros_like),
)


def _products(graph: fx.Graph) -> Iterator[fx.Node]:
    """The convolutions and linears, in order."""
    return (node for node in graph.nodes if operator_name(node) in WEIGHTED)


def _last(graph: fx.Graph, *modules: str) -> fx.Node:
    """The last result of the last module whose path ends so."""
    inside = [
        node
        for node in graph.nodes
        if module_path(node).endswith(modules) and "quantize" not in operator_name(node)
    ]
    if not inside:
        raise NoPlaceError
    return inside[-1]


def _middle(graph: fx.Graph) -> fx.Node:
    """The convolution with a bias that computes most in the middle third of the network."""
    convolutions = [node for node in _products(graph) if operator_name(node) == "conv2d"]
    found = [node for node in convolutions if len(node.args) > 2 and node.args[2]]
    return max(found[len(found) // 3 : -len(found) // 3], key=multiply_accumulates)


def _weight(node: fx.Node) -> fx.Node:
    """The constant of a product's weight, in INT8 where it is quantized."""
    weight = node.args[1]
    while isinstance(weight, fx.Node) and weight.op == "call_function":
        weight = weight.args[0]
    assert isinstance(weight, fx.Node)
    return weight


def _constant(node: object) -> Tensor:
    assert isinstance(node, fx.Node)
    assert node.op == "get_attr"
    value = attrgetter(str(node.target))(node.graph.owning_module)
    assert isinstance(value, Tensor)
    return value


def _change(constant: Tensor, change: Callable[[Tensor], Tensor]) -> None:
    with torch.no_grad():
        constant.copy_(change(constant))


def _reorder_rows(node: fx.Node, order: list[int]) -> None:
    """Reorder a product's results: weights, their scales, and the bias."""
    weight = node.args[1]
    assert isinstance(weight, fx.Node)
    constants = [_weight(node), *node.args[2:3]]
    if weight.op == "call_function":
        constants += weight.args[1:3]
    for constant in constants:
        _change(_constant(constant), lambda values: values[order])


def _after(node: fx.Node, change: Callable[[fx.Graph, fx.Node], fx.Node]) -> None:
    """Give every user of a node a changed result."""
    users = list(node.users)
    following = node.next
    with node.graph.inserting_before(following):
        changed = change(node.graph, node)
    for user in users:
        user.replace_input_with(node, changed)
