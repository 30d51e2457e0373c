"""Attention, softmax and linears of any axes."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.pools import LOWEST
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten


class AttentionByProducts(nn.Module):
    """softmax(s q k^T + m) v of (..., N, d) operands, as batched products of 3-D ones.

    before: scaled_dot_product_attention, which is decomposed with a guard for rows that are masked
    whole; after: its definition. The mask is constant; False is the least number of float16.
    """

    mask: Tensor

    def __init__(self, scale: float, mask: Tensor | None) -> None:
        super().__init__()
        self.scale = scale
        self.masked = mask is not None
        self.register_buffer("mask", torch.zeros(1) if mask is None else mask)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        lead = query.shape[:-2]
        query = (query * self.scale).reshape(-1, *query.shape[-2:])
        key = key.reshape(-1, *key.shape[-2:]).transpose(1, 2)
        scores = torch.bmm(query, key)
        if self.masked:
            scores = scores + self.mask
        mixed = torch.bmm(torch.softmax(scores, -1), value.reshape(-1, *value.shape[-2:]))
        return mixed.reshape(*lead, *mixed.shape[-2:])


class SoftmaxOfLast(nn.Module):
    """before: softmax over an axis; after: that axis moved behind the others, and back."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x.transpose(self.dim, -1), -1).transpose(self.dim, -1)


class LinearOfMatrix(nn.Module):
    """before: W x + b over the last axis of (..., K); after: of the (N, K) matrix of all rows."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_parameter("weight", nn.Parameter(weight, False))
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, False))

    def forward(self, x: Tensor) -> Tensor:
        rows = F.linear(x.reshape(-1, x.shape[-1]), self.weight, self.bias)
        return rows.reshape(*x.shape[:-1], rows.shape[-1])


def _attention(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given = arguments(node)
    query, key = shape(given["query"]), shape(given["key"])
    mask = program.constant(given["attn_mask"])
    if query[:-2] != key[:-2] or (given["attn_mask"] is not None and mask is None):
        return None
    if given["is_causal"]:
        mask = torch.ones(query[-2], key[-2], dtype=torch.bool).tril()
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape).masked_fill(~mask, LOWEST)
        if mask.dim() > 2:
            mask = mask.expand(*query[:-1], key[-2])
        mask = mask.reshape(-1, *mask.shape[-2:]).clone()
    scale = given["scale"] if given["scale"] is not None else 1 / math.sqrt(query[-1])
    return AttentionByProducts(scale, mask)


def _key_and_value(node: fx.Node) -> Iterable[fx.Node]:
    given = arguments(node)
    return given["key"], given["value"]


def _softmax(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    dim, rank = arguments(node)["dim"], len(shape(node))
    return None if dim % rank == rank - 1 else SoftmaxOfLast(dim % rank)


def _linear(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given = arguments(node)
    weight, bias = program.constant(given["weight"]), program.constant(given["bias"])
    known = weight is not None and (given["bias"] is None or bias is not None)
    if not known or len(shape(node)) == 2 or weight is None:
        return None
    return LinearOfMatrix(weight, bias)


REWRITES = (
    Rewrite(
        "scaled_dot_product_attention",
        (aten.scaled_dot_product_attention.default,),
        _attention,
        _key_and_value,
    ),
    Rewrite("softmax", (aten.softmax.int,), _softmax),
    Rewrite("linear", (aten.linear.default,), _linear),
)
