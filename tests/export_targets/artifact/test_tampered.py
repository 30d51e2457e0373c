"""From the files of an artifact to the exit code: what was changed turns the right gate red."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge_models.edge import edge_form
from edge_models.gate import Gate
from export_targets.progress import silent_reporter
from export_targets.prove import programs, verify
from export_targets.target import Gates, Target, all_targets
from tests.conftest import Built, Copied, EdgeformInProcess, Ran
from tests.export_targets.made_up import sign_again

pytestmark = pytest.mark.usefixtures("runner_here")


def change_golden(program: str) -> Callable[[Path, Built, Ran], None]:
    def change(folder: Path, built: Built, published: Ran) -> None:
        path = folder / "golden" / f"{program}_0.f32"
        (np.fromfile(path, dtype="<f4")[::-1] * 2).astype("<f4").tofile(path)

    return change


def spoil_golden(program: str) -> Callable[[Path, Built, Ran], None]:
    def spoil(folder: Path, built: Built, published: Ran) -> None:
        path = folder / "golden" / f"{program}_0.f32"
        values = np.fromfile(path, dtype="<f4")
        values[7] = np.nan
        values.tofile(path)

    return spoil


def zero_weights(folder: Path, built: Built, published: Ran) -> None:
    content = bytearray((folder / "model.pte").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_000] = bytes(40_000)
    (folder / "model.pte").write_bytes(content)


def take_another_model(folder: Path, built: Built, published: Ran) -> None:
    other = built(model="digits_conformer").folder
    (folder / "model.pte").write_bytes((other / "model.pte").read_bytes())


def take_the_published_file(folder: Path, built: Built, published: Ran) -> None:
    other = Path(published.document["artifact"])
    (folder / "model.pte").write_bytes((other / "model.pte").read_bytes())


TAMPERED: dict[str, tuple[str, Callable[[Path, Built, Ran], None], str]] = {
    "stored edge logits": ("fp32", change_golden("edge"), "hop edge: SQNR"),
    "stored lowered logits": ("int8", change_golden("lowered"), "hop lower: SQNR"),
    "stored reference logits": ("fp32", change_golden("reference"), "hop chain: SQNR"),
    "inputs": ("fp32", change_golden("input"), "hop lower: SQNR"),
    "a NaN in the inputs": ("fp32", spoil_golden("input"), "the result holds NaN"),
    "a NaN in the stored logits": ("fp32", spoil_golden("edge"), "the result holds NaN"),
    "weights of the saved file": ("fp32", zero_weights, "hop lower: SQNR"),
    "the saved file of another model": ("fp32", take_another_model, "hop lower: SQNR"),
    "the file of the published form": ("fp32", take_the_published_file, "wholeness: "),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_verify_exits_with_1_after_a_change_of(
    name: str, built: Built, published: Ran, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    recipe, change, said = TAMPERED[name]
    folder = copied(built(recipe=recipe).folder)
    change(folder, built, published)
    sign_again(folder)
    ran = edgeform("verify", folder, "--json")
    assert ran.code == 1
    assert said in ran.err
    assert "hops" in ran.document


def test_a_changed_weight_of_the_edge_form_turns_the_edge_hop_red(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*arguments: Any) -> nn.Module:
        module = edge_form(*arguments)
        with torch.no_grad():
            next(iter(module.parameters())).mul_(1.01)
        return module

    monkeypatch.setattr(programs, "edge_form", changed)
    result = verify.verify(built().folder, digit_folders / "3", None, False, silent_reporter())
    assert {hop.name for hop in result.report.hops if hop.status == "failed"} == {"edge", "lower"}


def test_a_build_whose_gate_fails_is_set_aside_and_the_old_artifact_stays(
    without_lowering: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    out = tmp_path / "artifact"
    command = ("build", "digits_cotnet_simple", "--target", "xnnpack", "--recipe", "fp32")
    assert edgeform(*command, "--out", out).code == 0
    old = (out / "manifest.json").read_bytes()

    impossible = Gate(min_sqnr_db=500, min_top1_agreement=1)
    gates = {"fp32": Gates(edge=impossible, quantize=None, lower=impossible, chain=impossible)}
    monkeypatch.setitem(all_targets(), "xnnpack", replace(without_lowering, gates=gates))
    ran = edgeform(*command, "--out", out, "--json")
    assert ran.code == 1
    assert "hop edge: SQNR" in ran.err
    assert ran.document["artifact"] == f"{out}.failed"
    assert (out / "manifest.json").read_bytes() == old
    assert (tmp_path / "artifact.failed" / "model.pte").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "artifact.failed"]
