"""Program: the graph of an exported network while it is rewritten."""

import torch
from torch import Tensor, fx, nn


class Program:
    """A network's graph. Its nodes know the paths of the network's modules."""

    def __init__(self, exported: torch.export.ExportedProgram) -> None:
        self.root: fx.GraphModule = exported.module(check_guards=False)
        self.graph: fx.Graph = self.root.graph
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
        return value if isinstance(value, Tensor) else None

    def new_constant(self, value: Tensor, before: fx.Node) -> fx.Node:
        """A node ahead of ``before`` that reads a new parameter with this value in float32."""
        name = f"rewritten_{self._made}"
        self._made += 1
        setattr(self.root, name, nn.Parameter(value.float(), requires_grad=False))
        with self.graph.inserting_before(before):
            return self.graph.get_attr(name)

    def replace(self, node: fx.Node, by: fx.Node) -> None:
        """Let everything that reads a node read another one, and drop it."""
        node.replace_all_uses_with(by)
        self.graph.erase_node(node)

    def module(self) -> fx.GraphModule:
        """The rewritten network with the parameters that it still reads."""
        self.graph.eliminate_dead_code()
        return fx.GraphModule(self.root, self.graph)
