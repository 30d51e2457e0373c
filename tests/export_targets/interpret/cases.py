"""Operators as torch functions and modules, in groups that are converted as one module."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """An operator that must appear in a converted module, and a function of the group's inputs."""

    operator: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Group:
    """Cases over the same inputs, converted together for one deployment target."""

    name: str
    shapes: tuple[Shape, ...]
    cases: tuple[Case, ...]
    target: str = "iOS17"


class Together(nn.Module):
    """All functions of a group, each on all inputs."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.functions = [case.function for case in group.cases]
        self.layers = nn.ModuleList(f for f in self.functions if isinstance(f, nn.Module))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(*inputs) for function in self.functions)


def positive(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: function(x.abs() + 0.1)


def chosen(compare: Callable[[Tensor, Tensor], Tensor], factor: float) -> Callable[..., Tensor]:
    """A comparison whose booleans choose between two numbers."""
    return lambda x, y: torch.where(compare(x, y), x * factor, y)


TWO = Group(
    "two tensors, broadcast",
    ((2, 3, 4, 5), (3, 1, 5)),
    (
        Case("add", lambda x, y: x + y),
        Case("sub", lambda x, y: x - y),
        Case("mul", lambda x, y: x * y),
        Case("real_div", lambda x, y: x / (y.abs() + 0.5)),
        Case("floor_div", lambda x, y: torch.floor_divide(x, y.abs() + 0.5)),
        Case("maximum", torch.maximum),
        Case("minimum", torch.minimum),
        Case("pow", lambda x, y: torch.pow(x.abs() + 0.1, y)),
        Case("select", chosen(torch.gt, 2.0)),
        Case("equal", chosen(torch.eq, 3.0)),
        Case("not_equal", chosen(torch.ne, 4.0)),
        Case("greater", chosen(torch.gt, 5.0)),
        Case("greater_equal", chosen(torch.ge, 6.0)),
        Case("less", chosen(torch.lt, 7.0)),
        Case("less_equal", chosen(torch.le, 8.0)),
        Case("logical_not", lambda x, y: torch.where(~(x > y), x * 9, y)),
    ),
)
ONE = Group(
    "one tensor",
    ((2, 4, 3, 5),),
    (
        Case("relu", torch.relu),
        Case("relu6", lambda x: F.relu6(x * 8)),
        Case("leaky_relu", nn.LeakyReLU(0.2)),
        Case("prelu", nn.PReLU(4, 0.3)),
        Case("elu", nn.ELU(0.7)),
        Case("gelu", F.gelu),
        Case("silu", F.silu),
        Case("sigmoid", torch.sigmoid),
        Case("sigmoid_hard", F.hardsigmoid),
        Case("softplus", F.softplus),
        Case("tanh", torch.tanh),
        Case("erf", torch.erf),
        Case("exp", torch.exp),
        Case("log", positive(torch.log)),
        Case("sqrt", positive(torch.sqrt)),
        Case("rsqrt", positive(torch.rsqrt)),
        # the converter leaves the operator's own epsilon in
        Case("inverse", lambda x: torch.reciprocal(x.abs() + 0.2) * 1.0),
        Case("abs", torch.abs),
        Case("sign", torch.sign),
        Case("floor", lambda x: torch.floor(x * 3)),
        Case("ceil", lambda x: torch.ceil(x * 3)),
        Case("round", lambda x: torch.round(x * 3)),
        Case("sin", torch.sin),
        Case("cos", torch.cos),
        Case("clip", lambda x: x.clamp(-0.3, 0.4)),
        Case("cast", lambda x: (x * 5).to(torch.int32).float() * 0.5),
    ),
)
WINDOWS = Group(
    "windows",
    ((2, 4, 9, 8),),
    (
        Case("conv", nn.Conv2d(4, 6, 3)),
        Case("conv", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)),
        Case("conv", nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2)),
        Case("conv", nn.Conv2d(4, 8, 3, padding=1, groups=4)),
        Case("conv", nn.Conv2d(4, 6, (4, 3), padding="same")),
        Case("conv", nn.Sequential(nn.ZeroPad2d((0, 2, 1, 0)), nn.Conv2d(4, 6, 3))),
        Case("conv_transpose", nn.ConvTranspose2d(4, 6, 3, stride=2)),
        Case("conv_transpose", nn.ConvTranspose2d(4, 6, 3, 2, padding=1, groups=2)),
        Case("conv_transpose", nn.ConvTranspose2d(4, 6, 3, dilation=2, bias=False)),
        Case("crop", nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1)),
        Case("max_pool", nn.MaxPool2d(3, 2, padding=1)),
        Case("max_pool", nn.MaxPool2d((2, 3), (2, 1))),
        Case("max_pool", nn.MaxPool2d(3, 2, ceil_mode=True)),
        Case("avg_pool", nn.AvgPool2d(3, 2, padding=1)),
        Case("avg_pool", nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)),
        Case("avg_pool", nn.AvgPool2d((2, 3), (1, 2))),
        Case("avg_pool", nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)),
        Case("linear", nn.Linear(8, 5)),
        Case("linear", nn.Linear(8, 3, bias=False)),
    ),
)
ONE_AXIS = Group("one axis", ((2, 4, 9),), (Case("conv", nn.Conv1d(4, 6, 3, 2, 1)),))
THREE_AXES = Group("three axes", ((1, 2, 4, 5, 6),), (Case("conv", nn.Conv3d(2, 3, 3, 1, 1)),))
MATRICES = Group(
    "matrices",
    ((2, 3, 4, 5), (2, 3, 4, 5)),
    (
        Case("matmul", lambda x, y: x @ y.reshape(2, 3, 5, 4)),
        Case("matmul", lambda x, y: x.transpose(2, 3) @ y),
        Case("matmul", lambda x, y: x @ y.transpose(2, 3)),
    ),
)
ATTENTION = Group(
    "attention",
    ((1, 2, 5, 4),) * 3,
    (Case("scaled_dot_product_attention", F.scaled_dot_product_attention),),
    target="iOS18",
)
REDUCTIONS = Group(
    "reductions and normalizations",
    ((2, 4, 6, 5),),
    (
        Case("reduce_mean", lambda x: x.mean((2, 3))),
        Case("reduce_mean", lambda x: x.mean((-1,), keepdim=True)),
        Case("reduce_sum", lambda x: x.sum((1, 3), keepdim=True)),
        Case("reduce_max", lambda x: x.amax((1, 2))),
        Case("reduce_min", lambda x: x.amin(2, keepdim=True)),
        Case("reduce_l2_norm", lambda x: torch.linalg.vector_norm(x, 2, (1,))),
        Case("reduce_log_sum_exp", lambda x: torch.logsumexp(x, 1)),
        Case("reduce_argmax", lambda x: x.argmax(1).float()),
        Case("softmax", lambda x: x.softmax(1)),
        Case("softmax", lambda x: x.softmax(-1)),
        Case("layer_norm", nn.LayerNorm(5)),
        Case("layer_norm", nn.LayerNorm((6, 5), eps=1e-3)),
        Case("batch_norm", nn.BatchNorm2d(4)),
        Case("instance_norm", nn.InstanceNorm2d(4, affine=True)),
    ),
)
LAYOUT = Group(
    "layout",
    ((1, 4, 6, 5), (1, 4, 6, 5)),
    (
        Case("reshape", lambda x, y: x.reshape(2, -1, 10)),
        Case("transpose", lambda x, y: x.permute(3, 0, 2, 1)),
        Case("expand_dims", lambda x, y: x.unsqueeze(2)),
        Case("squeeze", lambda x, y: y.squeeze(0)),
        Case("concat", lambda x, y: torch.cat([x, y], -2)),
        Case("stack", lambda x, y: torch.stack([x, y], 1)),
        Case("split", lambda x, y: torch.cat(x.chunk(2, 1)[::-1], 1)),
        Case("split", lambda x, y: torch.cat(x.split([1, 3], 1)[::-1], 1)),
        Case("slice_by_index", lambda x, y: x[:, 1:3, ::2]),
        Case("slice_by_index", lambda x, y: x[:, -1, 2:]),
        Case("tile", lambda x, y: x.repeat(1, 2, 1, 3)),
        Case("reverse", lambda x, y: x.flip((1, 2))),
        Case("pad", lambda x, y: F.pad(x, (1, 2, 0, 3), value=0.5)),
        Case("pad", lambda x, y: F.pad(x, (1, 2, 0, 3), mode="reflect")),
        Case("pad", lambda x, y: F.pad(x, (1, 2, 0, 3), mode="replicate")),
        Case("pixel_shuffle", lambda x, y: F.pixel_shuffle(x, 2)),
        Case("upsample_nearest_neighbor", lambda x, y: F.interpolate(x, scale_factor=2.0)),
        Case(
            "upsample_bilinear",
            lambda x, y: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False),
        ),
        Case(
            "upsample_bilinear",
            lambda x, y: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True),
        ),
        Case("gather", lambda x, y: torch.index_select(x, 1, torch.tensor([2, 0, 0]))),
    ),
)
GROUPS = (
    TWO,
    ONE,
    WINDOWS,
    ONE_AXIS,
    THREE_AXES,
    MATRICES,
    ATTENTION,
    REDUCTIONS,
    LAYOUT,
)
