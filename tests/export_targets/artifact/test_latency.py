"""Latency reports: what follows from the samples, and that nothing else is taken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import InputError
from export_targets.artifact.folder import MANIFEST, open_artifact
from export_targets.artifact.latency_folder import (
    LATENCY,
    MAX_REPORT_BYTES,
    add_report,
    import_report,
    model_digest,
    read_report,
    stored_reports,
)
from export_targets.artifact.latency_report import OUTSIDE, LatencyReport, Phase
from tests.export_targets.made_up import made_up_manifest, write_made_up
from tests.export_targets.made_up_latency import content, made_up_report

PLANNED = {
    "operator": "ios17.conv",
    "output": "x",
    "unit": "neural_engine",
    "supported": ["cpu", "neural_engine"],
    "cost": None,
}
PLAN = {"requested": "all", "cpu": 1, "gpu": 0, "neural_engine": 40}
EXECUTE, ROW, TABLE = ("phases", "execute"), ("operators", "rows", 0), ("operators",)
# Where to put which value, and what the refusal says of it.
REFUSED: list[tuple[tuple[Any, ...], Any, str]] = [
    ((*EXECUTE, "samples_ms"), [], "at least 1 item"),
    ((*EXECUTE, "samples_ms", 0), float("nan"), "finite number"),
    ((*EXECUTE, "samples_ms", 0), float("inf"), "finite number"),
    ((*EXECUTE, "samples_ms", 0), -1.0, "greater than or equal to 0"),
    ((*EXECUTE, "samples_ms", 0), "4.0", "valid number"),
    ((*EXECUTE, "samples_ms", 0), 100.0, "p50_ms is not 6.0"),
    ((*EXECUTE, "samples_ms"), [4.0, 2.0, 3.0], "p50_ms is not 3.0"),
    ((*EXECUTE, "p50_ms"), 100.0, "not in order"),
    ((*EXECUTE, "p50_ms"), 3.6, "p50_ms is not 3.5"),
    ((*EXECUTE, "p90_ms"), 8.0, "p90_ms is not 7.5"),
    ((*EXECUTE, "p99_ms"), 9.0, "p99_ms is not 8.85"),
    ((*EXECUTE, "mean_ms"), 4.0, "mean_ms is not 4.5"),
    ((*EXECUTE, "min_ms"), 1.0, "min_ms is not 2.0"),
    (("phases", "total"), Phase.of([4.0, 2.5, 3.5, 9.5]).model_dump(), "sample 0 take longer"),
    (("phases", "total"), Phase.of([9.0]).model_dump(), "different numbers of samples"),
    (("iterations",), 5, "iterations is not the number"),
    (("iterations",), 0, "greater than 0"),
    (("warmup",), -1, "greater than or equal to 0"),
    (("load_ms",), 0, "greater than 0"),
    (("first_ms",), float("nan"), "finite number"),
    (("peak_memory_bytes",), 0, "greater than 0"),
    (("surprise",), 1, "surprise: Extra inputs"),
    (("device", "surprise"), 1, "device.surprise: Extra inputs"),
    (("device", "name"), "", "at least 1 character"),
    (("device", "name"), " Unknown", "tells it from others"),
    (("device", "name"), "Pixel\n9", "tells it from others"),
    (("device", "name"), "sdk_gphone64_x86_64", "emulated"),
    (("device", "name"), "QEMU Virtual CPU", "emulated"),
    (("device", "name"), "iPhone 17 Simulator", "emulated"),
    (("device", "abi"), "sparc", "device.abi"),
    (("device", "cores"), 0, "greater than 0"),
    (("runtime", "threads"), 0, "greater than 0"),
    (("compute_plan",), {**PLAN, "requested": "tpu"}, "compute_plan.requested"),
    (("compute_plan",), {**PLAN, "gpu": -1}, "compute_plan.gpu"),
    (("compute_plan",), {**PLAN, "operators": [PLANNED]}, "cpu is not 0, as the operators have"),
    (("compute_plan",), {**PLAN, "operators": [{**PLANNED, "unit": "tpu"}]}, "operators.0.unit"),
    (("image", "width"), 0, "greater than 0"),
    (("model_sha256",), "0" * 63, "pattern"),
    (("runner",), "../host", "pattern"),
    (("schema_version",), "1.9", "schema version 1.9; this program reads up to 1.2"),
    (("schema_version",), "2.0", "schema version 2.0"),
    (("schema_version",), "one", "invalid literal"),
    ((*ROW, "ms"), 3.1, "gmac_s is not"),
    ((*ROW, "gmac_s"), None, "gmac_s stands where"),
    ((*ROW, "gmac_s"), 1.0, "gmac_s is not 0.66"),
    ((*ROW, "share"), 0.5, "not its row's part"),
    ((*ROW, "operator"), OUTSIDE, "the last row, and no other"),
    (("operators", "rows", 2, "operator"), "other", "the last row, and no other"),
    ((*TABLE, "whole_ms"), 5.0, "do not sum to whole_ms"),
    ((*TABLE, "matched_share"), 1.0, "matched_share is not 0.5"),
    ((*TABLE, "delegated_share"), 1.0, "delegated_share is not 0.857"),
    ((*TABLE, "inferences"), 0, "greater than 0"),
    (("ratios", 0, "low"), 3.0, "ends are swapped"),
    (("ratios", 0, "value"), 0, "greater than 0"),
    (("ratios", 0, "artifact"), "another", "a ratio is of another artifact"),
]


def written(path: Path, report: Any) -> Path:
    path.write_text(json.dumps(report), encoding="utf-8")
    return path


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_are_numpys(samples: list[float]) -> None:
    phase = Phase.of(samples)
    found = (phase.p50_ms, phase.p90_ms, phase.p99_ms)
    assert found == tuple(np.percentile(samples, [50, 90, 99]))
    assert (phase.mean_ms, phase.min_ms) == (np.mean(samples), min(samples))
    assert phase.samples_ms == tuple(samples)


def test_no_samples_make_no_phase() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Phase.of([])


def test_reading_gives_what_was_written(tmp_path: Path) -> None:
    report = made_up_report()
    assert read_report(written(tmp_path / "r.json", content())) == report
    assert report.operators is not None
    assert [row.ms for row in report.operators.rows] == [3.0, 0.5, 0.5]


@pytest.mark.parametrize("field", ["thermal", "operators", "peak_memory_bytes"])
def test_what_a_platform_does_not_give_may_be_null(field: str, tmp_path: Path) -> None:
    report = read_report(written(tmp_path / "r.json", {**content(), field: None}))
    assert getattr(report, field) is None


def test_core_ml_names_its_units_and_not_its_threads(tmp_path: Path) -> None:
    of_core_ml = {**content(), "schema_version": "1.1", "compute_plan": PLAN}
    of_core_ml["runtime"]["threads"] = None
    report = read_report(written(tmp_path / "r.json", of_core_ml))
    assert report.runtime.on_threads == "threads of its own choice"
    assert str(report.compute_plan).startswith("40 on the Neural Engine, 0 on the GPU, 1 on")
    assert read_report(written(tmp_path / "old.json", content())).compute_plan is None


@pytest.mark.parametrize(("place", "value", "why"), REFUSED, ids=[str(r[0]) for r in REFUSED])
def test_a_report_that_does_not_hold_together_is_refused(
    place: tuple[Any, ...], value: Any, why: str, tmp_path: Path
) -> None:
    report = content()
    part: Any = report
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(InputError) as refused:
        read_report(written(tmp_path / "r.json", report))
    assert why in refused.value.what
    assert "r.json" in refused.value.what


@pytest.mark.parametrize("name", [name for name in content() if name != "ratios"])
def test_a_missing_field_is_refused(name: str, tmp_path: Path) -> None:
    report = {key: value for key, value in content().items() if key != name}
    with pytest.raises(InputError, match=name):
        read_report(written(tmp_path / "r.json", report))


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", "[" * 100_000, "\0"])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.json is refused"):
        read_report(path)


def test_an_absent_and_a_vast_report_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_report(tmp_path / "absent.json")
    with (tmp_path / "vast.json").open("wb") as file:
        file.truncate(MAX_REPORT_BYTES + 1)
    with pytest.raises(InputError, match="more than"):
        read_report(tmp_path / "vast.json")


def test_reports_are_numbered_and_none_is_replaced(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    report = made_up_report(runner="host")
    names = [add_report(folder, report).name for _ in range(11)]
    assert names == [f"host-{n}.json" for n in range(1, 12)]
    assert add_report(folder, made_up_report()).name == "adb-1A2B-1.json"
    assert list(stored_reports(folder)) == ["adb-1A2B-1.json", *names]
    (folder / LATENCY / "host-3.json").unlink()
    assert add_report(folder, report).name == "host-12.json"
    assert not [path for path in (folder / LATENCY).iterdir() if path.name.startswith(".")]


def test_two_that_write_at_once_keep_both_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_made_up(tmp_path / "artifact")
    report = made_up_report(runner="host")
    add_report(folder, report)
    monkeypatch.setattr("export_targets.artifact.latency_folder._last_number", lambda *_: 0)
    assert add_report(folder, report).name == "host-2.json"


def test_a_damaged_stored_report_is_named(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    assert stored_reports(folder) == {}
    path = add_report(folder, made_up_report())
    assert stored_reports(folder) == {path.name: made_up_report()}
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=f"{path.name} is refused: it has no 'schema_version'"):
        stored_reports(folder)


def test_a_latency_folder_that_leads_outside_is_refused(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    (tmp_path / "elsewhere").mkdir()
    (folder / LATENCY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads outside"):
        add_report(folder, made_up_report())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_reports_are_no_part_of_what_the_manifest_lists(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    before = (folder / MANIFEST).read_bytes()
    add_report(folder, made_up_report())
    assert open_artifact(folder).manifest.files
    assert (folder / MANIFEST).read_bytes() == before


def of_artifact(folder: Path) -> LatencyReport:
    manifest = open_artifact(folder).manifest
    digest = next(entry.sha256 for entry in manifest.files if entry.path == "model.pte")
    return made_up_report(artifact=manifest.name, model_sha256=digest)


def test_a_report_of_the_artifact_is_taken(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    report = of_artifact(folder)
    path = written(tmp_path / "phone.json", report.model_dump(mode="json"))
    assert import_report(open_artifact(folder), path) == report


@pytest.mark.parametrize("change", [{"model_sha256": "1" * 64}, {"artifact": "o", "ratios": []}])
def test_a_report_of_another_model_or_artifact_is_refused(
    change: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_made_up(tmp_path / "artifact")
    report = {**of_artifact(folder).model_dump(mode="json"), **change}
    with pytest.raises(InputError, match="not of digits_cotnet_simple-xnnpack-int8-32x32"):
        import_report(open_artifact(folder), written(tmp_path / "phone.json", report))


def test_a_packages_digest_covers_its_files_in_the_order_of_their_paths() -> None:
    files = [
        {"path": f"model.mlpackage/{name}", "bytes": 1, "sha256": digit * 64, "deploy": True}
        for name, digit in (("b", "2"), ("a", "1"))
    ]
    labels = {"path": "labels.txt", "bytes": 1, "sha256": "3" * 64, "deploy": True}
    # printf '%s  model.mlpackage/a\n%s  model.mlpackage/b\n' 111... 222... | sha256sum
    expected = "0f7300754a8768f2847203430e10944b6d9e46f8d355b38bde1f4ecd7ef95fe3"
    assert model_digest(made_up_manifest(files=[*files, labels])) == expected
