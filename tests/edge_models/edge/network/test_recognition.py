"""Known layers in a network: found by class and by what they compute, whatever their names."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from edge_models.edge import Forms
from edge_models.edge.network import Recognized, network_edge_form
from edge_models.errors import InputError
from edge_models.parity import measure
from edge_models.reference import CoTLayer, OfficialCoTLayer
from tests.edge_models.edge.network.foreign_conformer import Stage
from tests.edge_models.edge.network.foreign_cot import ContextAttention, Contextual, OtherOrder
from tests.edge_models.layers import FORMS, made

SIZE = (16, 24)


class Around(nn.Module):
    """A network with a layer in it: (B, 3, H, W) -> (B, 3, H / 2, W / 2)."""

    def __init__(self, make: Callable[..., nn.Module], width: int, **config: object) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.body = nn.ModuleDict({"context": make(width, **config)})
        self.after = nn.Conv2d(width, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.body["context"](torch.relu(self.before(x))))


def difference(network: nn.Module, edge: nn.Module) -> float:
    """SQNR in dB of the edge form on two images."""
    images = torch.randn(2, 1, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = torch.stack([network(x.clone()).flatten() for x in images])
        actual = torch.stack([edge(x).flatten() for x in images])
    return measure(expected, actual).sqnr_db


def of(network: nn.Module, forms: Forms | None = None) -> tuple[nn.Module, tuple[Recognized, ...]]:
    return network_edge_form(network, SIZE, 1, forms or Forms())


LAYERS: dict[str, tuple[Callable[..., nn.Module], str, dict[str, object]]] = {
    "our CoT layer": (CoTLayer, "CoTLayer", {}),
    "our official layer": (OfficialCoTLayer, "OfficialCoTLayer", {}),
    "CoTAttention": (ContextAttention, "CoTLayer", {}),
    "CoTAttention, window 5": (ContextAttention, "CoTLayer", {"window": 5}),
    "CoTAttention, window 1": (ContextAttention, "CoTLayer", {"window": 1, "groups": 1}),
    "CotLayer by unfold": (Contextual, "OfficialCoTLayer", {"how": "unfold"}),
    "CotLayer by an operator": (Contextual, "OfficialCoTLayer", {"how": "operator"}),
    "CoXtLayer": (Contextual, "OfficialCoTLayer", {"groups": 8, "parts": 2}),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("forms", [FORMS["xnnpack"]])
def test_a_known_layer_becomes_its_edge_form(name: str, forms: Forms) -> None:
    make, kind, config = LAYERS[name]
    network = made(Around, make=make, width=16, **config)
    edge, (found,) = of(network, forms)
    assert (found.path, found.kind, found.why) == ("body.context", kind, "")
    assert found.sqnr_db is not None
    assert found.sqnr_db >= 100
    assert difference(network, edge) >= 100
    paths = {name for name, _ in edge.named_parameters()}
    assert any(path.startswith("body.context.") for path in paths)


@pytest.mark.parametrize(("width", "parts"), [(32, 1), (32, 2), (64, 1)])
def test_widths_where_layers_have_one_shape(width: int, parts: int) -> None:
    network = made(Around, make=Contextual, width=width, parts=parts)
    edge, (found,) = of(network)
    assert found.kind == "OfficialCoTLayer"
    assert difference(network, edge) >= 100


def test_another_function_of_the_same_layers_stays() -> None:
    network = made(Around, make=OtherOrder, width=16)
    edge, (found,) = of(network)
    assert (found.path, found.kind) == ("body.context", None)
    assert "its layers are those of CoTLayer, what it computes is not" in found.why
    assert found.sqnr_db is not None
    assert found.sqnr_db < 60
    assert difference(network, edge) >= 100


def test_the_network_is_not_changed() -> None:
    network = made(Around, make=ContextAttention, width=16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modules = dict(network.named_modules())
    of(network)
    assert dict(network.named_modules()) == modules
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_a_layer_with_hooks_stays() -> None:
    network = made(Around, make=CoTLayer, width=16)
    seen: list[Tensor] = []
    network.body["context"].value_embed.register_forward_hook(lambda _m, _i, out: seen.append(out))
    _, (found,) = of(network)
    assert (found.path, found.kind) == ("body.context", None)
    assert "value_embed has hooks" in found.why


class Twice(nn.Module):
    """One layer called twice, at one size or at two."""

    def __init__(self, dim: int, step: int) -> None:
        super().__init__()
        self.layer = CoTLayer(dim)
        self.again = self.layer
        self.between = nn.Conv2d(dim, dim, 1, step)

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.between(self.layer(x)))


@pytest.mark.parametrize(("step", "kinds"), [(1, ["CoTLayer"] * 2), (2, [None] * 2)])
def test_a_shared_layer(step: int, kinds: list[str | None]) -> None:
    network = made(Around, make=Twice, width=16, step=step)
    edge, found = of(network)
    assert [item.path for item in found] == ["body.context.layer", "body.context.again"]
    assert [item.kind for item in found] == kinds
    assert all(("several shapes" in item.why) == (step == 2) for item in found)
    assert difference(network, edge) >= 100


class InPieces(nn.Module):
    """Uses the parts of a layer without calling it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = CoTLayer(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer.key_embed(x) + self.layer.value_embed(x)


def test_a_layer_that_is_used_in_pieces_stays() -> None:
    network = made(Around, make=InPieces, width=16)
    edge, (found,) = of(network)
    assert found.kind is None
    assert found.why == "CoTLayer: it is not called as a module"
    assert difference(network, edge) >= 100


def test_of_a_module_around_a_replaced_one_nothing_is_said() -> None:
    network = made(Around, make=lambda dim: nn.Sequential(CoTLayer(dim), nn.Tanh()), width=16)
    _, found = of(network)
    assert [(item.path, item.kind) for item in found] == [("body.context.0", "CoTLayer")]


def test_nothing_known_is_nothing_said() -> None:
    network = made(Around, make=nn.BatchNorm2d, width=16)
    edge, found = of(network)
    assert found == ()
    assert difference(network, edge) >= 100


class Recurrent(nn.Module):
    """Two results of rows, two layers with a norm: of the kinds that known layers have."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.one, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.norm(self.one(rows))
        return rows, rows[:, -1]


class OddRows(nn.Module):
    """The layers of a Conformer's stage, called with another number of rows than its map has."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(dim)
        self.stage = OddStage(dim, dim, dim, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        rows, last = self.recurrent(x.flatten(2).transpose(1, 2))
        x, rows = self.stage(x, rows[:, :11])
        return x + rows.mean() + last.mean()


class OddStage(Stage):
    def forward(self, x: Tensor, rows: Tensor) -> list[Tensor]:
        x, inner = self.map(x)
        patches = self.down(inner, rows)
        rows = self.tokens(patches[:, : rows.shape[1]] + rows)
        return [self.merge(x, self.up(patches, 4, 6))[0], rows]


def test_modules_of_other_shapes_stay() -> None:
    network = made(Around, make=OddRows, width=16)
    edge, found = of(network)
    kinds = {item.path: item.kind for item in found}
    assert kinds["body.context.stage.tokens"] == "Block"
    assert "ConvTransBlock" not in kinds.values()
    assert difference(network, edge) >= 100


def test_a_network_that_cannot_be_copied_says_so() -> None:
    network = made(Around, make=CoTLayer, width=16)
    network.held = network.before.weight * 2
    with pytest.raises(InputError, match="cannot be copied"):
        of(network)
