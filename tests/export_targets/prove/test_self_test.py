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


@pytest.mark.parametrize(("reached", "below"), [(90.0, 0.0), (31.0, 3.0), (28.0, 6.0), (20.0, 6.0)])
def test_without_another_runtime_the_graph_is_the_other_implementation(
    reached: float, below: float
) -> None:
    gates = all_targets()["coreml"].gates["int8"]
    logits = {"file": FILE, "edge": differing(5), "quantized": differing(reached)}
    expected = gates.lower.min_sqnr_db - below
    assert self_test(gates, OUTPUT, logits).sqnr_db == pytest.approx(expected, abs=0.11)


@pytest.mark.parametrize("target", ["xnnpack", "vulkan"])
def test_where_no_other_way_was_run_it_is_the_gate_between_devices(target: str) -> None:
    for gates in all_targets()[target].gates.values():
        if not gates.others:
            found = self_test(gates, OUTPUT, {"file": FILE})
            assert gates.device is not None
            assert (found.sqnr_db, found.top1) == (
                gates.device.min_sqnr_db,
                gates.device.min_top1_agreement,
            )
