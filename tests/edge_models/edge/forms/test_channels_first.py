"""Forms whose channels stand first: equal to the plain operations, and safe in float16."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import affine_of
from edge_models.edge.forms.attention import AttentionBatched, AttentionByHeads
from edge_models.edge.forms.layer_norm import LayerNormScaled
from edge_models.edge.forms.tokens import ChannelTokens, RowTokens
from edge_models.edge.forms.upsampling import UpsamplingByCopies, UpsamplingOfColumns

ROWS = (2, 10, 24)  # (B, N, C)


def columns(rows: Tensor) -> Tensor:
    return rows.transpose(1, 2).unsqueeze(2)


def rows_of(columns: Tensor) -> Tensor:
    return columns.squeeze(2).transpose(1, 2)


def test_tokens_are_the_rows_in_another_layout(generator: torch.Generator) -> None:
    rows = torch.randn(ROWS, generator=generator)
    tokens = ChannelTokens.from_rows(rows)
    assert torch.equal(tokens, columns(rows))
    assert torch.equal(rows_of(ChannelTokens.first(tokens)), RowTokens.first(rows))
    assert torch.equal(rows_of(ChannelTokens.rest(tokens)), RowTokens.rest(rows))
    whole = ChannelTokens.concatenate(ChannelTokens.first(tokens), ChannelTokens.rest(tokens))
    assert torch.equal(whole, tokens)
    first = RowTokens.first(rows)
    assert torch.equal(ChannelTokens.as_vector(columns(first)), RowTokens.as_vector(first))
    x = torch.randn(2, 24, 3, 5, generator=generator)
    assert torch.equal(rows_of(ChannelTokens.from_map(x)), RowTokens.from_map(x))


def test_a_linear_is_a_convolution(generator: torch.Generator) -> None:
    rows, layer = torch.randn(ROWS, generator=generator), nn.Linear(24, 7)
    form = ChannelTokens.linear(affine_of(layer))
    assert isinstance(form, nn.Conv2d)
    torch.testing.assert_close(rows_of(form(columns(rows))), layer(rows))


@pytest.mark.parametrize("eps", [1e-6, 1e-5, 0.5])
@pytest.mark.parametrize("magnitude", [0.0, 1e-4, 1e-2, 1.0, 1e4])
def test_layer_norm(eps: float, magnitude: float, generator: torch.Generator) -> None:
    rows = (torch.randn(ROWS, generator=generator) * 3 + 1) * magnitude
    expected = F.layer_norm(rows, (24,), eps=eps)
    found = rows_of(LayerNormScaled(24, eps)(columns(rows)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    centred = rows - rows.mean(-1, keepdim=True)
    short = rows_of(LayerNormScaled(24, eps, centered=True)(columns(centred)))
    torch.testing.assert_close(short, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("magnitude", [1e-2, 1.0, 1e3, 1e4])
def test_layer_norm_survives_float16(magnitude: float, generator: torch.Generator) -> None:
    rows = torch.randn(ROWS, generator=generator) * magnitude
    found = LayerNormScaled(24, 1e-6)(columns(rows).half())  # every step stored in float16
    expected = F.layer_norm(rows, (24,), eps=1e-6)
    torch.testing.assert_close(rows_of(found.float()), expected, rtol=1e-2, atol=1e-2)


def test_attention(generator: torch.Generator) -> None:
    rows = [torch.randn(ROWS, generator=generator) for _ in range(3)]
    found = rows_of(AttentionByHeads(4)(*map(columns, rows)))
    torch.testing.assert_close(found, AttentionBatched(4)(*rows))


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_upsampling(stride: int, generator: torch.Generator) -> None:
    rows = torch.randn(2, 6, 24, generator=generator)
    affine = affine_of(nn.Linear(24, 5))
    expected = UpsamplingByCopies(affine, stride, (2, 3))(rows)
    found = UpsamplingOfColumns(affine, stride, (2, 3))(columns(rows))
    torch.testing.assert_close(found, expected)
