"""KnownLayer: one published layer as it is recognized in a network, and its edge form."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.calls import Call

Kind = TypeVar("Kind", bound=nn.Module)


@dataclass(frozen=True)
class Candidate:
    """A module of a network that may be a known layer: its call, and its layers with parameters in
    the order of their calls.
    """

    module: nn.Module
    call: Call
    leaves: tuple[nn.Module, ...]

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The layers of one class."""
        return [leaf for leaf in self.leaves if isinstance(leaf, kind)]


@dataclass(frozen=True)
class KnownLayer:
    """One published layer.

    ``reference`` is its class here, ``ranks`` the number of axes of each tensor that it is called
    with. ``blanks`` gives reference layers of the shapes that a
    candidate's own layers have, the likelier first: none where it cannot be this layer. ``edge``
    makes the edge form of a reference for the candidate's call, or raises ValueError with a reason;
    it is called with the call's tensors alone and returns what the candidate does.
    """

    name: str
    reference: type[nn.Module]
    ranks: tuple[int, ...]
    blanks: Callable[[Candidate], Iterable[nn.Module]]
    edge: Callable[[nn.Module, Candidate, Forms], nn.Module]
