"""The simplified CoT layer, with any groups and kernel: the CoTAttention that is widely copied."""

from collections.abc import Iterator

from torch import nn

from edge_models.edge.cot_layer import CoTLayer
from edge_models.edge.forms import Forms
from edge_models.edge.network.known_layer import Candidate, KnownLayer
from edge_models.reference import cot_layer as reference

LAYERS = 7  # four convolutions, three batch norms


def blanks(candidate: Candidate) -> Iterator[nn.Module]:
    """Kernel and groups are those of the first convolution over C channels with C results and a
    kernel larger than 1; where all are 1x1, of a kernel of 1.
    """
    (shape,) = candidate.call.shapes
    dim = shape[1]
    keys = [
        conv for conv in candidate.of(nn.Conv2d) if conv.in_channels == conv.out_channels == dim
    ]
    if len(candidate.leaves) == LAYERS and keys and dim % 2 == 0:
        key = max(keys, key=lambda conv: conv.kernel_size[0])
        yield reference.CoTLayer(dim, key.kernel_size[0], key.groups)


def edge(layer: nn.Module, candidate: Candidate, forms: Forms) -> nn.Module:
    """The edge form for the map's size."""
    assert isinstance(layer, reference.CoTLayer)
    _, _, height, width = candidate.call.shapes[0]
    return CoTLayer(layer, (height, width), forms)


KNOWN = KnownLayer("CoTLayer", reference.CoTLayer, (4,), blanks, edge)
