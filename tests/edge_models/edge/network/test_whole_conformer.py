"""A whole Conformer in a network: a backbone of maps and tokens, or a classifier."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edge_models.edge import Conformer, Forms
from edge_models.edge.network import Recognized, network_edge_form
from edge_models.parity import measure
from edge_models.reference import Conformer as Reference
from export_targets import coreml_family
from export_targets.targets import vulkan, xnnpack
from tests.edge_models.edge.network.foreign_conformer import Coupled, MapOfNothing
from tests.edge_models.layers import made, made_model, settled

SIZE = (64, 96)
FORMS = {"xnnpack": xnnpack.forms(), "vulkan": vulkan.forms(), "coreml": coreml_family.forms()}


class Detector(nn.Module):
    """A backbone, and 1x1 convolutions on its maps."""

    def __init__(self, backbone: nn.Module, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = backbone
        self.necks = nn.ModuleList(nn.Conv2d(given, 4, 1) for given in channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = self.backbone(x)
        maps = [t for t in pytree.tree_leaves(found) if t.dim() == 4]
        return [neck(x) for neck, x in zip(self.necks, maps, strict=True)]


def images() -> Tensor:
    drawn = torch.randn(2, 1, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    return drawn * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1, 1)


def least(network: nn.Module, edge: nn.Module) -> float:
    """SQNR of the worst result, all of them in the same structure."""
    with torch.no_grad():
        whole = [pytree.tree_flatten(network(x)) for x in images()]
        part = [pytree.tree_flatten(edge(x)) for x in images()]
    assert whole[0][1] == part[0][1]
    return min(
        measure(torch.stack(a).flatten(1), torch.stack(b).flatten(1)).sqnr_db
        for a, b in zip(zip(*(w for w, _ in whole)), zip(*(p for p, _ in part)))  # noqa: B905
    )


def said(found: tuple[Recognized, ...]) -> list[tuple[str, str | None]]:
    return [(item.path, item.kind) for item in found]


@pytest.mark.parametrize(
    "forms",
    [
        FORMS["xnnpack"],
        pytest.param(FORMS["vulkan"], marks=pytest.mark.full),
        pytest.param(FORMS["coreml"], marks=pytest.mark.full),
    ],
)
def test_a_backbone_of_maps(forms: Forms) -> None:
    network = settled(
        made(Detector, backbone=made(Coupled, after=(2, 1, 4)), channels=(16, 16, 64)), SIZE
    )
    edge, found = network_edge_form(network, SIZE, 1, forms)
    assert said(found) == [("backbone", "Conformer")]
    assert least(network, edge) >= 100


NETWORKS: dict[str, Any] = {
    "maps and tokens": lambda: made(Coupled, after=(1, 3)),
    "a classifier": lambda: made(Coupled, classes=5),
    "ours": lambda: made_model("digits_conformer"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_it_returns(name: str) -> None:
    network = settled(NETWORKS[name](), SIZE)
    edge, found = network_edge_form(network, SIZE, 1, vulkan.forms())
    assert said(found) == [("", "Conformer")]
    assert least(network, edge) >= 100


def test_a_map_that_no_stage_has_leaves_the_stages_alone() -> None:
    network = settled(
        made(Detector, backbone=made(MapOfNothing, after=(2, 3)), channels=(16, 32)), SIZE
    )
    edge, found = network_edge_form(network, SIZE, 1, xnnpack.forms())
    kinds = dict(said(found))
    assert kinds["backbone.stages.0"] == kinds["backbone.stages.2"] == "ConvTransBlock"
    assert kinds["backbone.first_rows"] == "Block"
    assert "Conformer" not in kinds.values()
    assert least(network, edge) >= 100


def test_features_of_the_edge_form_are_the_reference_s() -> None:
    reference = made_model("digits_conformer")
    assert isinstance(reference, Reference)
    edge = Conformer(reference, SIZE, 1, "mean", vulkan.forms()).eval()
    with torch.no_grad():
        pairs = [(reference.features(x), edge.features(x)) for x in images()]
    assert len(pairs[0][0]) == len(pairs[0][1]) == 4
    for stage in range(4):
        for which in (0, 1):
            whole, part = (
                torch.stack([pair[side][stage][which] for pair in pairs]) for side in (0, 1)
            )
            assert measure(whole.flatten(1), part.flatten(1)).sqnr_db >= 100
