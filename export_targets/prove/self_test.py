"""The pass mark of an app's self-test: what the same file may differ by on another device."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from edge_models.parity import measure
from export_targets.artifact.interface import OutputSection
from export_targets.artifact.manifest import SelfTest
from export_targets.prove.outputs import by_output
from export_targets.target import Gates

MARGIN_DB = 6.0  # below what this file was measured to lose: an app adds up in another order too


def self_test(gates: Gates, output: OutputSection, logits: Mapping[str, Tensor]) -> SelfTest:
    """The gate between two devices; for a file that was also run as other devices may store its
    numbers, what it reached there less a margin, from that gate up to the one of the file itself.

    ``logits`` by program, (samples, rows, classes) each: "file", and each of ``gates.others``.
    """
    mark = gates.self_test
    least, most = mark.min_sqnr_db, gates.lower.min_sqnr_db
    if gates.device is not None and gates.others:
        found = {program: by_output(values, output) for program, values in logits.items()}
        reached = min(_decibels(found["file"], found[program]) for program in gates.others)
        least = max(least, min(most, reached - MARGIN_DB))
    top1 = 0.0 if output.kind == "tensors" else mark.min_top1_agreement
    return SelfTest(sqnr_db=round(least, 1), top1=top1)


def _decibels(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> float:
    """Of the worst output; nothing where the samples do not tell, for which the hops fail."""
    try:
        return min(measure(*pair).sqnr_db for pair in zip(expected, actual, strict=True))
    except ValueError:
        return 0.0
