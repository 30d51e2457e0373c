"""The CoT layers of the official family: CotLayer and, with two halves, CoXtLayer."""

from collections.abc import Iterator

import torch
from torch import nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.known_layer import Candidate, KnownLayer
from edge_models.edge.official_cot_layer import OfficialCoTLayer
from edge_models.reference import official_cot_layer as reference

LAYERS = 12  # six convolutions and a norm behind each, but the last one; one of the local one


def blanks(candidate: Candidate) -> Iterator[nn.Module]:
    """Groups of the key are those of the 3x3 convolution; two halves where the 1x1 over C channels
    with C results has two groups.
    """
    (shape,) = candidate.call.shapes
    dim = shape[1]
    keeping = [
        conv for conv in candidate.of(nn.Conv2d) if conv.in_channels == conv.out_channels == dim
    ]
    keys = [conv for conv in keeping if conv.kernel_size == (3, 3)]
    values = [conv for conv in keeping if conv.kernel_size == (1, 1)]
    if len(candidate.leaves) == LAYERS and len(keys) == 1 and dim % reference.SHARE == 0:
        # at 32 channels the attention's first convolution has the shape of the values' too
        for halves in sorted({conv.groups for conv in values}, reverse=True):
            if halves in (1, 2):
                yield reference.OfficialCoTLayer(dim, keys[0].groups, halves)


def edge(layer: nn.Module, _: Candidate, forms: Forms) -> nn.Module:
    """The edge form, its input and its output not equalized: what stands around it is not known."""
    assert isinstance(layer, reference.OfficialCoTLayer)
    ones = torch.ones(layer.dim, dtype=torch.float64)
    return OfficialCoTLayer(layer, ones, forms, divisor=ones)


KNOWN = KnownLayer("OfficialCoTLayer", reference.OfficialCoTLayer, (4,), blanks, edge)
