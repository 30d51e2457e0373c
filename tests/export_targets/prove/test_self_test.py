"""The pass mark of an app's self-test."""

import pytest
import torch
from torch import Tensor

from export_targets.artifact.interface import OutputSection
from export_targets.prove.self_test import MARGIN_DB, self_test
from export_targets.target import all_targets

GATES = all_targets()["vulkan"].gates["fp16"]
OUTPUT = OutputSection(name="logits", kind="logits", shape=(1, 10), heads="both")
FILE = torch.randn(16, 2, 10, generator=torch.Generator().manual_seed(0))


def differing(decibels: float) -> Tensor:
    """The file's logits with noise of so many dB in the second row alone."""
    noise = torch.zeros_like(FILE)
    row = FILE[:, 1]
    noise[:, 1] = torch.randn(row.shape, generator=torch.Generator().manual_seed(1))
    signal = (row - row.mean(0)).square().sum()
    return FILE + noise * (signal / noise.square().sum() * 10 ** (-decibels / 10)).sqrt()


@pytest.mark.parametrize(
    ("reached", "mark"),
    [
        (70.0, GATES.lower.min_sqnr_db),
        (35.0, 35.0 - MARGIN_DB),
        (10.0, GATES.self_test.min_sqnr_db),
    ],
)
def test_the_mark_is_below_what_the_worst_way_to_round_reached(reached: float, mark: float) -> None:
    logits = {"file": FILE, "flushed": FILE, "toward_zero": differing(reached)}
    assert self_test(GATES, OUTPUT, logits).sqnr_db == pytest.approx(mark, abs=0.11)


@pytest.mark.parametrize("target", all_targets())
def test_where_no_other_way_was_run_it_is_the_gate_between_devices(target: str) -> None:
    for gates in all_targets()[target].gates.values():
        if not (gates.device and gates.others):
            found = self_test(gates, OUTPUT, {"file": FILE})
            expected = gates.device or gates.lower
            assert (found.sqnr_db, found.top1) == (
                expected.min_sqnr_db,
                expected.min_top1_agreement,
            )
