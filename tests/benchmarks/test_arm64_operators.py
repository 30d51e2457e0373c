"""Instructions by operator, from what the ARM64 program and the counting plugin write."""

import pytest

from export_targets.runners.linux import DEFAULT_CPU
from export_targets.target import DelegatedOperator
from tests.benchmarks.arm64.count import Count
from tests.benchmarks.arm64.count import table as count_table
from tests.benchmarks.arm64.operators import OTHERS, OperatorCount, parse, table

# The clock at 5, 6 and 7 is of an earlier inference; a concatenation reads it for each input.
TEXT = """\
clock\t5
clock\t6
clock\t7
clock\t100
clock\t110
clock\t130
clock\t160
clock\t560
operator\tConvert (NC) #1\t1
operator\tCopy (NC, X8) #1\t2
operator\tFully Connected (NC, QS8, QC8W) GEMM #1\t1
block\tlibx.so\t1a0\t7\t10\t4\t1
"""
DELEGATED = (
    DelegatedOperator(operator="cat", module="stages.0.1.conv2", debug_handle=1),
    DelegatedOperator(operator="convolution", module="stages.0.1.conv3", debug_handle=2, macs=64),
)


def test_an_operator_is_what_ran_between_its_readings_of_the_clock() -> None:
    assert parse(TEXT, DELEGATED) == [
        OperatorCount("Convert (NC) #1", "", 10),
        OperatorCount("Copy (NC, X8) #1", "stages.0.1.conv2", 50),
        OperatorCount("Fully Connected (NC, QS8, QC8W) GEMM #1", "stages.0.1.conv3", 400),
    ]


def test_readings_without_a_clock_are_refused() -> None:
    lines = [line for line in TEXT.splitlines() if not line.startswith("clock\t1")]
    with pytest.raises(ValueError, match="4 readings of operators, 4 of the clock"):
        parse("\n".join(lines), DELEGATED)


def test_blocks_of_all_stages_share_a_row_and_the_rows_sum_to_the_inference() -> None:
    again = OperatorCount("Fully Connected #2", "stages.3.0.conv3", 100_000_000)
    text = table([*parse(TEXT, DELEGATED), again], 100_000_960)
    assert "| stages.conv3 | 2 | 100.00 | | Fully Connected | 2 | 100.00 |" in text
    assert f"| {OTHERS} | 1 | 0.00 |" in text
    assert "| outside operators | - | 0.00 |" in text


def test_a_count_says_whether_its_aim_is_reached() -> None:
    def row(model: str, instructions: int) -> str:
        counted = Count(model, DEFAULT_CPU, instructions, 0, 0, None, 30.0, False, [], [])
        (line,) = (line for line in count_table([counted]).splitlines() if f"| {model} |" in line)
        return line

    assert "| 0.415 | <= 0.415 reached | - |" in row("cotnet50_simple", 415_000_000)
    assert "| 0.416 | <= 0.415 **missed** | - |" in row("cotnet50_simple", 416_000_000)
    assert "| 0.416 | - | - |" in row("cotnet50", 416_000_000)
