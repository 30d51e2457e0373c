"""A whole Conformer in a network: as a classifier, or a backbone of feature maps and tokens."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edge_models.edge.conformer import Conformer
from edge_models.edge.forms import Forms
from edge_models.edge.network.heads import heads_of
from edge_models.edge.network.known_layer import Candidate, KnownLayer
from edge_models.reference import conformer as reference

SEED = 2
Place = tuple[int, int]  # stage and 0 for its map, 1 for its tokens; the stage LOGITS and a head
LOGITS = -1
TOLERANCE = 1e-3  # of the largest value: to tell one output from others, the proof comes after


class Backbone(reference.Conformer):
    """A reference that returns its features alone."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [tensor for pair in self.features(x) for tensor in pair]


class Outputs(nn.Module):
    """Chosen outputs of a Conformer's edge form, in their order."""

    def __init__(self, form: Conformer, places: list[Place]) -> None:
        super().__init__()
        self.form = form
        self.places = places

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = self.form.stages(x)
        logits: tuple[Tensor, ...] = ()
        if any(stage == LOGITS for stage, _ in self.places):
            logits = self.form.logits(*stages[-1])
        return [
            logits[which]
            if stage == LOGITS
            else (self.form.rows(stages[stage][1]) if which else stages[stage][0])
            for stage, which in self.places
        ]


def blanks(candidate: Candidate) -> Iterator[nn.Module]:
    """The widths are those of the layers; four linears a stage, and two heads where it has them."""
    convolutions, linears = candidate.of(nn.Conv2d), candidate.of(nn.Linear)
    patches = [
        c
        for c in convolutions
        if c.in_channels == reference.STEM_CHANNELS and c.kernel_size == c.stride
    ]
    depth, heads = divmod(len(linears), 4)
    if heads not in (0, 2) or depth < 4 or len(convolutions) < 2 or not patches:
        return
    patch = max(patches, key=lambda c: c.out_channels * c.kernel_size[0] ** 2)
    dim = linears[0].in_features
    middle = next((c for c in convolutions[1:] if c.kernel_size == (3, 3)), patch)
    for count in heads_of(candidate, dim):
        yield (reference.Conformer if heads else Backbone)(
            patch_size=4 * patch.kernel_size[0],
            base_channel=4 * middle.in_channels,
            embed_dim=dim,
            depth=depth,
            num_heads=count,
            num_classes=linears[-1].out_features if heads else 1,
        )


def edge(layer: nn.Module, candidate: Candidate, forms: Forms) -> nn.Module:
    """The edge form with the outputs of the candidate. Raises ValueError where one of them is no
    output of a stage and of no head.
    """
    assert isinstance(layer, reference.Conformer)
    batch, _, height, width = candidate.call.shapes[0]
    by_position, by_name = candidate.call.drawn(torch.Generator().manual_seed(SEED))
    image = pytree.tree_leaves((by_position, by_name))[0]
    stages = layer.features(image.clone())
    known: dict[Place, Tensor] = {
        (stage, which): tensor
        for stage, pair in enumerate(stages)
        for which, tensor in enumerate(pair)
    }
    if not isinstance(layer, Backbone):
        logits = reference.Conformer.forward(layer, image.clone())
        known |= {(LOGITS, which): tensor for which, tensor in enumerate(logits)}
    results = pytree.tree_leaves(candidate.module(*by_position, **by_name))
    places = [_place(tensor, known) for tensor in results]
    return Outputs(Conformer(layer, (height, width), batch, "both", forms), places)


def _place(tensor: Tensor, known: dict[Place, Tensor]) -> Place:
    for place, held in known.items():
        if held.shape == tensor.shape and _near(held, tensor):
            return place
    raise ValueError(f"its output {tuple(tensor.shape)} is that of no stage")


def _near(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE * one.abs().max())


KNOWN = KnownLayer("Conformer", reference.Conformer, (4,), blanks, edge)
