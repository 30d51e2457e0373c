"""The simplified CoT layer in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.folding import convolution_from, fold_batch_norm, fold_mean_of_maps, scaled
from edge_models.edge.forms import Forms
from edge_models.reference.cot_layer import CoTLayer as ReferenceCoTLayer
from edge_models.spec import Size


class CoTLayer(nn.Module):
    """The function of a reference CoTLayer for maps of one size, (B, dim, H, W) -> the same.

    Args:
        reference: the layer with its weights, in evaluation mode.
        size: (H, W) of the map.
        forms: the primitive forms that the target wants.
    """

    def __init__(
        self, reference: ReferenceCoTLayer, size: Size, forms: Forms | None = None
    ) -> None:
        super().__init__()
        forms = forms or Forms()
        key, key_norm, _ = reference.key_embed
        value, value_norm = reference.value_embed
        squeeze, squeeze_norm, _, expand = reference.attention_embed
        self.key = convolution_from(fold_batch_norm(key, key_norm), like=key)
        # before: softmax(a) * v
        # after:  (H*W * softmax(a)) * (v / (H*W)): both factors near 1, the division in v's weights
        positions = size[0] * size[1]
        self.value = convolution_from(
            scaled(fold_batch_norm(value, value_norm), 1.0 / positions), like=value
        )
        self.squeeze = convolution_from(fold_batch_norm(squeeze, squeeze_norm), like=squeeze)
        self.attention = convolution_from(fold_mean_of_maps(expand, reference.kernel_size**2))
        self.softmax_mean = forms.softmax_mean(size)

    def forward(self, x: Tensor) -> Tensor:
        static_context = torch.relu(self.key(x))
        hidden = torch.relu(self.squeeze(torch.cat([static_context, x], dim=1)))
        return static_context + self.softmax_mean(self.attention(hidden), self.value(x))
