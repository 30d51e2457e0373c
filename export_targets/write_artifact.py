"""The contents of an artifact folder: golden files, evidence, and the manifest that lists them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from edge_models.checkpoint import LoadedModel
from edge_models.edge.network import Recognized
from edge_models.images import to_image
from export_targets.artifact import folder as artifact
from export_targets.artifact import manifest
from export_targets.artifact.manifest import FloatModule, Manifest
from export_targets.plan import Plan
from export_targets.prove.layer_errors import LayerError, write_layer_errors
from export_targets.prove.self_test import self_test
from export_targets.target import DelegatedOperator, Lowered
from quantize.calibration import Images, ImageSets


def write_evidence(
    folder: Path,
    loaded: LoadedModel,
    program: torch.export.ExportedProgram,
    operators: tuple[DelegatedOperator, ...],
    layers: tuple[LayerError, ...],
    reference: torch.export.ExportedProgram | None,
) -> None:
    """Write the FP32 weights, the program that was lowered, the delegated operators, and, where
    there are any, the errors of quantized layers and the FP32 program.
    """
    (folder / "evidence").mkdir()
    # clones: a network may hold one tensor under two names, which the format refuses
    state = {
        key: value.clone(memory_format=torch.contiguous_format)
        for key, value in loaded.module.state_dict().items()
    }
    # through memory: the libraries' own writers do not raise OSError on a full disk
    (folder / artifact.REFERENCE).write_bytes(save(state))
    _write_program(folder / artifact.LOWERED, program)
    if reference is not None:
        _write_program(folder / artifact.REFERENCE_PROGRAM, reference)
    rows = json.dumps([asdict(operator) for operator in operators], indent=1)
    (folder / artifact.OPERATORS).write_text(rows + "\n", encoding="utf-8")
    if layers:
        write_layer_errors(folder, layers)


def _write_program(path: Path, program: torch.export.ExportedProgram) -> None:
    graph = BytesIO()
    torch.export.save(program, graph)
    path.write_bytes(graph.getbuffer())


def write_golden(
    folder: Path,
    samples: int,
    pixels: Tensor,
    given: Tensor,
    logits: dict[str, Tensor],
    labels: tuple[str, ...],
) -> None:
    """Write labels, the first ``samples`` as golden inputs and images, and the programs' logits.

    ``pixels``: the images, uint8 (samples, B, 3, H, W). ``given``: what the saved file takes, of
    the same shape. ``logits`` by program:
    "reference", "edge", "quantized" where the recipe changes numbers, "file" for the saved file.
    """
    if labels:
        (folder / artifact.LABELS).write_text("\n".join(labels) + "\n", encoding="utf-8")
    artifact.write_floats(folder, "input", given[:samples])
    by_program = {"quantized": logits["edge"]} | logits
    for program, name in artifact.PROGRAMS.items():
        artifact.write_floats(folder, name, by_program[program][:samples])
    for index, sample in enumerate(pixels[:samples]):
        for position, crop in enumerate(sample):
            name = f"image_{index}.png" if len(sample) == 1 else f"image_{index}_{position}.png"
            to_image(crop).save(folder / artifact.GOLDEN / name)


def describe(
    folder: Path,
    plan: Plan,
    loaded: LoadedModel,
    images: ImageSets,
    lowered: Lowered,
    stayed_float: tuple[FloatModule, ...],
    recognized: tuple[Recognized, ...] | None,
    agreement: manifest.AgreementSection | None,
    inputs: Tensor,
    logits: Mapping[str, Tensor],
) -> Manifest:
    """The manifest of a folder whose other files are written; ``logits`` by program."""
    request, spec, golden = plan.request, plan.spec, inputs[: plan.golden_samples]
    kept = {name: values[: len(golden)] for name, values in logits.items()}
    output = plan.output_section(loaded.classes)
    return Manifest(
        name=plan.name,
        form=request.form,
        model=manifest.ModelSection(
            name=spec.name,
            family=spec.family,
            parameters=sum(p.numel() for p in loaded.module.parameters()),
            macs=count_macs(loaded.module, golden[0]) // request.batch,
            classes=loaded.classes,
        ),
        weights=manifest.WeightsSection(
            source=loaded.source,
            sha256=loaded.sha256,
            format=loaded.format,
            seed=loaded.seed,
            key=loaded.key,
        ),
        input=plan.input_section(),
        output=output,
        recipe=plan.recipe.name,
        target=manifest.TargetSection(name=plan.target.name, options=dict(plan.options)),
        float_modules=stayed_float,
        delegation=lowered.delegation,
        recognized=_recognized(recognized),
        calibration=_calibration(images.calibration) if plan.recipe.takes_calibration else None,
        agreement=agreement,
        golden=manifest.GoldenSection(samples=len(golden), source=images.judged.source),
        selftest=self_test(plan.target.gates[plan.recipe.name], output, kept),
        files=artifact.file_entries(folder, (plan.target.file, artifact.LABELS)),
        toolchain=manifest.toolchain(plan.target.packages),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _recognized(
    layers: tuple[Recognized, ...] | None,
) -> tuple[manifest.RecognizedModule, ...] | None:
    if layers is None:
        return None
    return tuple(
        manifest.RecognizedModule(
            module=layer.path, kind=layer.kind, why=layer.why, sqnr_db=layer.sqnr_db
        )
        for layer in layers
    )


def count_macs(module: torch.nn.Module, images: Tensor) -> int:
    """Multiply-accumulates of convolutions and matrix products for an input, (B, 3, H, W)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(images)
    return counter.get_total_flops() // 2


def _calibration(images: Images | None) -> manifest.CalibrationSection | None:
    if images is None:
        return None
    return manifest.CalibrationSection(
        source=images.source,
        samples=len(images.crops),
        sha256=images.sha256(),
        unreadable=images.unreadable,
    )
