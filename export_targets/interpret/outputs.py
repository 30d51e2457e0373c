"""What a saved program returns, as one tensor."""

from collections.abc import Sequence

import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError


def joined(tensors: Sequence[object]) -> Tensor:
    """Rows of logits (B, K) below each other; any other tensors one after the other in a row,
    (1, numbers). Raises RefusedError for what is no tensor.
    """
    found = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
    if not found or len(found) != len(tensors):
        raise RefusedError("the model's outputs are not tensors")
    if all(tensor.dim() == 2 and tensor.shape[1] == found[0].shape[1] for tensor in found):
        return torch.cat(found)
    return torch.cat([tensor.flatten() for tensor in found])[None]
