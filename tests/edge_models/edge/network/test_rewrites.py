"""Each rewrite fires on what it is for, computes the same, leaves nothing of what it replaces, and
leaves alone what it must not touch.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge import Forms
from edge_models.edge.forms.average_pool import AveragePoolDepthwise
from edge_models.edge.forms.group_norm import GroupNormByMeans, GroupNormNative, GroupNormScaled
from edge_models.edge.forms.layer_norm import LayerNormByLinear
from edge_models.edge.forms.stem import StemByColumnPairs
from edge_models.edge.network.program import Program
from edge_models.edge.network.rewrites import all_rewrites, rewrite
from edge_models.parity import measure
from export_targets.target import all_targets

MAP = (1, 8, 6, 12)
ROWS = (1, 10, 8)


class Called(nn.Module):
    """``function`` of an input, and of a module where there is one."""

    def __init__(self, function: Callable[..., Tensor], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.function = function
        self.layer = layer
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
                assert norm.running_var is not None
                nn.init.normal_(norm.running_mean)
                nn.init.uniform_(norm.running_var, 0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1.5
        return self.function(x) if self.layer is None else self.function(self.layer, x)


Case = tuple[str, Callable[..., Tensor], nn.Module | None, tuple[int, ...]]


def case(
    name: str,
    function: Callable[..., Tensor],
    layer: nn.Module | None = None,
    shape: tuple[int, ...] = MAP,
) -> Case:
    return name, function, layer, shape


def call(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return layer(x)


def attention(x: Tensor) -> Tensor:
    query, key, value = (
        x.view(1, 10, 2, 4).transpose(1, 2),
        x.view(1, 2, 10, 4),
        x.view(1, 2, 10, 4),
    )
    return F.scaled_dot_product_attention(query, key, value * 2)


def masked(x: Tensor, **options: object) -> Tensor:
    heads = x.view(1, 10, 2, 4).transpose(1, 2)
    return F.scaled_dot_product_attention(heads, heads, heads, **options)


class WithMask(nn.Module):
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return masked(x, attn_mask=self.mask)


HALF = torch.ones(10, 10, dtype=torch.bool).tril(3)
FIRES: dict[str, Case] = {
    "conv, norm": case(
        "fold_batch_norm", call, nn.Sequential(nn.Conv2d(8, 4, 3, groups=2), nn.BatchNorm2d(4))
    ),
    "conv without bias": case(
        "fold_batch_norm", call, nn.Sequential(nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))
    ),
    "norm without affine": case(
        "fold_batch_norm", call, nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4, affine=False))
    ),
    "linear, norm": case(
        "fold_batch_norm",
        lambda layer, x: layer(x.mean((2, 3))),
        nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)),
    ),
    "norm alone": case("batch_norm", call, nn.BatchNorm2d(8)),
    "norm of rows": case("batch_norm", call, nn.BatchNorm1d(10), ROWS),
    "split": case("split", lambda x: torch.cat(x.split(3, 1)[::-1], 1)),
    "split by sizes": case("split", lambda x: torch.cat(x.split([1, 5, 2], 1)[::-1], 1)),
    "chunk": case("split", lambda x: x.chunk(2, -1)[0] * x.chunk(2, -1)[1]),
    "unbind": case("unbind", lambda x: x.unbind(1)[3] + x.unbind(1)[-1]),
    "select": case("select", lambda x: x[:, 2] + x[:, -1]),
    "squeeze": case("squeeze", lambda x: x[:, :1].squeeze(1).unsqueeze(-1)),
    "expand": case("expand", lambda x: x.expand(1, -1, -1, -1) + 1),
    "focus": case(
        "strided_slice",
        lambda x: torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1),
    ),
    "every third": case("strided_slice", lambda x: x[:, :, 1::3] * 2),
    "roll": case("roll", lambda x: torch.roll(x, (1, -3), (2, 3))),
    "mean of positions": case("mean", lambda x: x.mean((2, 3))),
    "mean of channels": case("mean", lambda x: x.mean(1, keepdim=True)),
    "mean of columns": case("mean", lambda x: x.mean(-1, keepdim=True)),
    "mean of rows": case("mean", lambda x: x.mean(1), shape=ROWS),
    "mean of several axes": case("mean_of_several_axes", lambda x: x.mean((1, 3))),
    "mean without the axes": case("mean_of_several_axes", lambda x: x.mean((2, 3))),
    "sum": case("sum", lambda x: x.sum((1, 2), keepdim=True) + x.sum(-1, keepdim=True)),
    "amax": case("amax", lambda x: x.amax(1, keepdim=True) + x.amax((2, 3), keepdim=True)),
    "max": case("max", lambda x: x.max(1)[0]),
    "padded average": case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1)),
    "average, padding not counted": case(
        "avg_pool2d", lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    ),
    "average over the edge": case(
        "avg_pool2d", lambda x: F.avg_pool2d(x[:, :, :5], 2, 2, ceil_mode=True)
    ),
    "average, ResNet-D": case(
        "avg_pool2d",
        lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False),
    ),
    "average of a divisor": case(
        "avg_pool2d", lambda x: F.avg_pool2d(x, (3, 2), (1, 2), (1, 0), divisor_override=5)
    ),
    "average without a stride": case("stride", lambda x: F.avg_pool2d(x, 3)),
    "padded largest": case("max_pool2d", lambda x: F.max_pool2d(x, 5, 1, 2)),
    "largest over the edge": case(
        "max_pool2d", lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)
    ),
    "largest without a stride": case("stride", lambda x: F.max_pool2d(x, 3)),
    "adaptive by whole windows": case(
        "adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 3))
    ),
    "adaptive": case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (4, 5))),
    "adaptive larger": case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (7, 14))),
    "adaptive largest": case(
        "adaptive_max_pool2d",
        lambda x: F.adaptive_max_pool2d(x, (2, 3)) + F.adaptive_max_pool2d(x, 1),
    ),
    "nearest": case("upsample_nearest2d", lambda x: F.interpolate(x, scale_factor=2)),
    "nearest to a size": case("upsample_nearest2d", lambda x: F.interpolate(x, size=(18, 24))),
    "nearest along one axis": case(
        "upsample_nearest2d", lambda x: F.interpolate(x, scale_factor=(1, 3))
    ),
    "bilinear": case(
        "upsample_bilinear2d", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")
    ),
    "bilinear, corners": case(
        "upsample_bilinear2d",
        lambda x: F.interpolate(x, size=(11, 7), mode="bilinear", align_corners=True),
    ),
    "bilinear by a fraction": case(
        "upsample_bilinear2d", lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear")
    ),
    "pixel shuffle": case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2)),
    "pixel unshuffle": case("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 3)),
    "layer norm": case("layer_norm", call, nn.LayerNorm(8), ROWS),
    "layer norm, no affine": case("layer_norm", lambda x: F.layer_norm(x, (8,)), shape=ROWS),
    "layer norm of maps": case("layer_norm", call, nn.LayerNorm((8, 6, 12))),
    "group norm": case("group_norm", call, nn.GroupNorm(2, 8)),
    "group norm of one": case("group_norm", call, nn.GroupNorm(1, 8)),
    "group norm, batch": case("group_norm", call, nn.GroupNorm(4, 8), (2, 8, 3, 5)),
    "instance norm": case("instance_norm", call, nn.InstanceNorm2d(8, affine=True)),
    "hardsigmoid": case("hardsigmoid", lambda x: F.hardsigmoid(x * 3)),
    "hardswish": case("hardswish", lambda x: F.hardswish(x * 3, inplace=True)),
    "tanh": case("tanh", lambda x: torch.tanh(x)),
    "mish": case("mish", lambda x: F.mish(x * 5)),
    "softplus": case("softplus", lambda x: F.softplus(x * 5)),
    "leaky": case("leaky_relu", lambda x: F.leaky_relu(x, 0.1)),
    "prelu": case("prelu", call, nn.PReLU(8)),
    "prelu of one": case("prelu", call, nn.PReLU()),
    "elu": case("elu", lambda x: F.elu(x, 0.7)),
    "gelu by tanh": case("gelu", lambda x: F.gelu(x, approximate="tanh")),
    "attention": case("scaled_dot_product_attention", attention, shape=ROWS),
    "causal": case(
        "scaled_dot_product_attention", lambda x: masked(x, is_causal=True, scale=0.3), shape=ROWS
    ),
    "masked": case("scaled_dot_product_attention", call, WithMask(HALF), ROWS),
    "added mask": case(
        "scaled_dot_product_attention", call, WithMask(HALF.float()[None, None]), ROWS
    ),
    "torch's attention": case(
        "scaled_dot_product_attention",
        lambda layer, x: layer(x, x, x, need_weights=False)[0],
        nn.MultiheadAttention(8, 2, batch_first=True),
        ROWS,
    ),
    "depthwise of stride 2": case(
        "grouped_convolution", call, nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)
    ),
    "depthwise 5x5 of stride 2": case(
        "grouped_convolution", call, nn.Conv2d(8, 8, 5, 2, 2, groups=8)
    ),
    "depthwise without padding": case(
        "grouped_convolution", call, nn.Conv2d(8, 8, 3, groups=8)
    ),
    "depthwise 7x7": case("grouped_convolution", call, nn.Conv2d(8, 8, 7, 1, 3, groups=8)),
    "depthwise 9x9 of stride 2": case(
        "grouped_convolution", call, nn.Conv2d(8, 8, 9, 2, 4, groups=8)
    ),
    "groups of 2 channels": case(
        "grouped_convolution", call, nn.Conv2d(8, 12, 3, 1, 1, groups=4, bias=False)
    ),
    "pointwise groups": case("grouped_convolution", call, nn.Conv2d(8, 16, 1, groups=2)),
    "dilated groups": case(
        "grouped_convolution", call, nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2)
    ),
    "stem": case("stem", call, nn.Conv2d(3, 8, 7, 2, 3, bias=False), (1, 3, 9, 12)),
    "stem of an even kernel": case("stem", call, nn.Conv2d(3, 8, 6, 2, 2), (1, 3, 8, 12)),
    "stem without padding": case("stem", call, nn.Conv2d(1, 4, (5, 3), 2), (2, 1, 8, 12)),
    "softmax of channels": case("softmax", lambda x: F.softmax(x, 1)),
    "linear of rows": case("linear", call, nn.Linear(8, 4), ROWS),
    "linear of a map": case("linear", call, nn.Linear(12, 4, bias=False)),
    "the smaller operand first": case(
        "operands", lambda x: x.mean(1, keepdim=True) * x + x.sum()
    ),
    "whole numbers and few axes": case(
        "operands", lambda layer, x: (x + 1) * layer.weight / 3, nn.Linear(12, 1)
    ),
}  # fmt: skip
FORMS = {
    "default": Forms(stem=StemByColumnPairs),
    "means": Forms(
        layer_norm=LayerNormByLinear,
        group_norm=GroupNormByMeans,
        padded_average_pool=AveragePoolDepthwise,
    ),
    "scaled": Forms(group_norm=GroupNormScaled),
    "native": Forms(group_norm=GroupNormNative),
}
ALWAYS = {"fold_batch_norm", "operands", "stride"}


def rewritten(module: nn.Module, x: Tensor, *names: str, forms: str = "default") -> Program:
    chosen = FORMS[forms]
    wanted = Forms(
        stem=chosen.stem,
        layer_norm=chosen.layer_norm,
        group_norm=chosen.group_norm,
        padded_average_pool=chosen.padded_average_pool,
        rewritten=frozenset(names) - ALWAYS,
    )
    program = Program(torch.export.export(module, (x,)))
    rewrite(program, wanted)
    return program


def differs(module: nn.Module, edge: nn.Module, shape: tuple[int, ...]) -> float:
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = torch.stack([module(x.clone()).flatten() for x in inputs])
        actual = torch.stack([edge(x.clone()).flatten() for x in inputs])
    return measure(expected, actual).sqnr_db


@pytest.mark.parametrize("name", FIRES)
def test_it_fires_and_computes_the_same(name: str) -> None:
    wanted, function, layer, shape = FIRES[name]
    module = Called(function, layer).eval()
    some = ("default",) if "norm" not in wanted and "avg" not in wanted else tuple(FORMS)
    if name == "layer norm":
        some = ("means",)
    for forms in some:
        program = rewritten(module, torch.randn(shape), wanted, forms=forms)
        assert program.fired[wanted] >= 1
        edge = program.module()
        assert differs(module, edge, shape) >= 100
        exported = torch.export.export(edge, (torch.randn(shape),))
        calls = {node.target for node in exported.graph.nodes}
        gone = set(all_rewrites()[wanted].operators) if wanted not in ALWAYS else set()
        own = {"avg_pool2d", "max_pool2d", "layer_norm", "linear", "mean_of_several_axes", "gelu"}
        own |= {"grouped_convolution", "stem", "mean", "amax", "softmax", "strided_slice", "expand"}
        assert wanted in own or forms == "native" or not gone & calls


LEFT: dict[str, Case] = {
    "a norm of a product that is read twice": case(
        "fold_batch_norm",
        lambda layer, x: layer[1](layer[0](x)) + layer[0].weight.sum(),
        nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8)),
    ),
    "a norm of rows behind a linear": case(
        "fold_batch_norm", call, nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(10)), ROWS
    ),
    "a norm of its input's statistics": case(
        "fold_batch_norm",
        call,
        nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, track_running_stats=False)),
    ),
    "an expand that repeats": case("expand", lambda x: x[:, :1].expand(-1, 8, -1, -1) + 1),
    "a slice that the step does not divide": case("strided_slice", lambda x: x[:, :, 1:5:2] * 2),
    "a slice of stride 1": case("strided_slice", lambda x: x[:, :, 1:4] * 2),
    "a mean that is kept": case("mean", lambda x: x.mean((2, 3), keepdim=True)),
    "a largest that is kept": case("amax", lambda x: x.amax((2, 3), keepdim=True)),
    "a plain pool": case("avg_pool2d", lambda x: F.avg_pool2d(x, 2, 2)),
    "a plain largest": case("max_pool2d", lambda x: F.max_pool2d(x, 2, 2)),
    "the largest of ResNet's stem": case("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1)),
    "depthwise 3x3": case("grouped_convolution", call, nn.Conv2d(8, 8, 3, 1, 1, groups=8)),
    "groups of 4 channels": case("grouped_convolution", call, nn.Conv2d(8, 8, 3, groups=2)),
    "a stem of an odd width": case("stem", call, nn.Conv2d(3, 8, 3, 2, 1), (1, 3, 8, 11)),
    "a stem of stride 1": case("stem", call, nn.Conv2d(3, 8, 3, 1, 1), (1, 3, 8, 12)),
    "a convolution of many channels": case("stem", call, nn.Conv2d(8, 8, 3, 2, 1)),
    "a stem of groups": case("stem", call, nn.Conv2d(4, 8, 3, 2, 1, groups=2), (1, 4, 8, 12)),
    "one group": case("grouped_convolution", call, nn.Conv2d(8, 8, 3)),
    "a dilated largest": case("max_pool2d", lambda x: F.max_pool2d(x, 3, 1, 1, dilation=2)),
    "the mean of a map": case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 1)),
    "nearest by a fraction": case(
        "upsample_nearest2d", lambda x: F.interpolate(x, scale_factor=1.5)
    ),
    "pixel shuffle of two": case(
        "pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), shape=(2, 8, 3, 3)
    ),
    "layer norm as it is": case("layer_norm", call, nn.LayerNorm(8), ROWS),
    "exact gelu": case("gelu", lambda x: F.gelu(x)),
    "softmax of the last axis": case("softmax", lambda x: F.softmax(x, -1)),
    "attention with a mask that is computed": case(
        "scaled_dot_product_attention",
        lambda x: masked(x, attn_mask=x[:, :, :1] * x[:, :, :1].transpose(1, 2)),
        shape=ROWS,
    ),
    "a linear of a matrix": case("linear", call, nn.Linear(8, 4), (10, 8)),
    "softplus of another beta": case("softplus", lambda x: F.softplus(x, 2)),
    "a constant with all axes": case("operands", lambda x: x + torch.ones(1, 8, 1, 1)),
}


@pytest.mark.parametrize("name", LEFT)
def test_it_leaves_alone_what_it_is_not_for(name: str) -> None:
    wanted, function, layer, shape = LEFT[name]
    module = Called(function, layer).eval()
    program = rewritten(module, torch.randn(shape), wanted)
    assert program.fired[wanted] == 0
    assert differs(module, program.module(), shape) >= 100


def test_every_rewrite_is_tried() -> None:
    assert {wanted for wanted, *_ in FIRES.values()} == all_rewrites().keys() | ALWAYS


@pytest.mark.parametrize("target", all_targets())
def test_a_target_names_rewrites_that_there_are(target: str) -> None:
    assert all_targets()[target].forms().rewritten <= all_rewrites().keys()


def test_large_groups_in_float16_do_not_overflow() -> None:
    gamma, beta = torch.ones(8), torch.zeros(8)
    plain, scaled = (form(8, 2, 1e-5, gamma, beta) for form in (GroupNormByMeans, GroupNormScaled))
    x = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(4)) * 3000
    expected = F.group_norm(x, 2, gamma, beta).flatten(1)

    def error(form: nn.Module) -> float:
        actual = form.half()(x.half()).float().flatten(1)
        return ((actual - expected).square().sum() / expected.square().sum()).item()

    assert error(scaled) < 1e-5
    assert not error(plain) < 0.1
