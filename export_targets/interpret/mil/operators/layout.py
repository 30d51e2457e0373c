"""Operators that move numbers and compute none."""

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.mil.types import flag, integer, integers, number
from export_targets.interpret.refusal import RefusedError


def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """One size may be -1: what is left."""
    return x.reshape(integers(shape))


def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(integers(perm))


def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """``axes`` are of the result."""
    rank = x.dim() + axes.numel()
    for axis in sorted(axis % rank for axis in integers(axes)):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is None:
        return x.squeeze()
    given = integers(axes)
    if any(x.shape[axis] != 1 for axis in given):
        raise RefusedError(f"the axes {given} of {list(x.shape)} are not all of size 1")
    return x.squeeze(given)


def concat(values: list[Tensor], axis: Tensor, interleave: Tensor | None = None) -> Tensor:
    """``interleave``: one slice along the axis of each in turn; all have the same shape."""
    if not flag(interleave):
        return torch.cat(values, integer(axis))
    where = integer(axis) % values[0].dim()
    return torch.stack(values, where + 1).flatten(where, where + 1)


def stack(values: list[Tensor], axis: Tensor) -> Tensor:
    return torch.stack(values, integer(axis))


def split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return torch.split(x, integers(split_sizes), integer(axis))
    if num_splits is None:
        raise RefusedError("split says neither how many parts nor their sizes")
    size, count = x.shape[integer(axis)], integer(num_splits)
    if count < 1 or size % count:
        raise RefusedError(f"{size} does not split into {count} equal parts")
    return torch.split(x, size // count, integer(axis))


def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """As Python slices; a mask of true says from the start, to the end, or only ``begin``."""
    starts, stops, steps = integers(begin), integers(end), integers(stride, [1] * x.dim())
    masks = [integers(mask, [0] * x.dim()) for mask in (begin_mask, end_mask, squeeze_mask)]
    for axis in reversed(range(x.dim())):
        free_start, free_stop, only = (bool(mask[axis]) for mask in masks)
        size = x.shape[axis]
        if only:
            if not -size <= starts[axis] < size:
                raise RefusedError(f"the index {starts[axis]} is outside an axis of {size}")
            x = x.select(axis, starts[axis])
            continue
        chosen = range(size)[
            slice(
                None if free_start else starts[axis],
                None if free_stop else stops[axis],
                steps[axis],
            )
        ]
        x = x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64))
    return x


def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """A size of -1 goes to the end of the axis."""
    for axis, (start, count) in enumerate(zip(integers(begin), integers(size), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    """Rows and columns taken off before and after a map (N, C, H, W)."""
    (top, bottom), (left, right) = integers(crop_height), integers(crop_width)
    height, width = x.shape[2:]
    if min(top, bottom, left, right) < 0 or top + bottom >= height or left + right >= width:
        raise RefusedError(f"a map of {height} x {width} cannot be cropped so")
    return x[:, :, top : height - bottom, left : width - right]


def tile(x: Tensor, reps: Tensor) -> Tensor:
    return x.repeat(integers(reps))


def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.flip(integers(axes, list(range(x.dim()))))


def pad(
    x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | None = None
) -> Tensor:
    """``pad``: before and after of the last axes, in the order of the axes."""
    given = integers(pad)
    pairs = list(zip(given[::2], given[1::2], strict=True))
    flat = [zeros for pair in reversed(pairs) for zeros in pair]
    if mode == "constant":
        return F.pad(x, flat, value=0.0 if constant_val is None else number(constant_val))
    if mode not in ("reflect", "replicate"):
        raise RefusedError(f"the mode {mode!r} of pad is not known")
    used = flat  # torch pads the last axes only: drop the pairs of zeros of the first ones
    while len(used) > 2 and used[-2:] == [0, 0] and len(used) > 2 * (x.dim() - 2):
        used = used[:-2]
    return F.pad(x, used, mode=mode)


def pixel_shuffle(x: Tensor, upscale_factor: Tensor) -> Tensor:
    return F.pixel_shuffle(x, integer(upscale_factor))


def pixel_unshuffle(x: Tensor, downscale_factor: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, integer(downscale_factor))


def depth_to_space(x: Tensor, block_size: Tensor) -> Tensor:
    """Channel (row * block + column) * C + c goes to channel c at (row, column) of a block."""
    block = integer(block_size)
    n, channels, height, width = x.shape
    x = x.view(n, block, block, channels // block**2, height, width)
    x = x.permute(0, 3, 4, 1, 5, 2)  # (N, C, height, row, width, column)
    return x.reshape(n, channels // block**2, height * block, width * block)


def space_to_depth(x: Tensor, block_size: Tensor) -> Tensor:
    """The inverse of ``depth_to_space``."""
    block = integer(block_size)
    n, channels, height, width = x.shape
    x = x.view(n, channels, height // block, block, width // block, block)
    x = x.permute(0, 3, 5, 1, 2, 4)  # (N, row, column, C, height, width)
    return x.reshape(n, channels * block**2, height // block, width // block)
