"""An artifact's outputs apart: what is compared, each on its own."""

from torch import Tensor

from edge_models.errors import InputError
from export_targets.artifact.interface import OutputSection
from export_targets.artifact.manifest import Manifest


def by_output(logits: Tensor, output: OutputSection) -> tuple[Tensor, ...]:
    """(samples, rows, K) -> (images, K) of each head, whose rows follow each other in a sample; or
    (samples, numbers) of each tensor.
    """
    if output.kind == "tensors":
        flat = logits.flatten(1)
        fits = flat.shape[1] == output.shape[1]  # the comparison refuses what does not
        return flat.split(output.sizes, dim=1) if fits else (flat,)
    batch, rows = output.shape[0], logits.shape[1]
    if rows % batch:  # a wrong number of rows, which the comparison refuses
        return (logits.flatten(0, 1),)
    return logits.unflatten(1, (rows // batch, batch)).movedim(1, 0).flatten(1, 2).unbind(0)


def check_classes(manifest: Manifest) -> None:
    """Raises InputError for an artifact whose outputs are no logits of classes."""
    if manifest.output.kind == "tensors":
        raise InputError(
            f"{manifest.name} returns tensors, not logits of classes.",
            "Use edgeform verify, which compares each tensor.",
        )
