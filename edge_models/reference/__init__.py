"""The models as published: plain PyTorch, no code of any backend."""

from edge_models.reference.conformer import Conformer, ConvTransBlock
from edge_models.reference.cot_layer import CoTLayer
from edge_models.reference.cotnet import CoTNet

__all__ = ["CoTLayer", "CoTNet", "Conformer", "ConvTransBlock"]
