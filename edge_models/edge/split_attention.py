"""The split-attention convolution of SE-CoTNetD in edge form."""

import torch
from torch import Tensor, nn

from edge_models.edge.folding import affine_of, convolution_from, fold_batch_norm
from edge_models.reference import split_attention as reference


class SplitAttention(nn.Module):
    """The function of a reference layer, with its norms folded."""

    def __init__(self, source: reference.SplitAttention) -> None:
        super().__init__()
        self.conv = convolution_from(fold_batch_norm(source.conv, source.bn0), source.conv)
        self.squeeze = convolution_from(fold_batch_norm(source.fc1, source.bn1))
        self.expand = convolution_from(affine_of(source.fc2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x * torch.sigmoid(x)
        gate = self.squeeze(x.mean((2, 3), keepdim=True))
        gate = self.expand(gate * torch.sigmoid(gate))
        return x * torch.sigmoid(gate)
