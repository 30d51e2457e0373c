"""Each folding is equal to what it replaces, and changes the weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_models.edge import folding
from edge_models.edge.folding import Affine, affine_of
from edge_models.reference.cot_layer import CoTLayer
from tests.edge_models.layers import made

CLOSE = {"rtol": 1e-9, "atol": 1e-9}  # the folded weights are float64


class ConvolutionAndNorm(nn.Module):
    def __init__(self, groups: int, bias: bool, eps: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(6, 8, 3, padding=1, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(8, eps=eps)


def random_affine(generator: torch.Generator, rows: int = 8, columns: int = 6) -> Affine:
    weight = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    return Affine(weight, torch.randn(rows, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("eps", [1e-6, 0.1])
def test_batch_norm_folds_into_its_convolution(
    groups: int, bias: bool, eps: float, generator: torch.Generator
) -> None:
    pair = made(ConvolutionAndNorm, groups=groups, bias=bias, eps=eps).double()
    x = torch.randn(2, 6, 5, 7, generator=generator, dtype=torch.float64)
    weight, shift = folding.fold_batch_norm(pair.convolution, pair.norm)
    folded = F.conv2d(x, weight, shift, padding=1, groups=groups)
    torch.testing.assert_close(folded, pair.norm(pair.convolution(x)), **CLOSE)
    assert not torch.allclose(weight, pair.convolution.weight)


def test_batch_norm_without_statistics_is_refused() -> None:
    norm = nn.BatchNorm2d(8, track_running_stats=False)
    with pytest.raises(ValueError, match="running statistics"):
        folding.fold_batch_norm(nn.Conv2d(6, 8, 1), norm)


def test_mean_of_maps_makes_the_weight_nine_times_smaller(generator: torch.Generator) -> None:
    convolution = nn.Conv2d(4, 9 * 8, 1).double()
    x = torch.randn(2, 4, 5, 7, generator=generator, dtype=torch.float64)
    weight, bias = folding.fold_mean_of_maps(convolution, 9)
    assert weight.numel() * 9 == convolution.weight.numel()
    assert bias.numel() * 9 == 9 * 8
    expected = convolution(x).reshape(2, 8, 9, 5, 7).mean(dim=2)
    torch.testing.assert_close(F.conv2d(x, weight, bias), expected, **CLOSE)


def test_norm_affine_folds_into_the_linear_behind_it(generator: torch.Generator) -> None:
    norm = made(nn.LayerNorm, normalized_shape=6).double()
    linear = random_affine(generator)
    x = torch.randn(2, 3, 6, generator=generator, dtype=torch.float64)
    folded = folding.fold_norm_affine(norm, linear)
    expected = F.linear(norm(x), *linear)
    plain = F.layer_norm(x, (6,), eps=norm.eps)
    torch.testing.assert_close(F.linear(plain, *folded), expected, **CLOSE)
    assert not torch.allclose(F.linear(plain, *linear), expected)


def test_centred_outputs_have_mean_zero_and_differ_by_a_constant(
    generator: torch.Generator,
) -> None:
    linear = random_affine(generator)
    x = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    before, after = F.linear(x, *linear), F.linear(x, *folding.center_outputs(linear))
    assert before.mean(-1).abs().min() > 1e-3
    assert after.mean(-1).abs().max() < 1e-12
    torch.testing.assert_close(after, before - before.mean(-1, keepdim=True), **CLOSE)


def test_a_factor_goes_into_weight_and_bias(generator: torch.Generator) -> None:
    linear = random_affine(generator)
    x = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    expected = 0.3 * F.linear(x, *linear)
    torch.testing.assert_close(F.linear(x, *folding.scaled(linear, 0.3)), expected, **CLOSE)


def test_each_row_takes_its_own_factor(generator: torch.Generator) -> None:
    convolution = nn.Conv2d(6, 8, 3).double()
    x = torch.randn(2, 6, 5, 7, generator=generator, dtype=torch.float64)
    factors = torch.randn(8, generator=generator, dtype=torch.float64)
    weight, bias = folding.scaled_rows(affine_of(convolution), factors)
    expected = convolution(x) * factors.view(-1, 1, 1)
    torch.testing.assert_close(F.conv2d(x, weight, bias), expected, **CLOSE)


def test_batch_norm_is_a_scale_and_a_shift(generator: torch.Generator) -> None:
    norm = made(nn.BatchNorm2d, num_features=6).double()
    x = torch.randn(2, 6, 5, 7, generator=generator, dtype=torch.float64)
    scale, shift = (t.view(-1, 1, 1) for t in folding.norm_scale_and_shift(norm))
    torch.testing.assert_close(x * scale + shift, norm(x), **CLOSE)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_become_zeros(groups: int, generator: torch.Generator) -> None:
    convolution = nn.Conv2d(8, 12, 3, groups=groups).double()
    x = torch.randn(2, 8, 5, 7, generator=generator, dtype=torch.float64)
    weight, bias = folding.dense(affine_of(convolution), groups)
    assert weight.shape == (12, 8, 3, 3)
    torch.testing.assert_close(F.conv2d(x, weight, bias), convolution(x), **CLOSE)


def test_pointwise_convolution_is_a_linear_on_pixels(generator: torch.Generator) -> None:
    convolution = nn.Conv2d(6, 8, 1)
    x = torch.randn(2, 6, 3, 5, generator=generator)
    linear = folding.linear_from(folding.as_linear(folding.affine_of(convolution)))
    with torch.no_grad():
        torch.testing.assert_close(linear(x.movedim(1, -1)).movedim(-1, 1), convolution(x))


def test_built_convolution_keeps_stride_padding_and_groups(generator: torch.Generator) -> None:
    source = nn.Conv2d(6, 8, (3, 5), stride=2, padding=(1, 2), groups=2, bias=False)
    built = folding.convolution_from(folding.affine_of(source), like=source)
    x = torch.randn(2, 6, 9, 11, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(built(x), source(x))
    assert not any(parameter.requires_grad for parameter in built.parameters())


def test_folding_refuses_what_is_not_affine() -> None:
    with pytest.raises(TypeError, match="ReLU"):
        folding.affine_of(nn.ReLU())
    with pytest.raises(TypeError, match="Identity"):
        folding.fold_batch_norm(nn.Conv2d(1, 1, 1), nn.Identity())


def test_folding_leaves_the_reference_as_it_was() -> None:
    layer = made(CoTLayer, dim=8)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    folded = folding.scaled(folding.fold_batch_norm(*layer.value_embed), 0.5)
    folding.convolution_from(folded).weight.data.zero_()
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
