"""The first convolution, in every form that a target takes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import Affine, convolution_from


class StemNative(nn.Module):
    """The first convolution, (B, 3, H, W) -> (B, C, H / 2, W / 2), as it is."""

    def __init__(self, affine: Affine, like: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution_from(affine, like)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


class ColumnPairs(nn.Conv2d):
    """Neighbouring columns beside each other as channels: (B, C, H, W) with zero columns at both
    sides -> (B, 2 * C, H, W / 2 + padding). A convolution that copies; exact in INT8 too where the
    result keeps the scale of the input.
    """

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__(channels, 2 * channels, (1, 2), (1, 2), (0, padding), bias=False)
        copies = torch.eye(2 * channels).view(2 * channels, 2, channels, 1)  # (O, column, I, row)
        self.weight = nn.Parameter(copies.permute(0, 2, 3, 1).contiguous(), requires_grad=False)


class StemByColumnPairs(nn.Module):
    """The same over pairs of columns: INT8 kernels take channels in groups of eight, of which three
    channels leave five empty.

    before: a k x k convolution of stride 2
    after:  a convolution k x ceil(k / 2) of stride (2, 1) over pairs; the column that is added to
    an odd kernel weighs zero
    """

    def __init__(self, affine: Affine, like: nn.Conv2d) -> None:
        super().__init__()
        if like.stride != (2, 2):
            raise ValueError("pairs of columns need stride 2")
        rows, columns = (int(size) for size in like.padding)
        self.pairs = ColumnPairs(like.in_channels, columns)
        even = F.pad(affine.weight, (0, like.kernel_size[1] % 2))
        weight = even.unflatten(3, (-1, 2))  # (O, I, k, ceil(k / 2), 2)
        weight = weight.permute(0, 4, 1, 2, 3).flatten(1, 2)
        over_pairs = nn.Conv2d(2 * like.in_channels, len(weight), 1, (2, 1), (rows, 0))
        self.convolution = convolution_from(Affine(weight, affine.bias), over_pairs)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self.pairs(x))
