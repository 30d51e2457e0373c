"""One output of a published model: what the artifact's logits mean."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edge_models.spec import ModelSpec

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


def one_output(spec: ModelSpec, reference: nn.Module, heads: str = "mean") -> nn.Module:
    """The reference of a spec as the artifact's output has it; a network of one's own as it is."""
    return reference if spec.own else SingleOutput(reference, heads).eval()


def stack_outputs(returned: object) -> Tensor:
    """What a module returns as one tensor: logits (B, K), or (2 B, K) with both heads; any other
    tensors one after the other in a row, (1, numbers).
    """
    tensors: list[Tensor] = tree_leaves(returned)
    if all(tensor.dim() == 2 and tensor.shape[1] == tensors[0].shape[1] for tensor in tensors):
        return torch.cat(tensors)
    return torch.cat([tensor.flatten() for tensor in tensors])[None]


def run_eager(module: Callable[[Tensor], object], inputs: Tensor) -> Tensor:
    """Logits (samples, rows, classes) of a module for inputs (samples, B, 3, H, W)."""
    with torch.no_grad():
        return torch.stack([stack_outputs(module(sample)) for sample in inputs])
