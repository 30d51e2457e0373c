"""Each form of an operation is equal to the plain operation, written in another way."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, affine_of
from edge_models.edge.forms.attention import AttentionBatched
from edge_models.edge.forms.average_pool import AveragePoolDepthwise, AveragePoolNative
from edge_models.edge.forms.layer_norm import LayerNormByLinear, LayerNormNative
from edge_models.edge.forms.softmax_mean import SoftmaxByPool, SoftmaxByReduction
from edge_models.edge.forms.stem import ColumnPairs, StemByColumnPairs, StemNative
from edge_models.edge.forms.tokens import RowTokens
from edge_models.edge.forms.upsampling import UpsamplingByCopies
from edge_models.spec import Size

STEMS = [StemByColumnPairs, StemNative]
SOFTMAXES = [SoftmaxByPool, SoftmaxByReduction]
POOLS = [AveragePoolDepthwise, AveragePoolNative]
NORMS = [LayerNormByLinear, LayerNormNative]


def operators(module: nn.Module, *inputs: torch.Tensor) -> set[str]:
    """Names of the operators in the exported graph."""
    graph = torch.export.export(module, inputs).graph
    return {str(node.target).split(".")[1] for node in graph.nodes if node.op == "call_function"}


@pytest.mark.parametrize("form", STEMS)
@pytest.mark.parametrize(("kernel", "padding"), [(7, 3), (6, 2), (3, 1)])
def test_stem(form: type[nn.Module], kernel: int, padding: int, generator: torch.Generator) -> None:
    stem = nn.Conv2d(3, 8, kernel, 2, padding)
    x = torch.randn(2, 3, 16, 24, generator=generator)
    torch.testing.assert_close(form(affine_of(stem), stem)(x), stem(x), rtol=1e-4, atol=1e-5)


def test_pairs_of_columns_are_copies(generator: torch.Generator) -> None:
    x = torch.randn(1, 3, 2, 4, generator=generator)
    pairs = ColumnPairs(3, 1)(x)  # columns (0, first), (second, third), (fourth, 0)
    assert torch.equal(pairs[:, :3], F.pad(x, (1, 1))[..., 0::2])
    assert torch.equal(pairs[:, 3:], F.pad(x, (1, 1))[..., 1::2])


@pytest.mark.parametrize("form", SOFTMAXES)
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (8, 2)])
@pytest.mark.parametrize("magnitude", [1.0, 300.0, 1e4])
def test_softmax_of_a_map(
    form: type[nn.Module], size: Size, magnitude: float, generator: torch.Generator
) -> None:
    attention = torch.randn(2, 3, *size, generator=generator) * magnitude + magnitude
    value = torch.randn(2, 3, *size, generator=generator)
    weights = torch.softmax(attention.double().flatten(2), dim=-1).view_as(value)
    result = form(size)(attention, value)
    assert torch.isfinite(result).all()
    expected = weights * size[0] * size[1] * value
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", SOFTMAXES)
def test_softmax_of_a_map_has_no_softmax_operator(
    form: type[nn.Module], generator: torch.Generator
) -> None:
    maps = [torch.randn(1, 3, 4, 6, generator=generator) for _ in range(2)]
    assert "softmax" not in operators(form((4, 6)), *maps)


@pytest.mark.parametrize("form", POOLS)
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (4, 4, 0)])
def test_average_pool_counts_its_padding(
    form: type[nn.Module], kernel: int, stride: int, padding: int, generator: torch.Generator
) -> None:
    x = torch.randn(2, 5, 8, 12, generator=generator) + 1
    expected = nn.AvgPool2d(kernel, stride, padding, count_include_pad=True)(x)
    torch.testing.assert_close(form(5, kernel, stride, padding)(x), expected)


def test_depthwise_average_pool_is_a_convolution(generator: torch.Generator) -> None:
    x = torch.randn(1, 5, 8, 12, generator=generator)
    assert operators(AveragePoolDepthwise(5, 3, 2, 1), x) == {"conv2d"}


@pytest.mark.parametrize("form", NORMS)
@pytest.mark.parametrize("eps", [1e-6, 1e-5, 0.5])
def test_layer_norm(form: type[nn.Module], eps: float, generator: torch.Generator) -> None:
    x = torch.randn(2, 7, 24, generator=generator) * 3 + 1
    torch.testing.assert_close(form(24, eps)(x), F.layer_norm(x, (24,), eps=eps))


def test_layer_norm_of_centred_tokens_needs_no_mean(generator: torch.Generator) -> None:
    x = torch.randn(2, 7, 24, generator=generator)
    centred = x - x.mean(-1, keepdim=True)
    short = LayerNormByLinear(24, 1e-6, centered=True)
    expected = F.layer_norm(x, (24,), eps=1e-6)
    torch.testing.assert_close(short(centred), expected)
    assert not torch.allclose(short(x), expected, atol=1e-3)
    assert "sub" not in operators(short, centred)


def test_layer_norm_by_linear_has_no_reduction(generator: torch.Generator) -> None:
    x = torch.randn(1, 7, 24, generator=generator)
    found = operators(LayerNormByLinear(24, 1e-6), x)
    assert found == {"linear", "sub", "mul", "add", "rsqrt"}


@pytest.mark.parametrize("heads", [1, 3])
def test_attention(heads: int, generator: torch.Generator) -> None:
    query, key, value = (torch.randn(2, 7, 12, generator=generator) for _ in range(3))
    q, k, v = (t.unflatten(2, (heads, 12 // heads)) for t in (query, key, value))
    weights = torch.einsum("bnhd,bmhd->bhnm", q, k).softmax(dim=-1)
    expected = torch.einsum("bhnm,bmhd->bnhd", weights, v).flatten(2)
    torch.testing.assert_close(AttentionBatched(heads)(query, key, value), expected)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", [(3, 5), (4, 2)])
def test_upsampling(stride: int, size: Size, generator: torch.Generator) -> None:
    weight, bias = torch.randn(6, 8, generator=generator), torch.randn(6, generator=generator)
    tokens = torch.randn(2, size[0] * size[1], 8, generator=generator)
    grid = torch.relu(F.linear(tokens, weight, bias)).transpose(1, 2).unflatten(2, size)
    expected = F.interpolate(grid, scale_factor=float(stride), mode="nearest")
    form = UpsamplingByCopies(Affine(weight.double(), bias.double()), stride, size)
    torch.testing.assert_close(form(tokens), expected)


def test_upsampling_without_a_resize(generator: torch.Generator) -> None:
    affine = Affine(torch.randn(6, 8, generator=generator), torch.randn(6, generator=generator))
    tokens = torch.randn(1, 6, 8, generator=generator)
    assert "upsample_nearest2d" not in operators(UpsamplingByCopies(affine, 2, (2, 3)), tokens)


def test_row_tokens_follow_the_pixels_and_keep_the_class_token_first(
    generator: torch.Generator,
) -> None:
    x = torch.randn(2, 4, 3, 5, generator=generator)
    tokens = RowTokens.from_map(x)
    assert tokens.shape == (2, 15, 4)
    assert torch.equal(tokens[1, 2 * 5 + 3], x[1, :, 2, 3])
    class_token = torch.randn(2, 1, 4, generator=generator)
    joined = RowTokens.concatenate(class_token, tokens)
    assert torch.equal(RowTokens.first(joined), class_token)
    assert torch.equal(RowTokens.rest(joined), tokens)
    assert torch.equal(RowTokens.as_vector(RowTokens.first(joined)), class_token[:, 0])
