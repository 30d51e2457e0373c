"""The split-attention convolution and the blur pool of SE-CoTNetD in edge form."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class BlurPool(nn.Module):
    """The function of a reference blur pool for maps with an even number of rows and columns.

    before: reflect one pixel at all four sides, then a 3x3 convolution of stride 2
    after:  the second row above the first, the second column left of the first: the convolution
    does not reach the other sides. A concatenation of slices, as no backend reflects.
    """

    weight: Tensor

    def __init__(self, source: reference.BlurPool) -> None:
        super().__init__()
        self.register_buffer("weight", source.weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[:, :, 1:2], x], dim=2)
        x = torch.cat([x[..., 1:2], x], dim=3)
        return F.conv2d(x, self.weight, stride=2, groups=x.shape[1])
