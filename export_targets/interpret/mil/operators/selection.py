"""Gathering, and the class that a classifier answers."""

import torch
from torch import Tensor

from export_targets.interpret.mil.types import flag, integer
from export_targets.interpret.refusal import RefusedError


def gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Slices of ``x`` along an axis; the axis is replaced by the axes of ``indices``."""
    if batch_dims is not None and integer(batch_dims) != 0:
        raise RefusedError("the argument batch_dims of gather is known only as 0")
    where = integer(axis) % x.dim()
    size = x.shape[where]
    chosen = indices.long()
    if flag(validate_indices) and bool(((chosen < -size) | (chosen >= size)).any()):
        raise RefusedError(f"an index of gather is outside an axis of {size}")
    found = x.index_select(where, (chosen % size).flatten())
    return found.reshape(*x.shape[:where], *indices.shape, *x.shape[where + 1 :])


def classify(probabilities: Tensor, classes: tuple[str, ...]) -> tuple[str, Tensor]:
    """The label of the largest probability, and the probabilities."""
    if probabilities.numel() != len(classes):
        raise RefusedError(f"{probabilities.numel()} probabilities for {len(classes)} classes")
    return classes[int(torch.argmax(probabilities.flatten()))], probabilities
