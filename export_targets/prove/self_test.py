"""The pass mark of an app's self-test: what the same file may differ by on another device."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from edge_models.parity import measure
from export_targets.artifact.interface import OutputSection
from export_targets.artifact.manifest import SelfTest
from export_targets.prove.outputs import by_output
from export_targets.target import Gates

# Two right implementations may each differ so much, in opposite ways, from what was measured here.
MARGIN_DB = 6.0


def self_test(gates: Gates, output: OutputSection, logits: Mapping[str, Tensor]) -> SelfTest:
    """The gate between two devices. For a file that was also run as other devices may store its
    numbers, and for one that no other runtime was ever seen to run, what it reached less a margin:
    against those, or against its graph in float32, which is another implementation of it. A margin
    below the gate of the file itself is the least then, and that gate the most.

    ``logits`` by program, (samples, rows, classes) each: "file", each of ``gates.others``, "edge",
    and "quantized" where the recipe changes numbers.
    """
    found = {program: by_output(values, output) for program, values in logits.items()}
    mark, most = gates.self_test, gates.lower.min_sqnr_db
    least, others = mark.min_sqnr_db, [found[program] for program in gates.others]
    if gates.device is None:
        least, others = most - MARGIN_DB, [found.get("quantized", found["edge"])]
    if others:
        reached = min(_decibels(found["file"], other) for other in others)
        least = max(least, min(most, reached - MARGIN_DB))
    top1 = 0.0 if output.kind == "tensors" else mark.min_top1_agreement
    return SelfTest(sqnr_db=round(least, 1), top1=top1)


def _decibels(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> float:
    """Of the worst output; nothing where the samples do not tell, for which the hops fail."""
    try:
        return min(measure(*pair).sqnr_db for pair in zip(expected, actual, strict=True))
    except ValueError:
        return 0.0
