"""Accuracy of programs: what is counted of their answers, and as shares of the images."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from edge_models.errors import InputError


class Accuracy(BaseModel):
    """One program's accuracy in [0, 1], and how often its top-1 is the reference's."""

    model_config = ConfigDict(frozen=True)

    program: str
    top1: float
    top5: float
    agreement: float


class Hits(BaseModel):
    """Of how many images a program's first and first five classes hold the right one, and of how
    many the first is the reference's.
    """

    model_config = ConfigDict(frozen=True)

    top1: int
    top5: int
    agreeing: int


class Judged(BaseModel):
    """What the programs answered to some images: ``samples`` that could be read, ``unreadable``
    says why each of the others was left out, ``narrow`` counts 16-bit ones that are nearly black.
    """

    model_config = ConfigDict(frozen=True)

    samples: int
    hits: Mapping[str, Hits]
    unreadable: tuple[str, ...] = ()
    narrow: int = 0


def count_hits(logits: Mapping[str, Tensor], classes: Tensor) -> dict[str, Hits]:
    """Of every program's logits (images, K), with the right classes. Raises InputError for logits
    that are none.
    """
    reference = logits["reference"]
    for name, values in logits.items():
        if values.shape != reference.shape or not values.isfinite().all():
            raise InputError(
                f"The logits of {name} are NaN, infinite or of another shape than the reference's.",
                "Verify the artifact, or build it again.",
            )
    return {name: _hits(values, reference, classes) for name, values in logits.items()}


def _hits(logits: Tensor, reference: Tensor, classes: Tensor) -> Hits:
    ranked = logits.argsort(dim=1, descending=True)
    right = ranked == classes[:, None]
    return Hits(
        top1=int(right[:, :1].sum()),
        top5=int(right[:, :5].sum()),
        agreeing=int((ranked[:, 0] == reference.argmax(1)).sum()),
    )


def accuracies(parts: Iterable[Judged]) -> tuple[Accuracy, ...]:
    """Of all images together, for each program."""
    judged = [part for part in parts if part.samples]
    samples = sum(part.samples for part in judged)
    return tuple(
        Accuracy(
            program=name,
            top1=sum(part.hits[name].top1 for part in judged) / samples,
            top5=sum(part.hits[name].top5 for part in judged) / samples,
            agreement=sum(part.hits[name].agreeing for part in judged) / samples,
        )
        for name in (judged[0].hits if judged else ())
    )


def one_head(logits: Tensor, images: int) -> Tensor:
    """(samples, rows, K) -> (images, K): with both heads, their mean."""
    samples, rows, classes = logits.shape
    heads = samples * rows // images
    return logits.view(samples, heads, -1, classes).mean(dim=1).flatten(0, 1)
