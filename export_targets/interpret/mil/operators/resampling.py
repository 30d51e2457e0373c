"""Maps (N, C, H, W) of another size."""

from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.mil.types import flag, integer, number
from export_targets.interpret.refusal import RefusedError


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor
) -> Tensor:
    """Each pixel repeated a whole number of times along each axis."""
    factors = [number(scale_factor_height), number(scale_factor_width)]
    if any(factor < 1 or factor != int(factor) for factor in factors):
        raise RefusedError(f"nearest upsampling by {factors} is not known")
    for axis, factor in zip((2, 3), factors, strict=True):
        x = x.repeat_interleave(int(factor), dim=axis)
    return x


def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor,
    scale_factor_width: Tensor,
    align_corners: Tensor | None = None,
    half_pixel_centers: Tensor | None = None,
) -> Tensor:
    """Corner pixels' centres stay where they are, or all centres at halves of a pixel."""
    aligned = flag(align_corners)
    if not aligned and half_pixel_centers is not None and not flag(half_pixel_centers):
        raise RefusedError("upsample_bilinear without half_pixel_centers is not known")
    size = [
        int(length * number(factor))
        for length, factor in zip(
            x.shape[2:], (scale_factor_height, scale_factor_width), strict=True
        )
    ]
    return F.interpolate(x, size, mode="bilinear", align_corners=aligned)


def resize_nearest_neighbor(
    x: Tensor, target_size_height: Tensor, target_size_width: Tensor
) -> Tensor:
    size = (integer(target_size_height), integer(target_size_width))
    return F.interpolate(x, size, mode="nearest")
