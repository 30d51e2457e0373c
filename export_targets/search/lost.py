"""Which images lose what FP32 answers to them.

Logits are (samples, rows, K): a row for each image of a batch, with both heads for each of either.
"""

from torch import Tensor

from export_targets.prove.accuracy import one_head


def lost(expected: Tensor, actual: Tensor, batch: int, classes: Tensor | None = None) -> Tensor:
    """Of each image, whether the top-1 is another one, of any head. With the ``classes`` of the
    images, (samples, B), whether it was right and is no longer.
    """
    if classes is not None:
        return right(expected, classes) & ~right(actual, classes)
    differing = expected.argmax(-1) != actual.argmax(-1)
    return differing.unflatten(1, (-1, batch)).any(1).flatten()


def right(logits: Tensor, classes: Tensor) -> Tensor:
    """Of each image, whether its top-1 is its class; with both heads, the top-1 of their mean."""
    return one_head(logits, classes.numel()).argmax(1) == classes.flatten()


def lost_by_one_answer(expected: Tensor, classes: Tensor) -> int:
    """How many images at least are lost by what answers the same to all of them."""
    kept = classes.flatten()[right(expected, classes)].bincount(minlength=1)
    return int(kept.sum() - kept.max())
