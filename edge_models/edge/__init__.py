"""The same models in edge form: static shapes, exact algebra, operations that delegate."""

import importlib

from torch import nn

from edge_models.edge.conformer import Conformer, ConvTransBlock
from edge_models.edge.cot_layer import CoTLayer
from edge_models.edge.cotnet import CoTNet
from edge_models.edge.forms import Forms
from edge_models.edge.official_cot_layer import OfficialCoTLayer
from edge_models.edge.official_cotnet import OfficialCoTNet
from edge_models.spec import ModelSpec, Size

__all__ = [
    "CoTLayer",
    "CoTNet",
    "Conformer",
    "ConvTransBlock",
    "Forms",
    "OfficialCoTLayer",
    "OfficialCoTNet",
    "edge_form",
]


def edge_form(
    spec: ModelSpec, reference: nn.Module, size: Size, batch: int, heads: str, forms: Forms
) -> nn.Module:
    """The edge form of a spec's reference: static for (H, W) = ``size`` and ``batch``.

    ``heads`` as in ``SingleOutput``. The module of ``spec.family`` in this package makes it.
    """
    family = importlib.import_module(f"{__name__}.{spec.family}")
    module: nn.Module = family.to_edge(reference, size, batch, heads, forms)
    return module
