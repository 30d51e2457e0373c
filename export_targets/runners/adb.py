"""The Android app on a connected phone, over adb."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from export_targets.artifact.folder import open_artifact
from export_targets.runner import Runner
from export_targets.runners.bridges.phone_app import run_on_phone
from export_targets.runners.bridges.sample_app import read_logits, write_inputs


def execute(serial: str | None, model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
    """Logits (samples, rows, classes) of an artifact's model for inputs (samples, B, 3, H, W),
    computed by the app. Raises InputError for a phone that cannot be used or does not take the
    artifact, RunnerError where the app crashes.
    """
    artifact = open_artifact(model.parent)
    with run_on_phone(serial, artifact) as run, tempfile.TemporaryDirectory() as temporary:
        source, results = Path(temporary, run.name), Path(temporary, "results")
        source.mkdir()
        write_inputs(source, inputs)
        run.phone.push(source, run.inputs)
        run.start("SelfTestActivity", {"samples": len(inputs)})
        run.wait(len(inputs), advance)
        run.phone.pull(run.results, results)
        return read_logits(results, artifact, len(inputs))


def measure(
    serial: str | None,
    folder: Path,
    threads: int,
    warmup: int,
    iterations: int,
    report: Path,
    advance: Callable[[], None],
) -> None:
    """Let the app measure an artifact and pull the LatencyReport that it wrote to ``report``; with
    0 threads it takes half of the cores. Raises as ``execute`` does.
    """
    with run_on_phone(serial, open_artifact(folder)) as run:
        numbers = {"warmup": warmup, "iterations": iterations}
        if threads:
            numbers["threads"] = threads
        run.start("BenchmarkActivity", numbers)
        run.wait(warmup + iterations, advance)
        run.phone.pull(f"{run.results}/report.json", report)


def on_phone(serial: str | None) -> Runner:
    """The runner of the phone with a serial number; None is the only phone there is."""
    return Runner(
        name="adb" if serial is None else f"adb:{serial}",
        summary="the Android app on a connected phone; adb:SERIAL names one of several",
        targets=("xnnpack", "vulkan"),
        run=partial(execute, serial),
        measure=partial(measure, serial),
        variant=on_phone,
    )


RUNNER = on_phone(None)
