"""Program: the graph of an exported network while it is rewritten."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn

from edge_models.edge.folding import Affine


class Program:
    """A network's graph, without operators that change their inputs. Its nodes know the paths of
    the network's modules. ``fired`` counts the rewrites by name.
    """

    def __init__(self, exported: torch.export.ExportedProgram) -> None:
        functional = exported.run_decompositions({})
        self.root: fx.GraphModule = functional.module(check_guards=False)
        self.graph: fx.Graph = self.root.graph
        for node in self.nodes(torch.ops.aten.view.default):
            node.target = torch.ops.aten.reshape.default  # a form may lay its result out otherwise
        self.fired: Counter[str] = Counter()
        self._made = 0

    def nodes(self, *operators: object) -> list[fx.Node]:
        """The calls of these operators, in the graph's order."""
        return [node for node in self.graph.nodes if node.target in operators]

    def constant(self, argument: object) -> Tensor | None:
        """The tensor that an argument reads from the network; None of anything else."""
        if not isinstance(argument, fx.Node) or argument.op != "get_attr":
            return None
        value: object = self.root
        for name in str(argument.target).split("."):
            value = getattr(value, name)
        return value.detach() if isinstance(value, Tensor) else None

    def affine(self, product: fx.Node) -> Affine | None:
        """The constant weight and bias of a product, one that is left out as zeros; None of a
        product whose are not constant.
        """
        given = arguments(product)
        weight, bias = self.constant(given["weight"]), self.constant(given["bias"])
        if weight is None or (given["bias"] is not None and bias is None):
            return None
        return Affine(weight, weight.new_zeros(len(weight)) if bias is None else bias)

    def new_constant(self, value: Tensor, before: fx.Node) -> fx.Node:
        """A node ahead of ``before`` that reads a new parameter with this value in float32."""
        name = f"rewritten_{self._made}"
        self._made += 1
        setattr(self.root, name, nn.Parameter(value.float(), requires_grad=False))
        with self.graph.inserting_before(before):
            made = self.graph.get_attr(name)
        made.meta["val"] = value.float()
        return made

    def replace(self, node: fx.Node, by: fx.Node) -> None:
        """Let everything that reads a node read another one, and drop it."""
        node.replace_all_uses_with(by)
        self.graph.erase_node(node)

    def put(self, node: fx.Node, form: nn.Module, inputs: tuple[fx.Node, ...]) -> None:
        """A module in place of a node, at the path of the network's module that made the node."""
        stack = [*node.meta.get("nn_module_stack", {}).values()]
        path = str(stack[-1][0]) if stack else ""
        name = f"{path}.{node.name}" if path else node.name
        self.root.add_submodule(name, form.eval())
        with self.graph.inserting_before(node):
            made = self.graph.call_module(name, inputs)
        made.meta["val"] = node.meta["val"]
        self.replace(node, made)

    def module(self) -> fx.GraphModule:
        """The rewritten network with the parameters that it still reads."""
        self.graph.eliminate_dead_code()
        return fx.GraphModule(self.root, self.graph)


def arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of an operator's call by name, those left out with their defaults."""
    assert isinstance(node.target, torch._ops.OpOverload)
    schema = node.target._schema.arguments
    given = dict(zip((argument.name for argument in schema), node.args, strict=False))
    return {argument.name: argument.default_value for argument in schema} | given | node.kwargs


def shape(node: object) -> tuple[int, ...]:
    """Of a node's tensor."""
    assert isinstance(node, fx.Node)
    return tuple(node.meta["val"].shape)
