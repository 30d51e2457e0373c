"""One output of a published model: what the artifact's logits mean."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Heads = Literal["mean", "both"]
HEADS: tuple[str, ...] = get_args(Heads)


class SingleOutput(nn.Module):
    """A reference module with Conformer's two heads combined; others pass through.

    ``heads="mean"``: (B, K), the mean of the heads (the argmax of their sum, on which the published
    accuracy was measured). ``"both"``: (convolution, transformer).
    """

    def __init__(self, reference: nn.Module, heads: str = "mean") -> None:
        super().__init__()
        self.reference = reference
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.reference(x)
        if isinstance(logits, Tensor):
            return logits
        if self.heads == "both":
            return tuple(logits)
        return sum(logits[1:], logits[0]) * (1 / len(logits))


def stack_heads(output: Tensor | tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """A module's outputs below each other: (B, K), or (2 B, K) with both heads."""
    return output if isinstance(output, Tensor) else torch.cat(list(output))


def run_eager(module: nn.Module, inputs: Tensor) -> Tensor:
    """Logits (samples, rows, classes) of a module for inputs (samples, B, 3, H, W)."""
    with torch.no_grad():
        return torch.stack([stack_heads(module(sample)) for sample in inputs])
