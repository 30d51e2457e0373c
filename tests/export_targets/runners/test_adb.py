"""The Android app over adb: against adb itself without a device, and against a scripted phone."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from edge_models.errors import InputError, RunnerError
from export_targets.artifact.device import Device, Runtime
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import model_digest, stored_reports
from export_targets.artifact.latency_report import Image as PhotoSize
from export_targets.artifact.latency_report import LatencyReport, Phase, Phases
from export_targets.artifact.manifest import Manifest, to_json
from export_targets.runner import runner_named
from export_targets.runners.bridges import debug_bridge as adb
from export_targets.runners.bridges import sample_app
from tests.conftest import Built, Copied, EdgeformInProcess

STAND_IN = Path(__file__).with_name("scripted_adb.py")
ONE = {"A1": "device"}
Phone = Callable[..., Path]


def report_of(manifest: Manifest, iterations: int = 4) -> LatencyReport:
    samples = [1.0 + index / 8 for index in range(iterations)]
    parts = {name: Phase.of(samples) for name in ("preprocess", "execute", "postprocess")}
    return LatencyReport(
        artifact=manifest.name,
        model_sha256=model_digest(manifest),
        runner="adb",
        created="2026-01-01T00:00:00Z",
        device=Device(
            name="Made Up", os="Android 14", soc="none such", cores=8, abi="arm64-v8a", isa=()
        ),
        runtime=Runtime(backend="xnnpack", version="1", threads=2),
        image=PhotoSize(width=64, height=64),
        warmup=1,
        iterations=iterations,
        interrupted=False,
        load_ms=3.0,
        first_ms=2.0,
        phases=Phases(**parts, total=Phase.of([3 * sample for sample in samples])),
        peak_memory_bytes=None,
        thermal=None,
        operators=None,
    )


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Built) -> Phone:
    """Puts the stand-in on the PATH; gives the folder in the place of the phone's storage."""
    monkeypatch.setattr(sample_app, "SECONDS_BETWEEN_LOOKS", 0.01)

    def install(
        mood: str = "well", devices: dict[str, str] | None = None, report: str | None = None
    ) -> Path:
        root, bin_ = tmp_path / "phone", tmp_path / "bin"
        for folder in (root, bin_):
            folder.mkdir(exist_ok=True)
        program = bin_ / "adb"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        written = tmp_path / "report.json"
        whole = to_json(report_of(built().manifest).model_dump(mode="json"))
        written.write_text(whole if report is None else report)
        script = {
            "devices": ONE if devices is None else devices,
            "root": str(root),
            "mood": mood,
            "report": str(written),
        }
        (tmp_path / "script.json").write_text(json.dumps(script))
        monkeypatch.setenv("SCRIPTED_PHONE", str(tmp_path / "script.json"))
        monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
        return root

    return install


@pytest.fixture
def real_adb(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """adb itself, with a server of its own that is ended afterwards."""
    program = shutil.which("adb")
    if program is None:
        pytest.skip("adb is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    yield
    subprocess.run([program, "kill-server"], check=True, capture_output=True)


@pytest.mark.parametrize("command", ["profile", "verify"])
@pytest.mark.parametrize(
    ("runner", "message"),
    [("adb", "No Android device is connected."), ("adb:A1", "No device A1 is connected.")],
)
def test_adb_itself_without_a_device(
    real_adb: None,
    command: str,
    runner: str,
    message: str,
    built: Built,
    edgeform: EdgeformInProcess,
) -> None:
    ran = edgeform(command, built().folder, "--runner", runner)
    assert ran.code == 2
    assert f"{message}\nConnect one with USB debugging on" in ran.err


def test_without_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="adb is not installed"):
        adb.find_phone(None)


@pytest.mark.parametrize(
    ("devices", "serial", "message"),
    [
        ({}, None, "No Android device"),
        ({"A1": "device", "B2": "device"}, None, "Several devices are connected: A1, B2"),
        ({"A1": "device", "B2": "offline"}, "B2", "adb calls it offline"),
        ({"A1": "unauthorized"}, None, "has not allowed this computer"),
        ({"A1": "no permissions (user in plugdev group?)"}, "A1", "adb calls it no permissions"),
        ({"A1": "device"}, "C3", "No device C3 is connected.\nThere are A1."),
    ],
)
def test_a_phone_that_cannot_be_used(
    devices: dict[str, str], serial: str | None, message: str, phone: Phone
) -> None:
    phone(devices=devices)
    with pytest.raises(InputError) as error:
        adb.find_phone(serial)
    assert message in str(error.value)


def test_one_of_several_by_its_serial_number(phone: Phone) -> None:
    phone(devices={"A1": "device", "B2": "device"})
    assert adb.find_phone("B2").serial == "B2"
    assert runner_named("adb:B2", "xnnpack").name == "adb:B2"
    with pytest.raises(InputError, match="The runner host has no devices"):
        runner_named("host:B2", "xnnpack")


@pytest.mark.parametrize(
    ("mood", "code", "message"),
    [
        ("no app", 2, "The app edgeform.app is not installed on the device A1."),
        ("full", 2, "The device A1 has no space left."),
        ("unplugged", 2, "The device A1 was disconnected."),
        ("unknown screen", 2, "The phone did not open the app: Error: Activity class"),
        ("refusal", 2, "On the phone: model.pte is damaged.\nCopy it again."),
        ("nonsense", 1, "the app's answer cannot be read"),
        ("crash", 1, "the app crashed on the phone: java.lang.IllegalStateException: made up"),
    ],
)
def test_what_goes_wrong_is_named_and_nothing_is_stored(
    mood: str,
    code: int,
    message: str,
    phone: Phone,
    built: Built,
    copied: Copied,
    edgeform: EdgeformInProcess,
) -> None:
    root, folder = phone(mood), copied(built().folder)
    ran = edgeform("profile", folder, "--runner", "adb", "--iterations", 4, "--warmup", 1)
    assert ran.code == code
    assert message in ran.err
    assert not list(folder.glob("latency/*"))
    files = root / "sdcard" / "Android" / "data" / "edgeform.app" / "files"
    assert not list(files.glob("results/*"))


def test_an_app_that_gives_no_answer(
    phone: Phone, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = phone("hang")
    monkeypatch.setattr(sample_app, "SECONDS_TO_START", 0.2)
    monkeypatch.setattr(sample_app, "SECONDS_A_RUN", 0.01)
    artifact = open_artifact(built().folder)
    runner = runner_named("adb", "xnnpack")
    with pytest.raises(RunnerError, match="no answer within"):
        runner.run(artifact.model, artifact.inputs()[:1], lambda: None)
    assert (root / "started").read_text().splitlines()[-1] == "force-stop edgeform.app"


def test_profile_stores_the_report_of_the_phone(
    phone: Phone, built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    root, folder = phone(), copied(built().folder)
    options = ["--iterations", 4, "--warmup", 1, "--threads", 2]
    ran = edgeform("profile", folder, "--runner", "adb:A1", *options, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["latency"][0]["device"]["name"] == "Made Up"
    assert list(stored_reports(folder)) == ["adb-1.json"]
    started = (root / "started").read_text()
    assert "edgeform.app/.BenchmarkActivity" in started
    assert "--ei warmup 1 --ei iterations 4 --ei threads 2" in started
    pushed = root / "sdcard/Android/data/edgeform.app/files/artifacts" / built().manifest.name
    assert (pushed / "model.pte").read_bytes() == (folder / "model.pte").read_bytes()
    assert (pushed / "golden" / "expected_0.f32").is_file()
    assert not (pushed / "evidence").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [("model_sha256", "is of"), ("schema_version", "newer edgeform"), ("iterations", "iterations")],
)
def test_a_report_that_is_not_right_is_refused(
    change: str,
    message: str,
    phone: Phone,
    built: Built,
    copied: Copied,
    edgeform: EdgeformInProcess,
) -> None:
    wrong = {"model_sha256": "0" * 64, "schema_version": "9.0", "iterations": 5}[change]
    report = report_of(built().manifest).model_dump(mode="json") | {change: wrong}
    phone(report=json.dumps(report))
    folder = copied(built().folder)
    ran = edgeform("profile", folder, "--runner", "adb")
    assert ran.code == 2
    assert message in ran.err
    assert not list(folder.glob("latency/*"))


def test_a_phone_gives_no_ratios(phone: Phone, built: Built, edgeform: EdgeformInProcess) -> None:
    phone()
    ran = edgeform("profile", built().folder, "--runner", "adb", "--baseline", "published")
    assert ran.code == 2
    assert "one artifact after the other" in ran.err


def test_verify_takes_the_logits_of_the_phone(
    phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    root = phone()
    ran = edgeform("verify", built().folder, "--runner", "adb", "--json")
    assert ran.code == 0, ran.err
    hops = {hop["name"]: hop for hop in ran.document["hops"]}
    assert hops["lower"]["runner"] == hops["device"]["runner"] == "adb"
    assert hops["device"]["samples"] == built().manifest.golden.samples
    assert hops["device"]["sqnr_db"] == 200  # the stand-in gives what the host gave
    files = root / "sdcard" / "Android" / "data" / "edgeform.app" / "files"
    assert not list(files.glob("runs/*"))
    assert not list(files.glob("results/*"))


def test_each_sample_advances(phone: Phone, built: Built) -> None:
    phone()
    artifact = open_artifact(built().folder)
    steps: list[None] = []
    runner = runner_named("adb", "xnnpack")
    logits = runner.run(artifact.model, artifact.inputs()[2:5], lambda: steps.append(None))
    assert len(steps) == 3
    assert torch.equal(logits, artifact.logits("file")[2:5])


def test_logits_that_were_cut_short(
    phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    phone("half")
    ran = edgeform("verify", built().folder, "--runner", "adb")
    assert ran.code == 1
    assert "the app left no whole logits_0.f32" in ran.err
