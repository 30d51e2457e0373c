"""Images a second of ``evaluate`` in one process, in two and on Ray, and what real size takes."""

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from edge_models.reference.heads import run_eager
from export_targets.progress import silent_reporter
from export_targets.prove.evaluate import Choice, EvaluationReport, Work, evaluate
from export_targets.runner import runner_named
from export_targets.runners.processes.this_machine import load_average
from export_targets.target import target_named
from export_targets.workers import cluster
from tests.benchmarks.machine import busy_note, describe_machine
from tests.benchmarks.result import RESULTS, Result
from tests.benchmarks.subject import REAL_SIZE, Subject, digits, real_size
from tests.digit_images import write_digits

NAME = "evaluation"
TARGETS = ("xnnpack", "vulkan", "coreml")  # the runtime itself, and both interpreters
WORKS = {"1 process": Work(workers=1), "2 processes": Work(workers=2), "Ray": Work(on="ray")}
MODEL = "digits_conformer"
SAMPLES = 8  # images of a file at real size
RELEASE, CORES = 50_000, 64  # images and cores of a release decision


def run() -> Result:
    """Whole evaluations without imports, Ray already started; then one core at real size."""
    torch.set_num_threads(1)  # as in a process that judges beside others
    machine, load = describe_machine(), load_average()
    folder = RESULTS / "digits"
    for split in ("train", "held_out"):
        write_digits(folder, split)
    cluster("ray")
    rates = {target: throughput(target, folder) for target in TARGETS}
    measured = [real_size(model, target) for model, target in product(REAL_SIZE, TARGETS)]
    for subject in measured:  # before a file is held here: with an interpreter nothing is built
        subject.artifact("int8", "edge")
    seconds = {f"{subject.model}, {subject.target}": an_image(subject) for subject in measured}
    setting = f"{machine['processor']}, {machine['cores']} cores. {busy_note(load)}"
    parts = ["# Evaluation", setting, rate_table(rates), real_size_table(seconds)]
    return Result(NAME, "\n\n".join(parts), {"images_a_second": rates, "an_image": seconds})


def throughput(target: str, folder: Path) -> dict[str, float]:
    """Images a second by who judges; all of them give the same report."""
    artifact = replace(digits(MODEL), target=target).artifact("int8", "edge")
    rates: dict[str, float] = {}
    reports: list[EvaluationReport] = []
    for name, work in WORKS.items():
        start = time.perf_counter()
        report = evaluate(
            artifact.folder, Choice(folder), None, False, silent_reporter(), work=work
        )
        reports.append(report)
        rates[name] = report.samples / (time.perf_counter() - start)
        print(f"{target}, {name}: {rates[name]:.1f} images a second", flush=True)
    assert all(report == reports[0] for report in reports)
    return rates


def an_image(measured: Subject) -> dict[str, float]:
    """CPU seconds of one image on one thread: the FP32 reference, and the saved INT8 file."""
    artifact = measured.artifact("int8", "edge")
    inputs = artifact.inputs()[:SAMPLES]
    runner = runner_named(target_named(measured.target).runner, measured.target)
    assert runner.load is not None
    forward, published = runner.load(artifact.model), measured.published()
    normalized = measured.calibration_inputs()[: len(inputs)]
    forward(inputs[0])
    found = {}
    start = time.process_time()
    run_eager(published, normalized)
    found["reference"] = (time.process_time() - start) / len(inputs)
    start = time.process_time()
    for sample in inputs:
        forward(sample)
    found["file"] = (time.process_time() - start) / len(inputs)
    print(f"{measured.model}, {measured.target}: {found}", flush=True)
    return found


def rate_table(rates: Mapping[str, Mapping[str, float]]) -> str:
    """Images a second, as Markdown."""
    lines = [f"| {MODEL} INT8, images a second | {' | '.join(WORKS)} | 2 to 1, Ray to 2 |"]
    lines.append("|---|" + "---|" * (len(WORKS) + 1))
    for target, found in rates.items():
        one, two, ray = found.values()
        cells = " | ".join(f"{rate:.1f}" for rate in found.values())
        lines.append(f"| {target} | {cells} | {two / one:.2f}, {ray / two:.2f} |")
    return "\n".join(lines)


def real_size_table(seconds: Mapping[str, Mapping[str, float]]) -> str:
    """Seconds an image at 224, and what they come to for a release, as Markdown."""
    lines = [
        "| INT8 at 224, one core | s an image: reference | file "
        f"| {RELEASE:,} images on {CORES} cores, computed |",
        "|---|---|---|---|",
    ]
    for name, found in seconds.items():
        minutes = sum(found.values()) * RELEASE / CORES / 60
        lines.append(
            f"| {name} | {found['reference']:.2f} | {found['file']:.2f} | {minutes:.0f} min |"
        )
    return "\n".join(lines)
