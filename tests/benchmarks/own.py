"""Networks of one's own at real size: how precise, in how many delegates, and how fast beside the
same network exported as it is, in ONNX Runtime and in OpenVINO.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.parity import ParityReport, measure
from edge_models.reference.heads import run_eager
from export_targets.artifact.folder import Artifact
from export_targets.artifact.interface import OutputSection
from export_targets.profile.ratios import ratio
from export_targets.progress import silent_reporter
from export_targets.prove.outputs import by_output
from export_targets.prove.verify import verify
from export_targets.runners.processes.this_machine import load_average
from tests.benchmarks import own_real_size
from tests.benchmarks.interleaved import Timed, measure_sides
from tests.benchmarks.latency import RECIPES, setting
from tests.benchmarks.machine import busy_note, describe_machine
from tests.benchmarks.own_real_size import NETWORKS
from tests.benchmarks.result import RESULTS, Result
from tests.benchmarks.sides import Side, sides_of
from tests.benchmarks.subject import Subject
from tests.photographs import write_views_of_all

NAME = "own"
TWIN = "cotnet50_simple"  # with four groups, of the catalog: what resnet50_cot is by other names


def run() -> Result:
    """Build what is missing, then time each network's sides in one interleaved run."""
    parts = [f"# Networks of one's own\n\n{setting(describe_machine())}"]
    measured: dict[str, Any] = {}
    for name, size in NETWORKS.items():
        subject = Subject(name, size, calibration=calibration(), module=network_named(name))
        artifacts = {recipe: subject.artifact(recipe, "edge") for recipe in RECIPES}
        inputs = artifacts["fp32"].inputs()
        sides = sides_of(subject, RECIPES) + (twin() if name == "resnet50_cot" else [])
        load = load_average()
        timed = measure_sides(sides, inputs[0])
        reports = {recipe: proof_of(artifact) for recipe, artifact in artifacts.items()}
        output = artifacts["fp32"].manifest.output
        rounding = float32_sqnr(subject.published(), inputs, output)
        parts += [f"## {name}", busy_note(load), time_table(timed)]
        parts.append(proof_table(artifacts, reports, rounding))
        measured[name] = {
            "load_average": load,
            "samples_ms": {f"{s.side.form} {s.side.recipe}": s.times.tolist() for s in timed},
            "parity": {key: report.model_dump(by_alias=True) for key, report in reports.items()},
            "float32_sqnr_db": rounding,
        }
    return Result(NAME, "\n\n".join(parts), measured)


def network_named(name: str) -> nn.Module:
    """A network of ``own_real_size``."""
    network: nn.Module = getattr(own_real_size, name)()
    return network


def calibration() -> str:
    """A folder of photographs, some of which a build keeps apart to judge itself on."""
    folder = RESULTS / "photographs"
    write_views_of_all(folder)
    return str(folder)


def twin() -> list[Side]:
    """The catalog's model that is the same network, in edge form."""
    checkpoint = RESULTS / "cotnet50_groups.pth"
    RESULTS.mkdir(parents=True, exist_ok=True)
    torch.save(network_named("cotnet50_groups").state_dict(), checkpoint)
    subject = Subject(TWIN, NETWORKS["resnet50_cot"], checkpoint, calibration())
    files = {recipe: subject.artifact(recipe, "edge").model for recipe in RECIPES}
    return [Side("executorch", TWIN, recipe, path) for recipe, path in files.items()]


def proof_of(artifact: Artifact) -> ParityReport:
    """The hops on the golden images."""
    return verify(artifact.folder, None, None, False, silent_reporter()).report


def float32_sqnr(network: nn.Module, inputs: Tensor, output: OutputSection) -> float:
    """What float32 alone costs a network as published: SQNR in dB of its worst output against the
    same in float64, on ``inputs`` (samples, 1, 3, H, W).
    """
    single = by_output(run_eager(network, inputs), output)
    double = by_output(run_eager(network.double(), inputs.double()), output)
    network.float()
    return min(measure(*pair).sqnr_db for pair in zip(double, single, strict=True))


def time_table(timed: list[Timed]) -> str:
    """Milliseconds of every side, as Markdown."""
    edge = {item.side.recipe: item.times for item in timed if item.side.form == "edge"}
    lines = [
        "| side | recipe | median ms | against edge, same recipe | MB |",
        "|---|---|---|---|---|",
    ]
    for item in timed:
        side = item.side
        lines.append(
            f"| {side.form} | {side.recipe} | {item.median:.2f} | "
            f"{ratio(item.times, edge[side.recipe])} | {side.megabytes:.2f} |"
        )
    return "\n".join(lines)


def proof_table(
    artifacts: dict[str, Artifact], reports: dict[str, ParityReport], rounding: float
) -> str:
    """What the hops say of the edge form's files, of several outputs the worst, as Markdown."""
    lines = ["| recipe | layers | delegates | hops, SQNR dB |", "|---|---|---|---|"]
    for recipe, report in reports.items():
        manifest = artifacts[recipe].manifest
        kinds = Counter(item.kind for item in manifest.recognized or () if item.kind)
        layers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        hops = ", ".join(f"{hop.name} {hop.sqnr_db:.1f} ({hop.status})" for hop in report.hops)
        lines.append(f"| {recipe} | {layers} | {manifest.delegation.delegates} | {hops} |")
    return "\n".join([*lines, "", f"The network in float32 against float64: {rounding:.1f} dB."])
