"""A network of one's own in edge form."""

from dataclasses import dataclass

from torch import nn

from edge_models.edge.forms import Forms
from edge_models.spec import Size


@dataclass(frozen=True)
class Recognized:
    """A module of a network by its path, what it was taken for, and how exactly its edge form
    computes the same; or why it stays.
    """

    path: str
    kind: str | None
    why: str
    sqnr_db: float | None


def network_edge_form(
    module: nn.Module, size: Size, batch: int, forms: Forms
) -> tuple[nn.Module, tuple[Recognized, ...]]:
    """The network as it is, and which of its layers were recognized: none."""
    return module, ()
