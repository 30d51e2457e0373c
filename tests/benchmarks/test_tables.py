"""The benchmarks' tables: what is reached, what is missed, what a busy machine says."""

from pathlib import Path

import pytest

from export_targets.artifact.device import ComputePlan
from export_targets.profile.ratios import Interval
from export_targets.runners.processes import this_machine
from tests.benchmarks import lowering, mac, machine
from tests.benchmarks.agreement import Agreement, hardest
from tests.benchmarks.aims import aim
from tests.benchmarks.latency import Row, operator_table, table
from tests.benchmarks.lowering import Measured
from tests.benchmarks.operators import Kind
from tests.benchmarks.result import Skipped
from tests.benchmarks.reuse import is_current, remember, sources
from tests.benchmarks.sides import Side


def row(form: str, value: float, wanted: float | None) -> Row:
    found = Interval(value, value - 0.1, value + 0.1)
    side = Side("executorch", form, "int8", Path("model.pte"))
    trained = Agreement("digits", "cotnet", form, 450, agreement=98.5, sqnr_db=30.0)
    return Row(side, 10.0, found, found, wanted, 4.0, 3.9, 40.0, trained)


def test_a_row_says_whether_its_aim_is_reached() -> None:
    lines = table("m", [row("a", 5.1, 5.0), row("b", 4.9, 5.0), row("c", 1.0, None)], 0.1)
    reached, missed, none = lines.splitlines()[-3:]
    assert ">= 5 reached" in reached
    assert ">= 5 **missed**" in missed
    assert "| - | 4.00 |" in none
    assert "98.5 % (digits)" in reached


@pytest.mark.parametrize(("load", "busy"), [(0.51, True), (0.5, False)])
def test_a_busy_machine_says_so_in_the_table(load: float, busy: bool) -> None:
    assert ("machine was busy" in table("m", [], load)) is busy
    assert ("machine was busy" in lowering.table([], load)) is busy


def test_aims_differ_by_instruction_set() -> None:
    assert aim("cotnet", "published", "int8", "avx2 avx512_vnni") == 7.6
    assert aim("cotnet", "published", "int8", "avx2 fma") == 1.9
    assert aim("conformer", "published", "fp32", "avx2") == 1.2
    assert aim("cotnet", "edge", "int8", "avx2") is None


def test_the_hardest_trained_model_of_a_family_counts() -> None:
    rows = [
        Agreement("easy", "conformer", "edge", 450, 100.0, 40.0),
        Agreement("hard", "conformer", "edge", 500, 97.0, 30.0),
        Agreement("other", "cotnet", "edge", 450, 90.0, 20.0),
    ]
    assert hardest(rows, "conformer", "edge") == rows[1]
    assert hardest(rows, "conformer", "openvino") is None


def test_operators_of_both_forms_stand_side_by_side() -> None:
    edge = [Kind("Convolution", 2, 3.0), Kind("Add (ND)", 1, 1.0)]
    published = [Kind("Convolution", 2, 4.0), Kind("im2col", 1, 4.0)]
    text = operator_table("m", {"edge": edge, "published": published})
    assert "| im2col | - | 4.00 (50.0%, 1 calls) |" in text
    assert "| **all** | 4.00 | 8.00 |" in text
    assert "products and convolutions** | 1.00 (25.0%) | 4.00 (50.0%) |" in text


def test_lowering_is_compared_by_medians() -> None:
    seconds = {"edgeform": (6.0, 5.0, 99.0), "plain": (10.0, 12.0, 11.0)}
    rows = [Measured("m", way, s, 2.0) for way, each in seconds.items() for s in each]
    assert "| m | edgeform | 6.0 | 6.0, 5.0, 99.0 | 0.55 | 2.00 |" in lowering.table(rows, 0.0)


def test_a_side_of_two_files_has_the_size_of_both(tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_bytes(b"x" * 1000)
    (tmp_path / "m.bin").write_bytes(b"x" * 9000)
    assert Side("openvino", "openvino", "int8", tmp_path / "m.xml").megabytes == 0.01


def test_a_result_is_used_again_only_with_the_same_identity(tmp_path: Path) -> None:
    made, source = tmp_path / "made", tmp_path / "source.py"
    source.write_text("a = 1\n", encoding="utf-8")
    before = {"sources": sources([tmp_path])}
    remember(made, before)
    assert not is_current(made, before)  # the note alone is not the result
    made.write_text("result", encoding="utf-8")
    assert is_current(made, before)
    source.write_text("a = 2\n", encoding="utf-8")
    assert not is_current(made, {"sources": sources([tmp_path])})


def test_the_machine_is_described() -> None:
    described = machine.describe_machine()
    assert int(described["cores"]) >= 1
    assert described["processor"]


def test_a_mac_is_needed_for_core_ml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(this_machine, "PLATFORM", "linux")
    assert mac.run() == Skipped("mac", "Core ML is a Mac's; docs/first-hour-on-a-mac.md")
    monkeypatch.setattr(this_machine, "PLATFORM", "darwin")
    monkeypatch.setattr(mac, "ARTIFACTS", tmp_path)
    assert isinstance(mac.run(), Skipped)


def test_a_macs_rows_say_where_operators_run_and_what_is_wrong() -> None:
    plan = ComputePlan(requested="all", cpu=1, gpu=2, neural_engine=30)
    rows = [
        mac.Row("a", "mac", 71.234, 1.0, (), 12.5, 0.5, 0.75, plan),
        mac.Row("b", "host", None, None, ("did not run",)),
    ]
    text = mac.table(rows, 0.0)
    assert "| a | mac | 71.23 | 1 | 12.5 | 0.5 | 0.75 | 30, 2, 1 |" in text
    assert "| b | host | - | - | - | - | - | - |" in text
    assert text.endswith("Judged wrong:\n- b on host: did not run")
    assert mac.table(rows[:1], 0.0).endswith("- nothing")
