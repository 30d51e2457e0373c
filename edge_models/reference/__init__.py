"""The models as published: plain PyTorch, no code of any backend."""

from edge_models.reference.conformer import Conformer
from edge_models.reference.conformer_blocks import ConvTransBlock
from edge_models.reference.cot_layer import CoTLayer
from edge_models.reference.cotnet import CoTNet
from edge_models.reference.official_cot_layer import OfficialCoTLayer
from edge_models.reference.official_cotnet import OfficialCoTNet

__all__ = [
    "CoTLayer",
    "CoTNet",
    "Conformer",
    "ConvTransBlock",
    "OfficialCoTLayer",
    "OfficialCoTNet",
]
