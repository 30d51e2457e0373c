"""The iOS app over devicectl, against a scripted stand-in for xcrun: no iPhone has answered."""

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export_targets.artifact.latency_folder import stored_reports
from export_targets.artifact.manifest import to_json
from export_targets.runners.bridges import sample_app
from export_targets.runners.bridges.device_control import find_iphone
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.runners.test_adb import report_of

STAND_IN = Path(__file__).with_name("scripted_xcrun.py")
Phone = Callable[..., Path]


def device(udid: str = "0000-A1", **changes: Any) -> dict[str, Any]:
    whole = {
        "identifier": f"id of {udid}",
        "hardwareProperties": {"udid": udid, "platform": "iOS", "reality": "physical"},
        "deviceProperties": {"name": "Mine", "developerModeStatus": "enabled"},
        "connectionProperties": {"pairingState": "paired", "tunnelState": "connected"},
    }
    for section, values in changes.items():
        whole[section] = {**whole[section], **values}  # type: ignore[dict-item]
    return whole


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Built) -> Phone:
    """Puts the stand-in on the PATH; gives the folder in the place of the app's container."""
    monkeypatch.setattr(sample_app, "SECONDS_BETWEEN_LOOKS", 0.01)

    def install(mood: str = "well", devices: list[dict[str, Any]] | None = None) -> Path:
        root, bin_ = tmp_path / "phone", tmp_path / "bin"
        for folder in (root, bin_):
            folder.mkdir(exist_ok=True)
        program = bin_ / "xcrun"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        report = report_of(built().manifest).model_dump(mode="json")
        report["runner"], report["runtime"]["threads"] = "ios", None
        (tmp_path / "report.json").write_text(to_json(report), encoding="utf-8")
        script = {
            "devices": [device()] if devices is None else devices,
            "root": str(root),
            "mood": mood,
            "report": str(tmp_path / "report.json"),
        }
        (tmp_path / "script.json").write_text(json.dumps(script), encoding="utf-8")
        monkeypatch.setenv("SCRIPTED_PHONE", str(tmp_path / "script.json"))
        monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
        return root

    return install


@pytest.mark.parametrize("command", ["profile", "verify"])
def test_without_a_mac(
    command: str, built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ran = edgeform(command, built().folder, "--runner", "ios")
    assert ran.code == 2
    assert "needs Xcode 15 or newer on a Mac: there is no xcrun here.\nRun it on a Mac" in ran.err


OFF = {"developerModeStatus": "disabled"}
PHONES = [
    ([], "ios", "No iPhone is connected."),
    ([device(hardwareProperties={"reality": "virtual"})], "ios", "No iPhone is connected."),
    ([device("A"), device("B")], "ios", "Several iPhones are connected: A, B.\nName one"),
    ([device("A")], "ios:C", "No iPhone C is connected.\nThere are A."),
    ([device(connectionProperties={"pairingState": "unpaired"})], "ios", "is not paired"),
    ([device(connectionProperties={"tunnelState": "unavailable"})], "ios", "is not connected"),
    ([device(deviceProperties=OFF)], "ios", "Developer Mode is off"),
]


@pytest.mark.parametrize(("devices", "runner", "message"), PHONES, ids=[p[2] for p in PHONES])
def test_a_phone_that_cannot_be_used(
    devices: list[dict[str, Any]],
    runner: str,
    message: str,
    phone: Phone,
    built: Built,
    edgeform: EdgeformInProcess,
) -> None:
    phone(devices=devices)
    ran = edgeform("verify", built().folder, "--runner", runner)
    assert ran.code == 2
    assert message in ran.err


@pytest.mark.parametrize(
    ("mood", "code", "message"),
    [
        ("no app", 2, "The app Edgeform is not installed on the iPhone 0000-A1."),
        ("locked", 2, "is locked.\nUnlock it"),
        ("full", 2, "has no space left"),
        ("unplugged", 2, "is not connected any more"),
        ("refusal", 2, "On the phone: model.pte is damaged.\nCopy it again."),
        ("crash", 1, "the app crashed on the phone"),
    ],
)
def test_what_goes_wrong_on_the_way(
    mood: str, code: int, message: str, phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    phone(mood)
    ran = edgeform("profile", built().folder, "--runner", "ios")
    assert ran.code == code, ran.err
    assert message in ran.err


def test_one_of_several_is_named(phone: Phone) -> None:
    phone(devices=[device("A"), device("B")])
    found = find_iphone("B")
    assert (found.identifier, found.bundle) == ("id of B", "org.example.mine")


def test_verify_takes_the_logits_of_the_phone(
    phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    root = phone()
    ran = edgeform("verify", built().folder, "--runner", "ios:0000-A1", "--json")
    assert ran.code == 0, ran.err
    hops = [hop for hop in ran.document["hops"] if hop["runner"].startswith("ios")]
    assert hops
    assert all(hop["status"] == "passed" for hop in hops)
    (run,) = (root / "Documents" / "runs").iterdir()
    copied = {path.name for path in (run / "artifact").iterdir()}
    assert copied == {"manifest.json", "model.pte", "labels.txt", "golden"}
    assert not (root / "terminated").exists()


def test_logits_that_were_cut_short_end_the_app(
    phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    root = phone("half")
    ran = edgeform("verify", built().folder, "--runner", "ios")
    assert ran.code == 1
    assert "the app left no whole logits_0.f32" in ran.err + ran.out
    assert (root / "terminated").exists()


def test_profile_adds_the_phones_report(
    phone: Phone, built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    phone()
    folder = copied(built().folder)
    ran = edgeform("profile", folder, "--runner", "ios", "--json")
    assert ran.code == 0, ran.err
    (report,) = stored_reports(folder).values()
    assert (report.runner, report.runtime.threads) == ("ios", None)


def test_threads_are_not_iphones(phone: Phone, built: Built, edgeform: EdgeformInProcess) -> None:
    phone()
    ran = edgeform("profile", built().folder, "--runner", "ios", "--threads", "2")
    assert ran.code == 2
    assert "Leave --threads out" in ran.err


def test_compute_units_go_to_the_phone_for_core_ml_alone(
    phone: Phone, built: Built, edgeform: EdgeformInProcess
) -> None:
    root = phone()
    options = ("--runner", "ios:0000-A1", "--compute-units", "cpu_and_ne")
    folder = built(target="coreml", recipe="fp16").folder
    ran = edgeform("verify", folder, *options, "--json")
    assert ran.code == 0, ran.err
    assert "ios:0000-A1:cpu_and_ne" in {hop["runner"] for hop in ran.document["hops"]}
    request = json.loads((root / "request.json").read_text(encoding="utf-8"))
    assert request["EDGEFORM_UNITS"] == "cpu_and_ne"
    refused = edgeform("verify", built().folder, *options)
    assert refused.code == 2
    assert "cannot execute files of the target xnnpack" in refused.err
