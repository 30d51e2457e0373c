"""The edge form of the official CoT layer and of its local convolution."""

import pytest
import torch
from torch import Tensor, nn

from edge_models.edge import Forms, OfficialCoTLayer
from edge_models.edge.equalization import Moments
from edge_models.edge.folding import affine_of
from edge_models.edge.forms.local_convolution import (
    LocalConvolutionByColumns,
    LocalConvolutionBySlices,
    LocalConvolutionInFloat16,
    TapNorm,
    TapNormScaled,
)
from edge_models.errors import InputError
from edge_models.parity import measure
from edge_models.reference import OfficialCoTLayer as ReferenceCoTLayer
from export_targets.targets import vulkan
from tests.edge_models.layers import FORMS, made

LAYERS = {"CoTNet": {"dim": 32}, "CoTNeXt": {"dim": 48, "key_groups": 8, "halves": 2}}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
LOCAL = [LocalConvolutionBySlices, LocalConvolutionInFloat16, LocalConvolutionByColumns]


@pytest.mark.parametrize(
    ("forms", "batch"),
    [*((forms, 2) for forms in FORMS.values()), (vulkan.forms(), 1)],
    ids=[*FORMS, "vulkan"],
)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("size", [(5, 7), (8, 3), (2, 2)])
def test_computes_the_reference(
    forms: Forms, batch: int, layer: str, size: tuple[int, int], generator: torch.Generator
) -> None:
    reference = made(ReferenceCoTLayer, **LAYERS[layer])
    x = torch.randn(2, reference.dim, *size, generator=generator)
    given = torch.linspace(0.5, 4, reference.dim, dtype=torch.float64)
    edge = OfficialCoTLayer(reference, given, forms)
    with torch.no_grad():
        expected = reference(x.clone()) / edge.divisor.view(-1, 1, 1).float()
        maps = (x / given.view(-1, 1, 1).float()).split(batch)
        found = torch.cat([edge(part) for part in maps])
    assert measure(expected.flatten(1), found.flatten(1)).sqnr_db > 110


def test_forms_have_a_default(generator: torch.Generator) -> None:
    reference = made(ReferenceCoTLayer, dim=32)
    x = torch.randn(1, 32, 4, 6, generator=generator)
    edge = OfficialCoTLayer(reference, torch.ones(32))
    with torch.no_grad():
        expected = reference(x.clone()) / edge.divisor.view(-1, 1, 1).float()
        torch.testing.assert_close(edge(x), expected, rtol=1e-4, atol=1e-5)


class Local(nn.Module):
    """What a local convolution is made of."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(8, 9 * groups, 1)
        self.norm = nn.GroupNorm(groups, 9 * groups)
        self.register_buffer("scale", torch.rand(8 * groups) + 0.5)
        self.register_buffer("shift", torch.randn(8 * groups))

    def arguments(self, halves: int) -> tuple[object, ...]:
        """Of a form, for a hidden map of mean 0.3 and variance 2."""
        hidden = Moments(torch.full((8,), 0.3).double(), torch.full((8,), 2.0).double())
        return (affine_of(self.expand), self.norm, halves, self.scale, self.shift, hidden)


@pytest.mark.parametrize("form", LOCAL)
@pytest.mark.parametrize("halves", [1, 2])
def test_local_convolution_weighs_neighbours(
    form: type[nn.Module], halves: int, generator: torch.Generator
) -> None:
    parts = made(Local, groups=2)
    hidden = torch.randn(1, 8, 3, 4, generator=generator)
    x = torch.randn(1, 16, 3, 4, generator=generator)
    with torch.no_grad():
        result = form(*parts.arguments(halves))(hidden, x)
        weights = parts.norm(parts.expand(hidden)).view(2, 9, 3, 4)
        padded = nn.functional.pad(x, (1, 1, 1, 1))[0]
        for c, i, j in [(0, 0, 0), (5, 1, 2), (8, 2, 3), (15, 2, 0)]:
            group = c % 2 if halves == 1 else c // 8
            window = padded[c, i : i + 3, j : j + 3].flatten()
            total = window @ weights[group, :, i, j]
            expected = parts.scale[c] * total + parts.shift[c]
            torch.testing.assert_close(result[0, c, i, j], expected, rtol=1e-4, atol=1e-5)


def test_several_images_are_refused_where_the_batch_axis_is_taken() -> None:
    form = LocalConvolutionByColumns(*made(Local, groups=2).arguments(1))
    with pytest.raises(InputError, match="one image"):
        form(torch.zeros(2, 8, 3, 4), torch.zeros(2, 16, 3, 4))


def operators(module: nn.Module, *inputs: Tensor) -> set[str]:
    """Names of the operators in the exported graph, and the largest number of axes of a result."""
    graph = torch.export.export(module, inputs).graph
    calls = [node for node in graph.nodes if node.op == "call_function"]
    return {str(node.target).split(".")[1] for node in calls} | {
        f"{node.meta['val'].dim()} axes" for node in calls
    }


def test_slices_need_no_unfolding_and_no_fifth_axis() -> None:
    parts = made(Local, groups=2)
    arguments = parts.arguments(1)
    inputs = torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 4, 4)
    slices = operators(LocalConvolutionBySlices(*arguments), *inputs)
    assert not {"im2col", "group_norm", "sum", "permute", "5 axes", "6 axes"} & slices
    columns = operators(LocalConvolutionByColumns(*arguments), *inputs)
    assert not {"im2col", "sum", "permute", "clone", "5 axes", "6 axes"} & columns


def tap_first(x: Tensor) -> Tensor:
    """Channels g * 9 + tap -> tap * 4 + g, of four groups."""
    return x.unflatten(1, (4, 9)).transpose(1, 2).flatten(1, 2)


@pytest.mark.parametrize("norm", [TapNorm, TapNormScaled])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e3])
def test_tap_norm_is_group_norm_with_the_tap_slowest(
    norm: type[TapNorm], eps: float, scale: float, generator: torch.Generator
) -> None:
    x = torch.randn(2, 4 * 9, 3, 5, generator=generator) * scale + 2 * scale
    divisor = torch.linspace(0.5, 4, 36)
    expected = tap_first(nn.functional.group_norm(x, 4, eps=eps)) / divisor.view(-1, 1, 1)
    found = norm(torch.full((36,), eps), divisor)(tap_first(x))
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("magnitude", [1e-2, 1.0, 1e3, 1e4])
def test_tap_norm_survives_float16(magnitude: float, generator: torch.Generator) -> None:
    x = torch.randn(2, 4 * 9, 14, 14, generator=generator) * magnitude
    x[0, 1, 2, 3] *= 5  # one that is far out
    norm = TapNormScaled(torch.full((36,), 1e-5), torch.ones(36))
    found = norm.half()(tap_first(x).half())  # every step stored in float16
    expected = tap_first(nn.functional.group_norm(x, 4, eps=1e-5))
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-2)


def test_attention_has_half_the_rows_and_no_softmax() -> None:
    reference = made(ReferenceCoTLayer, dim=32)
    edge = OfficialCoTLayer(reference, torch.ones(32), FORMS["xnnpack"])
    assert edge.attention.difference.weight.numel() * 2 == reference.se[3].weight.numel()
    found = operators(edge, torch.zeros(1, 32, 4, 4))
    assert not {"softmax", "stack", "silu", "batch_norm", "im2col", "group_norm"} & found
    assert "sigmoid" in found
