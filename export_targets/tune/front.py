"""Which of several files no other one beats, and which one is taken."""

from collections.abc import Sequence

Costs = tuple[float, ...]  # of a file, each the less the better


def front(files: Sequence[Costs]) -> list[bool]:
    """Whether each stands on the Pareto front: no other is as good in all and better in one."""
    return [not any(_beats(other, one) for other in files) for one in files]


def _beats(other: Costs, one: Costs) -> bool:
    return other != one and all(a <= b for a, b in zip(other, one, strict=True))
