"""Where the windows of convolutions and pools stand."""

from torch import Tensor

from export_targets.interpret.mil.types import integers
from export_targets.interpret.refusal import RefusedError


def paddings(
    pad_type: str, pad: Tensor | None, sizes: list[int], extents: list[int], strides: list[int]
) -> list[tuple[int, int]]:
    """Zeros before and after each spatial axis.

    ``extents``: how many positions one window spans along each axis. "same" makes the output
    ceil(size / stride) and puts an odd zero after, "same_lower" before.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        given = integers(pad, [0] * 2 * len(sizes))
        if len(given) != 2 * len(sizes) or min(given) < 0:
            raise RefusedError(f"the padding {given} does not fit {len(sizes)} axes")
        return list(zip(given[::2], given[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise RefusedError(f"the pad_type {pad_type!r} is not known")
    result = []
    for size, extent, stride in zip(sizes, extents, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + extent - size)
        fewer, more = total // 2, total - total // 2
        result.append((fewer, more) if pad_type == "same" else (more, fewer))
    return result


def flat(pads: list[tuple[int, int]]) -> list[int]:
    """As torch's ``pad`` takes them: the last axis first."""
    return [zeros for pair in reversed(pads) for zeros in pair]
