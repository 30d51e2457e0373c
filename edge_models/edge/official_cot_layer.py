"""The CoT layer of the official CoTNet family in edge form."""

import torch
from torch import Tensor, nn

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
    """The function of a reference layer, (B, dim, H, W) -> the same.

    before: BN(local convolution of v)
    after:  local convolution of s v, plus b: s and b the norm's scale and shift, s in v's weights
    """

    def __init__(self, reference: ReferenceCoTLayer, forms: Forms | None = None) -> None:
        super().__init__()
        forms = forms or Forms()
        halves = reference.halves
        key, key_norm, _ = reference.key_embed
        value, value_norm = reference.conv1x1
        squeeze, squeeze_norm, _, expand, expand_norm = reference.embed
        assert isinstance(expand_norm, nn.GroupNorm)
        self.key = convolution_from(fold_batch_norm(key, key_norm), like=key)
        scale, shift = norm_scale_and_shift(reference.bn)
        pointwise = dense(fold_batch_norm(value, value_norm), halves)
        self.value = convolution_from(scaled_rows(pointwise, scale))
        self.squeeze = convolution_from(_pair_order(fold_batch_norm(squeeze, squeeze_norm), halves))
        expanded = dense(affine_of(expand), halves)
        self.local = forms.local_convolution(expanded, expand_norm, halves, shift)
        self.attention = ContextAttention(reference.se)

    def forward(self, x: Tensor) -> Tensor:
        static_context = torch.relu(self.key(x))
        hidden = torch.relu(self.squeeze(torch.cat([x, static_context], dim=1)))
        dynamic_context = self.local(hidden, self.value(x))
        dynamic_context = dynamic_context * torch.sigmoid(dynamic_context)
        return self.attention(dynamic_context, static_context)


class ContextAttention(nn.Module):
    """Weighs dynamic context x and static context k, (B, C, H, W) each, by channel.

    before: softmax over the pair (z_x, z_k) = W h + b, rows 2 c and 2 c + 1; p_x * x + p_k * k
    after:  a = sigmoid(W_d h + b_d), k + a * (x - k): a softmax over two is a sigmoid of the
    difference, whose weights are the differences of the rows
    """

    def __init__(self, source: nn.Sequential) -> None:
        super().__init__()
        squeeze, norm, _, expand = source
        self.means = ContextMeans()
        self.mix = ContextMix()
        self.squeeze = convolution_from(fold_batch_norm(squeeze, norm))
        weight, bias = affine_of(expand)
        self.difference = convolution_from(
            Affine(weight[0::2] - weight[1::2], bias[0::2] - bias[1::2])
        )

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        share = torch.sigmoid(self.difference(torch.relu(self.squeeze(self.means(x, k)))))
        return self.mix(x, k, share)


class ContextMix(nn.Module):
    """k + share * (x - k)."""

    def forward(self, x: Tensor, k: Tensor, share: Tensor) -> Tensor:
        return k + share * (x - k)


class ContextMeans(nn.Module):
    """Mean over positions of x + k, (B, C, 1, 1).

    before: mean(x + k); after: mean(x) + mean(k), no addition of maps
    """

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True) + k.mean((2, 3), keepdim=True)


def _pair_order(squeeze: Affine, halves: int) -> Affine:
    """Weights over cat([x, k]) of a convolution over x and k as the reference joins them.

    before: halves = 2, two groups over x0, k0, x1, k1, ...
    after:  one group over x0, x1, ..., k0, k1, ... with zeros for the other half
    """
    if halves == 1:
        return squeeze
    weight, bias = dense(squeeze, halves)
    return Affine(torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1), bias)
