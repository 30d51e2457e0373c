"""The CoT layer of the official CoTNet family in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.equalization import Moments, moments, ranges, rectified, scaled_columns
from edge_models.edge.folding import (
    Affine,
    affine_of,
    convolution_from,
    dense,
    fold_batch_norm,
    norm_scale_and_shift,
    scaled_rows,
)
from edge_models.edge.forms import Forms
from edge_models.reference.official_cot_layer import OfficialCoTLayer as ReferenceCoTLayer


class OfficialCoTLayer(nn.Module):
    """The function of a reference layer, (B, dim, H, W) -> the same, its maps equalized.

    ``given`` are the ranges that the input's channels were divided by; the output's were divided by
    ``divisor``, where none is given by ranges from the norms.

    before: BN(local convolution of v)
    after:  s r (local convolution of v / r) + b: s and b the norm's scale and shift, r the ranges
    """

    divisor: Tensor

    def __init__(
        self,
        reference: ReferenceCoTLayer,
        given: Tensor,
        forms: Forms | None = None,
        divisor: Tensor | None = None,
    ) -> None:
        super().__init__()
        forms = forms or Forms()
        halves = reference.halves
        key, key_norm, _ = reference.key_embed
        value, value_norm = reference.conv1x1
        squeeze, squeeze_norm, _, expand, expand_norm = reference.embed
        assert isinstance(key, nn.Conv2d)
        assert isinstance(expand_norm, nn.GroupNorm)
        of_key, of_value = ranges(moments(key_norm)), ranges(moments(value_norm))
        of_hidden = ranges(moments(squeeze_norm))
        scale, shift = norm_scale_and_shift(reference.bn)

        static = scaled_columns(fold_batch_norm(key, key_norm), given, key.groups)
        self.key = convolution_from(scaled_rows(static, 1 / of_key), like=key)
        pointwise = scaled_columns(dense(fold_batch_norm(value, value_norm), halves), given)
        self.value = convolution_from(scaled_rows(pointwise, 1 / of_value))
        pair = scaled_columns(
            _pair_order(fold_batch_norm(squeeze, squeeze_norm), halves), torch.cat([given, of_key])
        )
        self.squeeze = convolution_from(scaled_rows(pair, 1 / of_hidden))
        expanded = scaled_columns(dense(affine_of(expand), halves), of_hidden)
        hidden = rectified(moments(squeeze_norm))
        hidden = Moments(hidden.mean / of_hidden, hidden.variance / of_hidden.square())
        self.local = forms.local_convolution(
            expanded, expand_norm, halves, scale * of_value, shift, hidden
        )
        if divisor is None:
            divisor = (ranges(moments(reference.bn)) + of_key) / 2
        self.divisor = divisor
        self.attention = ContextAttention(reference.se, of_key, self.divisor)

    def forward(self, x: Tensor) -> Tensor:
        static_context = torch.relu(self.key(x))
        hidden = torch.relu(self.squeeze(torch.cat([x, static_context], dim=1)))
        dynamic_context = self.local(hidden, self.value(x))
        dynamic_context = dynamic_context * torch.sigmoid(dynamic_context)
        return self.attention(dynamic_context, static_context)


class ContextAttention(nn.Module):
    """Weighs dynamic context x and static context k, (B, C, H, W) each, by channel. k comes divided
    by ``of_key``, the result is divided by ``divisor``, (C,) each.

    before: softmax over the pair (z_x, z_k) = W h + b, rows 2 c and 2 c + 1; p_x * x + p_k * k
    after:  a = sigmoid(W_d h + b_d), a * x + (1 - a) * k: a softmax over two is a sigmoid of the
    difference, whose weights are the differences of the rows
    """

    of_dynamic: Tensor
    of_static: Tensor

    def __init__(self, source: nn.Sequential, of_key: Tensor, divisor: Tensor) -> None:
        super().__init__()
        squeeze, norm, _, expand = source
        self.means = ContextMeans()
        self.mix = ContextMix()
        self.register_buffer("of_dynamic", (1 / divisor).float().view(1, -1, 1, 1))
        self.register_buffer("of_static", (of_key / divisor).float().view(1, -1, 1, 1))
        self.squeeze = convolution_from(scaled_columns(fold_batch_norm(squeeze, norm), divisor))
        weight, bias = affine_of(expand)
        self.difference = convolution_from(
            Affine(weight[0::2] - weight[1::2], bias[0::2] - bias[1::2])
        )

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        means = self.means(x, k, self.of_dynamic, self.of_static)
        share = torch.sigmoid(self.difference(torch.relu(self.squeeze(means))))
        return self.mix(x, k, share, self.of_dynamic, self.of_static)


class ContextMix(nn.Module):
    """share * of_x * x + (1 - share) * of_k * k: the maps are multiplied once each."""

    def forward(self, x: Tensor, k: Tensor, share: Tensor, of_x: Tensor, of_k: Tensor) -> Tensor:
        return x * (share * of_x) + k * (of_k - share * of_k)


class ContextMeans(nn.Module):
    """Mean over positions of of_x * x + of_k * k, (B, C, 1, 1).

    before: the mean of the sum; after: the sum of the means, no addition of maps
    """

    def forward(self, x: Tensor, k: Tensor, of_x: Tensor, of_k: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True) * of_x + k.mean((2, 3), keepdim=True) * of_k


def _pair_order(squeeze: Affine, halves: int) -> Affine:
    """Weights over cat([x, k]) of a convolution over x and k as the reference joins them.

    before: halves = 2, two groups over x0, k0, x1, k1, ...
    after:  one group over x0, x1, ..., k0, k1, ... with zeros for the other half
    """
    if halves == 1:
        return squeeze
    weight, bias = dense(squeeze, halves)
    return Affine(torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1), bias)
