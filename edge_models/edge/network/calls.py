"""How each module of a network is called in one forward pass."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

PLAIN = (int, float, bool, str, type(None))  # arguments that are compared by value


@dataclass(frozen=True)
class Shape:
    """What stands for a tensor among the leaves of a call."""

    size: torch.Size


@dataclass(frozen=True)
class Call:
    """The arguments of a module's call and what it returned, tensors as their shapes."""

    arguments: tuple[Any, ...]
    structure: pytree.TreeSpec
    results: tuple[Any, ...]
    result_structure: pytree.TreeSpec

    @property
    def shapes(self) -> tuple[torch.Size, ...]:
        """Of the tensors among the arguments, in their order."""
        return tuple(leaf.size for leaf in self.arguments if isinstance(leaf, Shape))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The whole numbers among the arguments, in their order."""
        return tuple(leaf for leaf in self.arguments if type(leaf) is int)

    @property
    def result_shapes(self) -> tuple[torch.Size, ...]:
        return tuple(leaf.size for leaf in self.results if isinstance(leaf, Shape))

    @property
    def of_one_tensor(self) -> bool:
        """Whether one tensor by position is given and one tensor returned, nothing else."""
        given: tuple[tuple[int], dict[str, int]] = ((0,), {})
        return (
            len(self.shapes) == len(self.result_shapes) == 1
            and self.structure == pytree.tree_structure(given)
            and self.result_structure == pytree.tree_structure(0)
        )

    def drawn(
        self, generator: torch.Generator, deviation: float = 1.0
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, by position and by name, with normally distributed tensors."""
        leaves = [
            torch.randn(leaf.size, generator=generator) * deviation
            if isinstance(leaf, Shape)
            else leaf
            for leaf in self.arguments
        ]
        by_position, by_name = pytree.tree_unflatten(leaves, self.structure)
        return by_position, by_name

    def is_as(self, other: "Call") -> bool:
        """Whether both have the same arguments and shapes."""
        pairs = zip(self.arguments, other.arguments, strict=False)
        return self.structure == other.structure and all(
            a == b if isinstance(a, (*PLAIN, Shape)) else a is b for a, b in pairs
        )


Calls = dict[nn.Module, Call | None]


def calls_of(network: nn.Module, arguments: tuple[Any, ...]) -> Calls:
    """The call of each module that is called in a forward pass, in the order in which they end;
    None for one that is called in different ways.
    """
    calls: Calls = {}
    given: dict[nn.Module, list[tuple[tuple[Any, ...], pytree.TreeSpec]]] = {}

    def before(module: nn.Module, by_position: Any, by_name: Any) -> None:
        given.setdefault(module, []).append(_shaped((tuple(by_position), by_name)))

    def after(module: nn.Module, _: Any, results: Any) -> None:
        call = Call(*given[module].pop(), *_shaped(results))
        if module not in calls:
            calls[module] = call
        elif (earlier := calls[module]) is None or not call.is_as(earlier):
            calls[module] = None

    hooks = []
    for module in network.modules():
        hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
        hooks.append(module.register_forward_hook(after))
    try:
        network(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _shaped(values: Any) -> tuple[tuple[Any, ...], pytree.TreeSpec]:
    leaves, structure = pytree.tree_flatten(values)
    shaped = (Shape(leaf.shape) if isinstance(leaf, Tensor) else leaf for leaf in leaves)
    return tuple(shaped), structure
