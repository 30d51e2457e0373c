"""Observers: how calibration turns the activations it sees into a range."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchao.quantization.pt2e.observer import (
    PerChannelMinMaxObserver,
    UniformQuantizationObserverBase,
)

from quantize.one_thread_each import one_thread_each

SAMPLE = 2048  # numbers of one image's activation that are kept
STEPS = 12  # from the largest value down to the smallest clip, and again within one step
SMALLEST_CLIP = 0.005  # of the largest value
SMALLEST_SHARE = 1e-3  # of the mean energy: an image that is all but zero does not decide
TINY = 1e-30
# Of an activation that is zero for every image (a ReLU that never opens): any range holds it, but
# XNNPACK loads no layer whose result has a step 256 times smaller than its products.
RANGE_OF_ZEROS = 1.0


class RelativeErrorObserver(UniformQuantizationObserverBase):  # type: ignore[misc]  # no types there
    """The range with the least squared error, each image's error relative to its own energy.

    A trained network answers a few images with activations a hundred times larger than the rest
    (a softmax over positions that picks one of them). A range that holds these leaves the other
    images less than one step; the plain squared error, as torchao's histogram minimizes it, does
    not see that, since the large images carry all of the energy. Clipping them costs at most their
    own share here. docs/measurements.md has the comparison on trained weights.

    The first axis of an activation is images, unless ``one_image``: then all of it is of one image,
    as where tokens are the rows of a matrix.
    """

    def __init__(self, one_image: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.one_image = one_image
        self.samples: list[Tensor] = []
        self.range: tuple[Tensor, Tensor] | None = None  # found by ``find_ranges``

    def forward(self, x_orig: Tensor) -> Tensor:
        """Keep an even sample of each image with its extremes, and pass the activation through."""
        images = 1 if self.one_image or x_orig.dim() < 2 else len(x_orig)
        values = x_orig.detach().reshape(images, -1)
        stride = values.shape[1] // SAMPLE
        if stride > 1:
            # an odd stride does not fall into step with the channels of the map
            # (aminmax along an axis took twenty times as long here as amin and amax)
            extremes = torch.stack([values.amin(1), values.amax(1)], dim=1)
            values = torch.cat([values[:, :: stride | 1], extremes], dim=1)
        self.samples.append(values.clone())
        return x_orig

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point. Raises ValueError where nothing was observed."""
        if not self.samples:
            raise ValueError("an activation was never observed: calibrate before converting")
        low, high = self.range or self.search()
        if low == high:
            high = torch.tensor(RANGE_OF_ZEROS)
        scale, zero_point = self._calculate_qparams(low, high)
        return scale, zero_point

    def search(self) -> tuple[Tensor, Tensor]:
        """The best range of what was observed."""
        symmetric = self.qscheme == torch.per_tensor_symmetric
        return best_range(self.samples, self.quant_max - self.quant_min, symmetric)


class WeightObserver(PerChannelMinMaxObserver):  # type: ignore[misc]  # no types there
    """The extremes of each output channel of a weight, looked at once: the weight is the same for
    every image. As torchao's own, it took a quarter of a Conformer-S's calibration.
    """

    def forward(self, x_orig: Tensor) -> Tensor:
        """Note the extremes the first time, and pass the weight through."""
        return x_orig if self.min_val.numel() else super().forward(x_orig)


def find_ranges(prepared: nn.Module) -> None:
    """Search the ranges of a prepared module's observers, several at a time.

    A search is thousands of short operations.
    """
    found = [module for module in prepared.modules() if isinstance(module, RelativeErrorObserver)]
    observers = [observer for observer in dict.fromkeys(found) if observer.samples]
    with one_thread_each() as pool:
        ranges = list(pool.map(RelativeErrorObserver.search, observers))
    for observer, chosen in zip(observers, ranges, strict=True):
        observer.range = chosen


def best_range(
    observed: list[Tensor], levels: int, symmetric: bool = False
) -> tuple[Tensor, Tensor]:
    """(low, high) around zero for activations quantized to ``levels`` equal steps; ``symmetric``:
    zero in the middle.

    ``observed``: (images, numbers) of each call.
    """
    sizes = sorted({rows.shape[1] for rows in observed})
    groups = [torch.cat([rows for rows in observed if rows.shape[1] == n]) for n in sizes]

    energy = [rows.square().sum(1) for rows in groups]
    smallest = SMALLEST_SHARE * torch.cat(energy).mean().item() + TINY
    weights = [1 / images.clamp(min=smallest) for images in energy]
    results = [torch.empty_like(rows) for rows in groups]

    def error(low: float, high: float) -> float:
        step = max((high - low) / levels, TINY)
        zero_point = round(-low / step)
        total = 0.0
        for rows, weight, result in zip(groups, weights, results, strict=True):
            torch.mul(rows, 1 / step, out=result)
            result.round_().clamp_(-zero_point, levels - zero_point)
            result.mul_(step).sub_(rows).square_()
            total += torch.dot(result.sum(1), weight).item()
        return total

    low = min(0.0, *(rows.amin().item() for rows in groups))
    high = max(0.0, *(rows.amax().item() for rows in groups))
    if symmetric:
        high = max(-low, high)
        low = -high
    both = _least(lambda clip: error(low * clip, high * clip))
    low, high = low * both, high * both
    if low < 0.0 < high and not symmetric:
        high *= _least(lambda clip: error(low, high * clip))
        low *= _least(lambda clip: error(low * clip, high))
    return torch.tensor(low), torch.tensor(high)


def _least(error: Callable[[float], float]) -> float:
    """The share of a value's range that it is best clipped to: a coarse search, then a fine one."""
    ratio = SMALLEST_CLIP ** (1 / STEPS)
    coarse = min((ratio**step for step in range(STEPS + 1)), key=error)
    return min(
        (min(1.0, coarse * ratio ** (step / STEPS)) for step in range(-STEPS, STEPS + 1, 2)),
        key=error,
    )
