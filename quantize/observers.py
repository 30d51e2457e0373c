"""Observers: how calibration turns the activations it sees into a range."""

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e import HistogramObserver

SAMPLE = 4096  # numbers of one image's activation that are kept for its histogram


class SampledHistogramObserver(HistogramObserver):  # type: ignore[misc]  # no types there
    """torchao's histogram observer, fed once with an even sample of every activation.

    A histogram of all 200,000 to 800,000 numbers of each feature map takes longer than the
    convolution that made it, for no more agreement on trained weights (tests/README.md has the
    comparison). The extremes of every activation are in the sample.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.samples: list[Tensor] = []

    def forward(self, x_orig: Tensor) -> Tensor:
        """Keep a sample, and pass the activation through."""
        values = x_orig.detach().flatten()
        images = len(x_orig) if x_orig.dim() else 1
        stride = values.numel() // max(1, SAMPLE * images)
        if stride > 1:
            # an odd stride does not fall into step with the channels of the map
            values = torch.cat([values[:: stride | 1], torch.stack(torch.aminmax(values))])
        self.samples.append(values.clone())
        return x_orig

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point with the least squared error on all samples."""
        if self.samples:
            super().forward(torch.cat(self.samples))
            self.samples = []
        scale, zero_point = super().calculate_qparams()
        return scale, zero_point
