"""What the counting plugin writes, and what is made of it."""

import pytest

from tests.benchmarks.arm64 import program
from tests.benchmarks.arm64.blocks import Block, difference, hottest, parse, total

LOOP = Block("libx.so", 0x1A0, instructions=10, dot=4, fmla=1)
SETUP = Block("libx.so", 0x200, instructions=100, dot=0, fmla=0)
ONCE = "hello\nblock\tlibx.so\t1a0\t7\t10\t4\t1\nblock\tlibx.so\t200\t3\t100\t0\t0\n"
TWICE = ONCE + "block\tlibx.so\t1a0\t50\t10\t4\t1\n"  # the loop was translated a second time


def test_other_output_is_no_block_and_a_block_translated_again_is_one() -> None:
    assert parse(ONCE) == {LOOP: 7, SETUP: 3}
    assert parse(TWICE) == {LOOP: 57, SETUP: 3}


def test_one_inference_is_what_two_execute_beyond_one() -> None:
    executed = difference(parse(TWICE), parse(ONCE))
    assert executed == {LOOP: 50}
    assert total(executed) == 500
    assert total(executed, "dot") == 200
    assert total(executed, "fmla") == 50


def test_the_hottest_block_holds_the_most_instructions_not_the_most_executions() -> None:
    assert hottest({LOOP: 9, SETUP: 1}, 1) == [(SETUP, 1)]


def test_a_missing_tool_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "qemu-aarch64" else tool)
    assert program.absent() == "missing tools: apt-get install qemu-user"
