"""The iOS app on a connected iPhone, over Xcode's devicectl.

An artifact and inputs go into ``Documents/runs/<run>`` of the app, which is launched with
environment variables and answers in ``Documents/results/<run>``: ``RemoteRuns.swift``.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args
from uuid import uuid4

from torch import Tensor

from edge_models.errors import InputError
from export_targets.artifact.device import Requested
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.runner import Runner
from export_targets.runners.bridges import sample_app
from export_targets.runners.bridges.device_control import Iphone, find_iphone


@dataclass(frozen=True)
class Run:
    """A run that was begun on a phone; ``results`` is where its answer is copied."""

    phone: Iphone
    name: str
    process: int
    results: Path

    def wait(self, steps: int, advance: Callable[[], None]) -> None:
        """Wait for the answer, as ``sample_app.wait`` does, and have it in ``results``."""
        sample_app.wait(self._look, steps, advance, lambda: "see Xcode's Devices window")

    def _look(self) -> sample_app.Look:
        alive = self.phone.runs(self.process)  # raises where the phone is gone
        shutil.rmtree(self.results, ignore_errors=True)
        try:
            self.phone.copy_from(f"Documents/results/{self.name}", self.results)
        except InputError:
            return sample_app.Look("", "", alive)  # the app has not made its folder yet
        return sample_app.Look(self._said("progress"), self._said("done.json"), alive)

    def _said(self, name: str) -> str:
        path = self.results / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""


@contextmanager
def begun(
    udid: str | None, artifact: Artifact, inputs: Tensor | None, request: Mapping[str, object]
) -> Iterator[Run]:
    """The app on a phone with an artifact and inputs, doing what was requested; it is ended where
    it is left early. Raises InputError for a phone that cannot be used.
    """
    phone, name = find_iphone(udid), uuid4().hex
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, name)
        sample_app.copy_for_app(artifact, folder / "artifact")
        if inputs is not None:
            sample_app.write_inputs(folder, inputs)
        phone.copy_to(folder, f"Documents/runs/{name}")
        variables = {f"EDGEFORM_{key}": str(value) for key, value in request.items()}
        process = phone.launch({"EDGEFORM_RUN": name, **variables})
        try:
            yield Run(phone, name, process, Path(temporary, "results"))
        except BaseException:
            if phone.runs(process):
                phone.terminate(process)
            raise


def execute(
    udid: str | None,
    units: str | None,
    model: Path,
    inputs: Tensor,
    advance: Callable[[], None],
) -> Tensor:
    """Logits (samples, rows, classes) of an artifact's model for inputs (samples, B, 3, H, W),
    computed by the app. Raises InputError for a phone that cannot be used or does not take the
    artifact, RunnerError where the app crashes.
    """
    artifact = open_artifact(model.parent)
    request = {"JOB": "execute", "SAMPLES": len(inputs), **_held_to(units)}
    with begun(udid, artifact, inputs, request) as run:
        run.wait(len(inputs), advance)
        return sample_app.read_logits(run.results, artifact, len(inputs))


def measure(
    udid: str | None,
    units: str | None,
    folder: Path,
    threads: int,
    warmup: int,
    iterations: int,
    report: Path,
    advance: Callable[[], None],
) -> None:
    """Let the app measure an artifact and copy the LatencyReport that it wrote to ``report``.
    Raises as ``execute`` does, and InputError for a number of threads, which iOS does not take.
    """
    if threads:
        raise InputError(
            "On an iPhone the runtime chooses its threads itself.", "Leave --threads out."
        )
    request = {"JOB": "measure", "WARMUP": warmup, "ITERATIONS": iterations, **_held_to(units)}
    with begun(udid, open_artifact(folder), None, request) as run:
        run.wait(warmup + iterations, advance)
        shutil.copy(run.results / "report.json", report)


def _held_to(units: str | None) -> dict[str, str]:
    return {} if units is None else {"UNITS": units}


def on_iphone(udid: str | None, units: str | None = None) -> Runner:
    """The runner of the phone with a UDID, None is the only phone there is; and held to Core ML's
    compute units, None leaves them to the app.
    """
    return Runner(
        name=":".join(["ios", *(part for part in (udid, units) if part is not None)]),
        summary="the iOS app on an iPhone beside this Mac; ios:UDID names one of several",
        targets=("xnnpack", "coreml", "coreml_pte") if units is None else ("coreml",),
        run=partial(execute, udid, units),
        measure=partial(measure, udid, units),
        variant=_named,
        chooses_units=True,
    )


def _named(variant: str) -> Runner:
    """As in "UDID", "cpu_and_ne" or "UDID:cpu_and_ne"."""
    udid, _, units = variant.rpartition(":")
    if units in get_args(Requested):
        return on_iphone(udid or None, units)
    return on_iphone(variant)


RUNNER = on_iphone(None)
