"""``profile``: how fast artifacts run, side by side in one run, and where their time goes."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from edge_models.errors import InputError, RunnerError
from edge_models.own_network import Network
from edge_models.registry import named
from export_targets.artifact.folder import Artifact, first_problem, open_artifact
from export_targets.artifact.latency_folder import add_report, import_report, model_digest
from export_targets.artifact.latency_report import (
    LatencyReport,
    OperatorTable,
    Phase,
    Phases,
    Ratio,
)
from export_targets.profile.baseline import published_form
from export_targets.profile.operator_times import delegated_operators, of_operators, operator_table
from export_targets.profile.ratios import LEVEL, ratio
from export_targets.progress import Reporter
from export_targets.runner import Runner, timing_runner
from export_targets.runners.processes.measuring import Turns
from export_targets.runners.processes.this_machine import BUSY, load_average
from export_targets.target import target_named

SAMPLES = 3  # of an artifact in a round
TRACED = 30  # inferences
SEED = 0  # of the order in each round
BASELINES = ("published",)
PHASES = ("preprocess", "execute", "postprocess", "total")


@dataclass(frozen=True)
class Profile:
    """The reports of one run and where they were written; ``interrupted`` where it was ended."""

    reports: tuple[LatencyReport, ...]
    paths: tuple[Path, ...]
    ratios: tuple[Ratio, ...]
    interrupted: bool

    def document(self) -> dict[str, Any]:
        """The content of ``--json``."""
        return {
            "latency": [report.model_dump(mode="json") for report in self.reports],
            "ratios": [ratio.model_dump(mode="json") for ratio in self.ratios],
        }


@dataclass(frozen=True)
class Settings:
    """How to measure: samples of each artifact, inferences before them that do not count, threads;
    None leaves the threads to the runtime.
    """

    iterations: int = 120
    warmup: int = 10
    threads: int | None = None


@dataclass(frozen=True)
class Side:
    """An artifact and the runner that executes it."""

    artifact: Artifact
    runner: Runner


@dataclass(frozen=True)
class Measured:
    """What a side's process said when it was ready and at its end, and the milliseconds of each
    phase, (samples, phases).
    """

    ready: dict[str, Any]
    times: np.ndarray
    last: dict[str, Any]


def profile_all(
    folders: Sequence[Path],
    baseline: str | None,
    runner: str | None,
    settings: Settings,
    reporter: Reporter,
    network: Network = None,
) -> Profile:
    """Measure artifacts in one interleaved run and add a report to each. ``baseline`` "published"
    builds and measures that form of each beside them, from ``network`` where it is one's own.

    Ctrl-C ends the measuring: what every artifact has by then is kept. Raises InputError for a
    damaged artifact and for a runner that gives no times, RunnerError for a file that does not run.
    """
    if baseline is not None:
        named(dict.fromkeys(BASELINES), "baseline", baseline)
    sides = _sides(folders, runner, reporter)
    if any(side.runner.measure is not None for side in sides):
        return _on_device(sides, baseline, settings, reporter)
    if baseline is not None:
        beside = [published_form(side.artifact, network, reporter) for side in sides]
        sides += _sides(beside, runner, reporter)
    if (load := load_average()) > BUSY:
        reporter.note(f"The machine is busy (load average {load:.2f}): times vary, ratios less.")
    measured = _measure(sides, settings, reporter)
    interrupted = len(measured[0].times) < settings.iterations
    if interrupted:
        reporter.note(
            f"Interrupted: {len(measured[0].times)} of {settings.iterations} samples of each "
            "artifact were measured and are kept; operators were not traced."
        )
    tables = [None if interrupted else _operators(side, settings, reporter) for side in sides]
    rows = zip(sides, measured, tables, strict=True)
    reports = [
        _report(side, one, table, settings, interrupted, _ratios(index, sides, measured))
        for index, (side, one, table) in enumerate(rows)
    ]
    paths = [
        add_report(side.artifact.folder, report)
        for side, report in zip(sides, reports, strict=True)
    ]
    forward = [ratio for index, one in enumerate(reports) for ratio in one.ratios[index:]]
    return Profile(tuple(reports), tuple(paths), tuple(forward), interrupted)


def take(folder: Path, path: Path) -> Profile:
    """Add a report that a device wrote to its artifact. Raises InputError for any other file."""
    artifact = open_artifact(folder)
    report = import_report(artifact, path)
    return Profile((report,), (add_report(artifact.folder, report),), report.ratios, False)


def _on_device(
    sides: Sequence[Side], baseline: str | None, settings: Settings, reporter: Reporter
) -> Profile:
    """Each artifact measured by the device itself, one after the other: there are no ratios."""
    if baseline is not None or len({side.runner.name for side in sides}) > 1:
        raise InputError(
            "A device measures one artifact after the other, which gives no ratios.",
            "Leave --baseline away.",
        )
    reports: list[LatencyReport] = []
    paths: list[Path] = []
    with tempfile.TemporaryDirectory() as temporary:
        for side in sides:
            name, steps = side.artifact.manifest.name, settings.warmup + settings.iterations
            path = Path(temporary, "report.json")
            with reporter.steps(f"{name} on the runner {side.runner.name}", steps) as advance:
                assert side.runner.measure is not None
                side.runner.measure(
                    side.artifact.folder,
                    settings.threads or 0,
                    settings.warmup,
                    settings.iterations,
                    path,
                    advance,
                )
            reports.append(import_report(side.artifact, path))
            paths.append(add_report(side.artifact.folder, reports[-1]))
    return Profile(tuple(reports), tuple(paths), (), any(one.interrupted for one in reports))


def _sides(folders: Sequence[Path], runner: str | None, reporter: Reporter) -> list[Side]:
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("An artifact is named twice.", "Name each artifact once.")
    with reporter.stage("Digests"):
        opened = [open_artifact(folder) for folder in folders]
    sides = []
    for artifact in opened:
        target = artifact.manifest.target.name
        sides.append(Side(artifact, timing_runner(runner or target_named(target).runner, target)))
    return sides


def _measure(sides: Sequence[Side], settings: Settings, reporter: Reporter) -> list[Measured]:
    """Every side in every round, in a new order each time; as many samples of each."""
    generator = np.random.default_rng(SEED)
    times: list[list[list[float]]] = [[] for _ in sides]
    with ExitStack() as stack:
        with reporter.steps("Load and warm up", len(sides)) as advance:
            running = []
            for side in sides:
                running.append(stack.enter_context(_turns(side, settings)))
                advance()
        try:
            with reporter.steps("Inferences", settings.iterations * len(sides)) as advance:
                for done in range(0, settings.iterations, SAMPLES):
                    samples = min(SAMPLES, settings.iterations - done)
                    turns = [
                        (i, running[i].turn(samples)) for i in generator.permutation(len(sides))
                    ]
                    for index, answer in turns:  # a round counts when all sides have it
                        times[index] += answer
                        for _ in range(samples):
                            advance()
        except KeyboardInterrupt:
            if not times[0]:
                raise
        least = min(len(rows) for rows in times)
        return [
            Measured(turns.ready, np.array(rows[:least]), turns.finish())
            for turns, rows in zip(running, times, strict=True)
        ]


def _turns(side: Side, settings: Settings) -> Turns:
    assert side.runner.turns is not None
    folder, threads = side.artifact.folder, settings.threads or 0
    command = side.runner.turns(folder, threads, settings.warmup)
    return Turns(command, f"{side.artifact.manifest.name} on the runner {side.runner.name}")


def _operators(side: Side, settings: Settings, reporter: Reporter) -> OperatorTable | None:
    if side.runner.trace is None:
        return None
    artifact = side.artifact
    with reporter.stage(f"Operators of {artifact.manifest.name}"):
        events = side.runner.trace(artifact.folder, settings.threads or 0, TRACED)
        delegated = delegated_operators(artifact)
        if not of_operators(events):
            return None
        return operator_table(events, delegated, artifact.manifest.delegation.fallen)


def _ratios(index: int, sides: Sequence[Side], measured: Sequence[Measured]) -> list[Ratio]:
    """How many times faster one side is than each other."""
    found = []
    for other, side in enumerate(sides):
        if other == index:
            continue
        slower, faster = (_rounds(measured[place]) for place in (other, index))
        interval = ratio(slower, faster)
        found.append(
            Ratio(
                artifact=sides[index].artifact.manifest.name,
                baseline=side.artifact.manifest.name,
                value=interval.value,
                low=interval.low,
                high=interval.high,
                level=LEVEL,
                rounds=len(faster),
            )
        )
    return found


def _rounds(measured: Measured) -> np.ndarray:
    """Execute times, (rounds, samples); a last round with fewer samples is left out."""
    times = measured.times[:, PHASES.index("execute")]
    samples = min(SAMPLES, len(times))
    return times[: len(times) // samples * samples].reshape(-1, samples)


def _report(
    side: Side,
    measured: Measured,
    operators: OperatorTable | None,
    settings: Settings,
    interrupted: bool,
    ratios: Sequence[Ratio],
) -> LatencyReport:
    manifest = side.artifact.manifest
    columns = zip(PHASES, measured.times.T.tolist(), strict=True)
    content = {
        "artifact": manifest.name,
        "model_sha256": model_digest(manifest),
        "runner": side.runner.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "warmup": settings.warmup,
        "iterations": len(measured.times),
        "interrupted": interrupted,
        "thermal": None,
        "operators": operators,
        "ratios": tuple(ratios),
    }
    try:
        phases = {name: Phase.of(samples) for name, samples in columns}
        content["phases"] = Phases(**phases)
        return LatencyReport.model_validate({**content, **measured.ready, **measured.last})
    except ValidationError as error:
        raise RunnerError(
            f"the runner {side.runner.name} measured nonsense: {first_problem(error)}"
        ) from error
