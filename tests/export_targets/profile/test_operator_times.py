"""Rows of the event trace: which module each belongs to, what it computes, and their sum."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from export_targets.artifact.latency_report import OUTSIDE
from export_targets.artifact.manifest import Undelegated
from export_targets.lowering.graph import multiply_accumulates
from export_targets.profile.operator_times import EXECUTE, align, of_operators, operator_table
from export_targets.runner import Event
from export_targets.target import DelegatedOperator

# A convolution with its ReLU fused into it, a 1x1 convolution that runs as a fully connected layer,
# and conversions that the backend adds.
GRAPH = [
    DelegatedOperator("quantized_decomposed", "", 1),
    DelegatedOperator("convolution", "stem", 2, 8_000_000),
    DelegatedOperator("relu", "stem.act", 3),
    DelegatedOperator("convolution", "reduce", 4, 2_000_000),
    DelegatedOperator("add", "block", 5),
    DelegatedOperator("relu", "block.act", 6),
    DelegatedOperator("linear", "head", 7, 1_000),
]
FALLEN = [Undelegated(operator="mean", module="pool", why="not known")]
NAMES = [
    "Convert (NC) #1",
    "Convolution (NHWC, QC8) IGEMM #1",
    "Fully Connected (NC, QS8, QC8W) GEMM #1",
    "Add (ND) #1",
    "Clamp (NC) #1",
    "DELEGATE_CALL",
    "native_call_mean.out",
    "OPERATOR_CALL",
    "Fully Connected (NC, QS8, QC8W) GEMM #2",
    "New Thing (NC) #1",
    "DELEGATE_CALL",
]
MODULES = ["", "stem", "reduce", "block", "block.act", "pool", "head", ""]
KINDS = [
    *("number conversion", "convolution", "convolution", "elementwise", "elementwise"),
    *("reduction", "linear", "new thing"),
]


def events(times: tuple[float, ...] = (1.0, 1.0), whole: tuple[float, ...] = (10.0, 10.0)) -> Any:
    return [*(Event(name, times) for name in NAMES), Event(EXECUTE, whole)]


def test_a_delegate_may_name_no_operators() -> None:
    around = [Event("DELEGATE_CALL", (1.0,)), Event(EXECUTE, (2.0,))]
    assert of_operators(around) == []
    assert len(of_operators(events())) == len(KINDS)


def test_each_row_has_its_module_and_kind() -> None:
    *rows, outside = operator_table(events(), GRAPH, FALLEN).rows
    assert [row.module for row in rows] == MODULES
    assert [row.kind for row in rows] == KINDS
    assert [row.macs for row in rows] == [None, 8_000_000, 2_000_000, None, None, None, 1000, None]
    assert [row.gmac_s for row in rows[1:3]] == [8.0, 2.0]
    assert [row.delegated for row in rows] == [
        name != "mean.out" for name in (row.operator for row in rows)
    ]
    assert (outside.operator, outside.ms, outside.share) == (OUTSIDE, 2.0, 0.2)


def test_the_table_says_what_share_was_matched_and_delegated() -> None:
    table = operator_table(events(), GRAPH, FALLEN)
    assert (table.matched_share, table.delegated_share) == (6 / 8, 7 / 8)
    assert table.whole_ms == sum(row.ms for row in table.rows) == 10.0
    assert table.by_kind() == {
        "elementwise": (2, 2.0),
        "convolution": (2, 2.0),
        "number conversion": (1, 1.0),
        "reduction": (1, 1.0),
        "linear": (1, 1.0),
        "new thing": (1, 1.0),
        OUTSIDE: (1, 2.0),
    }


def test_times_are_of_the_quicker_half_of_the_inferences() -> None:
    table = operator_table(events((1.0, 50.0, 2.0), (10.0, 500.0, 20.0)), GRAPH, FALLEN)
    assert (table.inferences, table.whole_ms) == (2, 15.0)
    assert {row.ms for row in table.rows[:-1]} == {1.5}


def test_rows_that_are_more_than_the_whole_are_the_whole() -> None:
    table = operator_table(events(whole=(7.9, 7.9)), GRAPH, FALLEN)
    assert (table.whole_ms, table.rows[-1].ms) == (8.0, 0.0)


def test_a_trace_without_an_inference_is_no_trace() -> None:
    with pytest.raises(ValueError, match="has 0 events Method::execute"):
        operator_table(events()[:-1], GRAPH, FALLEN)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.data())
def test_a_list_with_things_left_out_aligns_whole(whole: list[str], data: st.DataObject) -> None:
    kept = [item for item in whole if data.draw(st.booleans())]
    places = align(kept, whole)
    assert list(places) == list(range(len(kept)))
    assert [whole[place] for place in places.values()] == kept
    assert sorted(set(places.values())) == list(places.values())


def test_nothing_aligns_with_no_name() -> None:
    assert align(["", "a"], ["", "b", "a"]) == {1: 2}


class Products(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(8, 12, 3, groups=4, stride=2)
        self.transposed = nn.ConvTranspose2d(12, 6, 2, stride=2, groups=2)
        self.linear = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.transposed(self.grouped(x)).flatten(2)  # (2, 6, 36)
        return self.linear(torch.bmm(x, x.transpose(1, 2)).flatten(1)[:, :12])


@pytest.mark.parametrize("linear_whole", [False, True])
def test_multiply_accumulates_are_torchs(linear_whole: bool) -> None:
    image = torch.randn(2, 8, 8, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Products()(image)
    table = torch.export.default_decompositions()
    if linear_whole:
        del table[torch.ops.aten.linear.default]
    program = torch.export.export(Products().eval(), (image,)).run_decompositions(table)
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    found = sum(multiply_accumulates(node) for node in nodes)
    assert found == counter.get_total_flops() // 2
