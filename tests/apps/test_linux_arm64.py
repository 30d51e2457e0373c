"""The C++ runner on ARM64, under qemu where this is another processor."""

import re
import subprocess
from pathlib import Path

import pytest

from export_targets.runners import linux
from export_targets.runners.bridges import cpp_build as linux_runner
from tests.apps.conftest import ARM, needs_arm
from tests.conftest import Built, EdgeformInProcess

pytestmark = needs_arm


def emulated(
    cpu: str, binary: Path, command: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    words = ["qemu-aarch64", "-L", linux.SYSROOT, "-cpu", cpu, str(binary), command, str(folder)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.usefixtures("arm_binary")
@pytest.mark.parametrize(("recipe", "least"), [("fp32", 100.0), ("int8", 60.0)])
def test_arm64_gives_the_same_logits(
    recipe: str, least: float, built: Built, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built(recipe=recipe).folder, "--runner", ARM, "--json")
    assert ran.code == 0, ran.err
    hop = ran.document["hops"][-1]
    assert (hop["name"], hop["from"], hop["runner"]) == ("device", "own runner", ARM)
    assert hop["sqnr_db"] >= least
    assert hop["top1_agreement"] == 1.0


@pytest.mark.skipif(linux_runner.is_native(ARM), reason="this is an ARM64 processor")
def test_the_self_test_passes_under_the_emulator(arm_binary: Path, built: Built) -> None:
    done = emulated(linux.DEFAULT_CPU, arm_binary, "selftest", built(recipe="int8").folder)
    assert done.returncode == 0, done.stderr
    found = re.search(r"16 samples, SQNR ([\d.]+) dB", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) >= 60


@pytest.mark.skipif(linux_runner.is_native(ARM), reason="this is an ARM64 processor")
def test_an_emulated_processor_gives_no_times_and_the_wrong_one_nothing(
    arm_binary: Path, built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built().folder
    times = edgeform("profile", folder, "--runner", ARM)
    assert (times.code, "its processor is emulated" in times.err) == (2, True)
    for cpu, command, why in (
        (linux.DEFAULT_CPU, "turns", "emulated processor: its times"),
        (linux.WRONG_CPU, "selftest", "qemu 7.2 computes wrongly"),
    ):
        done = emulated(cpu, arm_binary, command, folder)
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    today = emulated(linux.I8MM_CPU, arm_binary, "selftest", folder)
    assert today.returncode == 0, today.stderr
    monkeypatch.setenv(linux.CPU, linux.WRONG_CPU)
    wrong = edgeform("verify", folder, "--runner", ARM)
    assert (wrong.code, "computes wrongly" in wrong.err) == (2, True)
