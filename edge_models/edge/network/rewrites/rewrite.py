"""Rewrite: the form that takes an operator's place."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import fx, nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program


def _none(_: fx.Node) -> tuple[fx.Node, ...]:
    return ()


@dataclass(frozen=True)
class Rewrite:
    """What stands in place of calls of ``operators``.

    ``form`` makes it for a call, or gives None where the call is taken as it is or the rewrite does
    not hold. It is called with the call's first argument and ``more_inputs``. Where ``of_results``,
    the call returns several tensors and ``form`` is asked for each one that is read: the node is
    then ``getitem``.
    """

    name: str
    operators: tuple[object, ...]
    form: Callable[[Program, fx.Node, Forms], nn.Module | None]
    more_inputs: Callable[[fx.Node], Iterable[fx.Node]] = _none
    of_results: bool = False
