"""The pass mark of an app's self-test: what the same file may differ by on another device."""

from collections.abc import Mapping

from torch import Tensor

from edge_models.parity import measure
from export_targets.artifact.manifest import SelfTest
from export_targets.target import Gates

# Two right implementations may each differ so much, in opposite ways, from what was measured here.
MARGIN_DB = 6.0


def self_test(gates: Gates, logits: Mapping[str, Tensor]) -> SelfTest:
    """The gate between two devices. For a file that was also run as other devices may store its
    numbers, and for one that no other runtime was ever seen to run, what it reached less a margin:
    against those, or against its graph in float32, which is another implementation of it. A margin
    below the gate of the file itself is the least then, and that gate the most.

    ``logits`` by program, (samples, rows, classes) each: "file", each of ``gates.others``, "edge",
    and "quantized" where the recipe changes numbers.
    """
    mark, most = gates.self_test, gates.lower.min_sqnr_db
    least, others = mark.min_sqnr_db, [logits[program] for program in gates.others]
    if gates.device is None:
        least, others = most - MARGIN_DB, [logits.get("quantized", logits["edge"])]
    if others:
        reached = min(_decibels(logits["file"], other) for other in others)
        least = max(least, min(most, reached - MARGIN_DB))
    return SelfTest(sqnr_db=round(least, 1), top1=mark.min_top1_agreement)


def _decibels(expected: Tensor, actual: Tensor) -> float:
    """Of the worst row; nothing where the samples do not tell, for which the hops fail."""
    try:
        return min(
            measure(expected[:, row], actual[:, row]).sqnr_db for row in range(expected.shape[1])
        )
    except ValueError:
        return 0.0
