"""Operators and arguments that the converter does not write: programs of MIL's own builder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Built:
    """``build(mb, x)`` writes one operator; ``expected`` gives what it computes, in torch."""

    operator: str
    build: Callable[[Any, Any], Any]
    expected: Callable[[Tensor], Tensor | tuple[Tensor, ...]]
    shape: Shape = (1, 4, 6, 5)
    target: str = "iOS17"


BUILT = (
    Built("identity", lambda mb, x: mb.identity(x=x), lambda x: x),
    Built("mod", lambda mb, x: mb.mod(x=x, y=0.7), lambda x: torch.remainder(x, 0.7)),
    Built("square", lambda mb, x: mb.square(x=x), lambda x: x * x),
    Built(
        "thresholded_relu",
        lambda mb, x: mb.thresholded_relu(x=x, alpha=0.4),
        lambda x: x * (x >= 0.4),
    ),
    Built("softsign", lambda mb, x: mb.softsign(x=x), lambda x: x / (1 + x.abs())),
    Built(
        "gelu",
        lambda mb, x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    Built(
        "gelu",
        lambda mb, x: mb.gelu(x=x, mode="SIGMOID_APPROXIMATION"),
        lambda x: x / (1 + torch.exp(-1.702 * x)),
    ),
    Built(
        "real_div",
        lambda mb, x: mb.real_div(x=mb.cast(x=mb.mul(x=x, y=9.0), dtype="int32"), y=2),
        lambda x: torch.trunc((x * 9).int() / 2).int(),
    ),
    Built(
        "logical_and",
        lambda mb, x: mb.cast(
            x=mb.logical_and(x=mb.greater(x=x, y=-0.5), y=mb.less(x=x, y=0.5)), dtype="fp32"
        ),
        lambda x: ((x > -0.5) * (x < 0.5)).float(),
    ),
    Built(
        "logical_or",
        lambda mb, x: mb.cast(
            x=mb.logical_or(x=mb.greater(x=x, y=0.5), y=mb.less(x=x, y=-0.5)), dtype="fp32"
        ),
        lambda x: (x.abs() > 0.5).float(),
    ),
    Built(
        "conv",
        lambda mb, x: mb.conv(
            x=x, weight=np.ones((2, 4, 2, 3), np.float32), pad_type="same_lower", strides=[2, 2]
        ),
        lambda x: F.conv2d(F.pad(x, (1, 1, 0, 0)), torch.ones(2, 4, 2, 3), stride=2),
    ),
    Built(
        "conv",
        lambda mb, x: mb.conv(x=x, weight=np.ones((2, 4, 2, 4), np.float32), pad_type="same"),
        lambda x: F.conv2d(F.pad(x, (1, 2, 0, 1)), torch.ones(2, 4, 2, 4)),
    ),
    Built(
        "conv",
        lambda mb, x: mb.conv(
            x=x, weight=np.ones((2, 4, 2, 4), np.float32), pad_type="custom", pad=[2, 0, 1, 3]
        ),
        lambda x: F.conv2d(F.pad(x, (1, 3, 2, 0)), torch.ones(2, 4, 2, 4)),
    ),
    Built(
        "conv_transpose",
        lambda mb, x: mb.conv_transpose(
            x=x,
            weight=np.ones((4, 2, 3, 3), np.float32),
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 0, 0, 2],
        ),
        lambda x: F.conv_transpose2d(x, torch.ones(4, 2, 3, 3), stride=2)[:, :, 1:, :-2],
    ),
    Built(
        "avg_pool",
        lambda mb, x: mb.avg_pool(
            x=x, kernel_sizes=[2, 2], strides=[1, 1], pad_type="custom", pad=[1, 0, 0, 1]
        ),
        lambda x: F.avg_pool2d(F.pad(x, (0, 1, 1, 0)), 2, 1),
    ),
    Built(
        "avg_pool",
        lambda mb, x: mb.avg_pool(
            x=x, kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1] * 4, ceil_mode=True
        ),
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    ),
    Built(
        "einsum",
        lambda mb, x: mb.einsum(
            values=(x, mb.transpose(x=x, perm=[0, 3, 2, 1])), equation="nchw,nwhu->nchu"
        ),
        lambda x: torch.einsum("nchw,nwhu->nchu", x, x.permute(0, 3, 2, 1)),
    ),
    Built(
        "reduce_sum_square",
        lambda mb, x: mb.reduce_sum_square(x=x, axes=[1], keep_dims=True),
        lambda x: (x * x).sum(1, keepdim=True),
    ),
    Built("reduce_max", lambda mb, x: mb.reduce_max(x=x), lambda x: x.max()),
    Built(
        "concat",
        lambda mb, x: mb.concat(values=[x, mb.mul(x=x, y=2.0)], axis=1, interleave=True),
        lambda x: torch.stack([x, 2 * x], 2).flatten(1, 2),
    ),
    Built(
        "slice_by_index",
        lambda mb, x: mb.slice_by_index(
            x=x,
            begin=[0, -1, 4, 1],
            end=[0, 0, 1, -1],
            stride=[1, -2, -1, 1],
            begin_mask=[True, False, False, False],
            end_mask=[True, True, False, False],
            squeeze_mask=[False] * 4,
        ),
        lambda x: x[:, [3, 1]][:, :, [4, 3, 2]][..., 1:-1],
    ),
    Built(
        "slice_by_index",
        lambda mb, x: mb.slice_by_index(
            x=x, begin=[0, -2, 0, 0], end=[1, 0, 6, 5], squeeze_mask=[True, True, False, False]
        ),
        lambda x: x[0, 2],
    ),
    Built(
        "slice_by_size",
        lambda mb, x: mb.slice_by_size(x=x, begin=[0, 1, 2, 0], size=[1, 2, -1, 3]),
        lambda x: x[:, 1:3, 2:, :3],
    ),
    Built("squeeze", lambda mb, x: mb.squeeze(x=x), lambda x: x[0]),
    Built(
        "depth_to_space",
        lambda mb, x: mb.depth_to_space(x=x, block_size=2),
        lambda x: torch.stack(
            [torch.stack([x[:, 2 * r + c] for c in (0, 1)], -1).flatten(2) for r in (0, 1)], 2
        ).flatten(1, 2)[:, None],
    ),
    Built(
        "space_to_depth",
        lambda mb, x: mb.space_to_depth(x=x, block_size=2),
        lambda x: torch.cat([x[:, :, r::2, c::2] for r in (0, 1) for c in (0, 1)], 1),
        (1, 2, 6, 4),
    ),
    Built(
        "pixel_unshuffle",
        lambda mb, x: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
        lambda x: F.pixel_unshuffle(x, 2),
        (1, 2, 6, 4),
    ),
    Built(
        "resize_nearest_neighbor",
        lambda mb, x: mb.resize_nearest_neighbor(x=x, target_size_height=12, target_size_width=15),
        lambda x: F.interpolate(x, (12, 15)),
    ),
    Built(
        "gather",
        lambda mb, x: mb.gather(x=x, indices=np.array([[0, 3], [-1, 1]], np.int32), axis=1),
        lambda x: x[:, [0, 3, 3, 1]].unflatten(1, (2, 2)),
        (1, 4),
    ),
    Built(
        "classify",
        lambda mb, x: mb.softmax(x=x, axis=-1),
        lambda x: x.softmax(-1),
        (1, 6),
    ),
)
