"""``profile`` on the host's real runtime: reports, ratios and operators."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import stored_reports
from export_targets.artifact.latency_report import OUTSIDE
from export_targets.profile import operator_times
from tests.conftest import Built, Ran
from tests.export_targets.made_up_latency import reports_of


@pytest.fixture(scope="module")
def measured(
    built: Built, published: Ran, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], Any]:
    """The small model in edge form and as published, measured on the host; folders and document."""
    folders = [built().folder, Path(published.document["artifact"])]
    copies = [
        Path(shutil.copytree(folder, tmp_path_factory.mktemp("measured") / str(index)))
        for index, folder in enumerate(folders)
    ]
    command = [sys.executable, "-m", "export_targets", "profile", *map(str, copies)]
    options = ["--iterations", "31", "--threads", "1", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    return copies, json.loads(done.stdout)


def test_a_report_of_each_artifact_is_printed_and_kept(measured: tuple[list[Path], Any]) -> None:
    folders, document = measured
    reports = reports_of(document)
    for folder, report in zip(folders, reports, strict=True):
        assert stored_reports(folder) == {"host-1.json": report}
        manifest = open_artifact(folder).manifest
        assert report.artifact == manifest.name
        assert [report.model_sha256] == [
            entry.sha256 for entry in manifest.files if entry.path == "model.pte"
        ]
        assert (report.iterations, report.warmup, report.interrupted) == (31, 10, False)
        assert report.runtime.model_dump() == {
            "backend": "xnnpack",
            "version": manifest.toolchain["executorch"],
            "threads": 1,
        }
        assert (report.image.width, report.image.height) == (1280, 960)


def test_the_edge_form_is_faster_than_the_published_one(measured: tuple[list[Path], Any]) -> None:
    _, document = measured
    (ratio,) = document["ratios"]
    edge, published = reports_of(document)
    assert (ratio["artifact"], ratio["baseline"]) == (edge.artifact, published.artifact)
    assert ratio["rounds"] == 10  # of three samples; the 31st fills none
    assert 1 < ratio["low"] <= ratio["value"] <= ratio["high"]
    assert edge.ratios[0].model_dump() == ratio
    assert published.ratios[0].value == pytest.approx(1 / ratio["value"])


def test_operators_carry_the_models_modules(measured: tuple[list[Path], Any]) -> None:
    folders, document = measured
    for folder, report in zip(folders, reports_of(document), strict=True):
        assert report.operators is not None
        *rows, outside = report.operators.rows
        assert outside.operator == OUTSIDE
        listed = operator_times.delegated_operators(open_artifact(folder))
        products = [row for row in listed if row.macs]
        macs = sum(row.macs for row in products)
        assert macs >= 0.9 * open_artifact(folder).manifest.model.macs
        assert sum(row.macs or 0 for row in rows) == macs
        wanted = [row.module for row in products]
        assert [row.module for row in rows if row.macs] == wanted
        undelegated = open_artifact(folder).manifest.delegation.fallen
        outer = [row.module for row in rows if not row.delegated]
        assert outer == [item.module for item in undelegated]
    assert report.operators.delegated_share < 1  # of the published form
    assert outer


def test_loading_the_model_is_timed_without_what_python_imports(
    measured: tuple[list[Path], Any],
) -> None:
    for report in reports_of(measured[1]):
        assert report.load_ms < 500  # a file of 1 MB takes some milliseconds, the imports 3 s


def test_times_are_in_milliseconds_and_in_proportion(measured: tuple[list[Path], Any]) -> None:
    for report in reports_of(measured[1]):
        assert report.operators is not None
        # the trace itself takes some time; the network runs a tenth of a millisecond
        assert 0.3 < report.operators.whole_ms / report.phases.execute.p50_ms < 3


@pytest.mark.skipif(sys.platform != "linux", reason="macOS counts only the process itself")
def test_peak_memory_is_the_processs_own() -> None:
    ballast = b"x" * 2**30  # of the parent
    module = "export_targets.runners.processes.phases"
    code = f"from {module} import peak_memory_bytes; print(peak_memory_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**26 < int(done.stdout) < len(ballast)
