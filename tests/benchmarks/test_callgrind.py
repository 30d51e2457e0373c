"""Counting with callgrind: what it says, and that the edge form needs fewer instructions."""

import pytest

from export_targets.runners.bridges import cpp_build as linux_runner
from tests.benchmarks import callgrind
from tests.benchmarks.callgrind import RUNNER, Row, collected, count, table
from tests.conftest import SMALL, Built

missing = callgrind.absent()


def test_the_count_is_read_from_the_log() -> None:
    assert collected("==1== \n==1== Collected : 4060497\n") == 4060497
    with pytest.raises(ValueError, match="counted nothing: no such program"):
        collected("no such program")


def test_the_table_gives_the_ratio() -> None:
    row = Row("m", {"edge": 2_000_000_000, "published": 9_000_000_000})
    assert table([row]).endswith("| m | 2.000 | 9.000 | 4.50 |")


@pytest.mark.full
@pytest.mark.skipif(bool(missing), reason=f"callgrind: {missing}")
def test_the_edge_form_needs_half_the_instructions_at_most(built: Built) -> None:
    program = linux_runner.build(RUNNER, linux_runner.BINARIES / RUNNER)
    edge, published = (
        count(program, built(SMALL, recipe="int8", form=form).folder)
        for form in ("edge", "published")
    )
    assert published > 2 * edge  # measured 12.4 to 4.1 million
    assert count(program, built(SMALL, recipe="int8").folder) == pytest.approx(edge, rel=0.01)
