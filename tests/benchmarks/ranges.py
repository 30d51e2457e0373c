"""How far an operator's results reach in float16, for files whose results are stored in it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

G = TypeVar("G")  # a saved file's program as its interpreter reads it
SMALLEST_NORMAL = 2.0**-14  # of float16
SCALE_UP = 8.0  # one weight tensor at a time


@dataclass(frozen=True)
class Range:
    """What an operator's results reach in float16: the largest number, the share of subnormals, and
    the largest with any one weight tensor eight times as large.
    """

    operator: str
    largest: float
    subnormal: float
    largest_scaled: float


class Ranges:
    """Takes in results: the largest magnitude and the subnormal numbers of each operator's."""

    def __init__(self) -> None:
        self.largest: dict[str, float] = defaultdict(float)
        self.subnormal: dict[str, int] = defaultdict(int)
        self.numbers: dict[str, int] = defaultdict(int)

    def note(self, operator: str, result: Tensor) -> None:
        """Take in one result; one that is not finite counts as infinite."""
        magnitude = result.abs()
        largest = magnitude.max().item() if magnitude.isfinite().all() else float("inf")
        self.largest[operator] = max(self.largest[operator], largest)
        self.subnormal[operator] += int(((magnitude > 0) & (magnitude < SMALLEST_NORMAL)).sum())
        self.numbers[operator] += result.numel()


Note = Callable[[G, Tensor, Ranges], None]


def ranges(graph: G, scaled: Iterable[G], inputs: Tensor, note: Note[G]) -> list[Range]:
    """Of every operator, the one that reaches furthest first. ``graph`` runs on all inputs, (N, 3,
    H, W), each of ``scaled``, where a weight is larger, on the first; ``note`` runs one.
    """
    plain, larger = Ranges(), Ranges()
    for image in inputs:
        note(graph, image, plain)
    for changed in scaled:
        note(changed, inputs[0], larger)
    return [
        Range(
            operator,
            plain.largest[operator],
            plain.subnormal[operator] / plain.numbers[operator],
            larger.largest[operator],
        )
        for operator in sorted(plain.largest, key=lambda name: -plain.largest[name])
    ]


def table(found: list[Range]) -> list[str]:
    """The ranges as lines of Markdown."""
    lines = [
        "| operator of the FP16 file | largest | subnormal | largest, a weight tensor x 8 |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| `{row.operator}` | {row.largest:.4g} | {row.subnormal:.3%} | {row.largest_scaled:.4g} |"
        for row in found
    ]
