"""Count the instructions of one inference of a saved file and compare its logits."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.edge import edge_form
from edge_models.parity import IDENTICAL_DB, measure
from export_targets.artifact import folder as artifact
from export_targets.profile.operator_times import delegated_operators
from export_targets.runner import runner_named
from export_targets.runners.linux import CPU, SYSROOT
from export_targets.target import DelegatedOperator, target_named
from export_targets.write_artifact import count_macs
from tests.benchmarks.aims import INSTRUCTIONS
from tests.benchmarks.arm64 import operators
from tests.benchmarks.arm64.blocks import Block, difference, hottest, mnemonics, parse, total
from tests.benchmarks.arm64.operators import OperatorCount
from tests.benchmarks.arm64.program import Program

HOTTEST = 8
DOT_PRODUCTS = 16  # INT8 multiply-accumulates of one SDOT


@dataclass(frozen=True)
class HotBlock:
    """A block, its share of all instructions, and its most frequent ones."""

    place: str
    executions: int
    share: float
    instructions: int
    dot: int
    fmla: int
    mnemonics: str


@dataclass(frozen=True)
class File:
    """A ``.pte`` under the name that a table gives it. ``macs`` are multiply-accumulates of the
    model's edge form, whichever form the file has, and ``delegated`` its operators in their order;
    of a file outside an artifact neither is known.
    """

    name: str
    path: Path
    macs: int | None = None
    delegated: Sequence[DelegatedOperator] = ()


@dataclass(frozen=True)
class Count:
    """One inference of a file on an emulated processor, ``cpu``. ``sqnr_db`` and ``identical``: the
    ARM64 logits against the host runner's; the SQNR is of what differs between the classes.
    """

    model: str
    cpu: str
    instructions: int
    dot: int
    fmla: int
    macs: int | None
    sqnr_db: float
    identical: bool
    hottest: list[HotBlock]
    operators: list[OperatorCount]


def count(program: Program, file: File, cpu: str) -> Count:
    """One inference: what a run of two executes beyond a run of one."""
    model, inputs = file.path, golden_input(file.path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs.numpy().astype("<f4").tofile(folder / "input.f32")
        once, twice = (_run(program, model, cpu, folder, times) for times in ("1", "2"))
        named = _run(program, model, cpu, folder, "2", "operators")
        logits = torch.from_numpy(np.fromfile(folder / "logits.f32", dtype="<f4"))
    executions = difference(parse(twice), parse(once))
    host = runner_named("host", "xnnpack").run(model, inputs[None], lambda: None).flatten()
    sqnr_db = measure(host[:, None], logits[:, None]).sqnr_db
    instructions = total(executions)
    return Count(
        model=file.name,
        cpu=cpu,
        instructions=instructions,
        dot=total(executions, "dot"),
        fmla=total(executions, "fmla"),
        macs=file.macs,
        sqnr_db=sqnr_db,
        identical=sqnr_db == IDENTICAL_DB,
        hottest=[_hot(block, times, instructions) for block, times in hottest(executions, HOTTEST)],
        operators=operators.parse(named, file.delegated),
    )


def file_at(model: Path) -> File:
    """A file, with what its artifact says of it where it lies in one."""
    if not (model.parent / artifact.MANIFEST).is_file():
        return File(str(model), model)
    delegated = delegated_operators(artifact.open_artifact(model.parent))
    return File(str(model), model, edge_macs(model), delegated)


def golden_input(model: Path) -> Tensor:
    """The artifact's first golden input; seeded noise for a file outside an artifact."""
    if (model.parent / artifact.MANIFEST).is_file():
        return artifact.open_artifact(model.parent).inputs()[0]
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(model).load_method("forward")
    if method is None:
        raise ValueError(f"{model} has no method forward")
    shape = method.metadata.input_tensor_meta(0).sizes()
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def edge_macs(model: Path) -> int:
    """Multiply-accumulates of the edge form of an artifact's model, whichever form it has."""
    manifest = artifact.read_manifest(model.parent)
    spec, (batch, _, *size) = model_spec(manifest.model.name), manifest.input.shape
    loaded = load_reference(spec, model.parent / artifact.REFERENCE)
    forms = target_named(manifest.target.name).forms()
    edge = edge_form(spec, loaded.module, (size[0], size[1]), batch, manifest.output.heads, forms)
    return count_macs(edge, torch.zeros(*manifest.input.shape))


def table(counts: list[Count]) -> str:
    """The counts as Markdown, with the operators and hottest blocks of each file below."""
    lines = [
        "Instructions of one inference under qemu-user. Limit: multiply-accumulates of the edge "
        f"form / {DOT_PRODUCTS}, those of an SDOT; an SMMLA has twice as many.",
        "",
        "| file | processor | G instructions | aim | limit | dot products | FMLA | other "
        "| logits against x86-64 |",
        f"|{'---|' * 9}",
    ]
    lines += [_row(item) for item in counts]
    for item in counts:
        lines += [
            "",
            f"`{item.model}` on {item.cpu}: where the instructions go",
            "",
            operators.table(item.operators, item.instructions),
            "",
            "The hottest blocks:",
            "",
            "| share | place | executions | instructions in it | of these |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {hot.share:.1%} | {hot.place} | {hot.executions:,} | {hot.instructions} "
            f"| {hot.mnemonics} |"
            for hot in item.hottest
        ]
    return "\n".join(lines)


def document(counts: list[Count]) -> dict[str, Any]:
    """The counts for JSON."""
    return {"counts": [asdict(item) for item in counts]}


def _row(item: Count) -> str:
    limit = "-" if item.macs is None else f"{item.macs / DOT_PRODUCTS / 1e9:.3f}"
    dot, fmla = item.dot / item.instructions, item.fmla / item.instructions
    wanted, aim = INSTRUCTIONS.get((item.model, item.cpu)), "-"
    if wanted is not None:
        reached = item.instructions <= wanted * 1e9
        aim = f"<= {wanted:g} {'reached' if reached else '**missed**'}"
    logits = "identical" if item.identical else f"{item.sqnr_db:.1f} dB"
    return (
        f"| {item.model} | {item.cpu} | {item.instructions / 1e9:.3f} | {aim} | {limit} "
        f"| {dot:.1%} | {fmla:.1%} | {1 - dot - fmla:.1%} | {logits} |"
    )


def _run(program: Program, model: Path, cpu: str, folder: Path, *arguments: str) -> str:
    command = ["taskset", "-c", "0", "qemu-aarch64", "-plugin", str(program.plugin.absolute())]
    command += ["-L", SYSROOT, str(program.inference), str(model)]
    command += [str(folder / "input.f32"), str(folder / "logits.f32"), *arguments]
    environment = {**os.environ, CPU: cpu}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        written = [line for line in done.stderr.splitlines() if "\t" not in line]
        raise RuntimeError(f"the ARM64 program ended with {done.returncode}: {written[-1:]}")
    return done.stderr


def _hot(block: Block, times: int, instructions: int) -> HotBlock:
    return HotBlock(
        place=f"{Path(block.file).name}+{block.offset:x}",
        executions=times,
        share=times * block.instructions / instructions,
        instructions=block.instructions,
        dot=block.dot,
        fmla=block.fmla,
        mnemonics=mnemonics(block),
    )
