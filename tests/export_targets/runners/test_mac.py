"""Core ML itself as a runner, against a stand-in for coremltools on a Mac: no Mac has answered."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_models.errors import RunnerError
from export_targets.artifact.folder import open_artifact
from export_targets.runners import mac
from tests.conftest import Built, EdgeformInProcess

STAND_IN = Path(__file__).with_name("scripted_coremltools")


@pytest.fixture
def packages(built: Built) -> dict[str, Path]:
    """Artifacts that take pictures, and tensors."""
    tensors = {"options": {"input": "tensor", "output": "logits"}}
    kinds: dict[str, dict[str, Any]] = {"pictures": {}, "tensors": tensors}
    return {
        kind: built(target="coreml", recipe="fp16", **options).folder
        for kind, options in kinds.items()
    }


@pytest.fixture
def on_a_mac(packages: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process says that it is on a Mac, and its children find the stand-in first: so the
    artifacts, which coremltools itself makes, are there before.
    """
    path = os.pathsep.join([str(STAND_IN), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(mac, "PLATFORM", "darwin")


def test_elsewhere_it_is_refused(built: Built, edgeform: EdgeformInProcess) -> None:
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    ran = edgeform("verify", built(target="coreml", recipe="fp16").folder, "--runner", "mac")
    assert ran.code == 2
    assert "which only a Mac has.\nRun it on a Mac, or use --runner interpreter" in ran.err


def test_files_of_other_targets_are_refused(built: Built, edgeform: EdgeformInProcess) -> None:
    ran = edgeform("verify", built().folder, "--runner", "mac")
    assert ran.code == 2
    assert "cannot execute files of the target xnnpack" in ran.err


@pytest.mark.parametrize("kind", ["pictures", "tensors"])
def test_core_ml_gets_what_the_model_takes_and_its_logits_are_taken(
    kind: str, on_a_mac: None, packages: dict[str, Path]
) -> None:
    artifact = open_artifact(packages[kind])
    steps: list[None] = []
    logits = mac.run(artifact.model, artifact.inputs(), lambda: steps.append(None))
    assert torch.equal(logits, artifact.logits("file"))
    assert len(steps) == len(logits)


@pytest.mark.parametrize(
    ("mood", "message"),
    [("refusal", "Error compiling model: made up"), ("other outputs", "has no output logits")],
)
def test_what_core_ml_refuses_is_named(
    mood: str,
    message: str,
    on_a_mac: None,
    packages: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCRIPTED_CORE_ML", mood)
    artifact = open_artifact(packages["pictures"])
    with pytest.raises(RunnerError, match=message):
        mac.run(artifact.model, artifact.inputs()[:1], lambda: None)


def test_verify_judges_it(
    on_a_mac: None, packages: dict[str, Path], edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", packages["pictures"], "--runner", "mac", "--json")
    assert ran.code == 0, ran.err
    assert any(hop["runner"] == "mac" and hop["status"] == "passed" for hop in ran.document["hops"])


def test_it_gives_no_times(built: Built, edgeform: EdgeformInProcess) -> None:
    ran = edgeform("profile", built(target="coreml", recipe="fp16").folder, "--runner", "mac")
    assert ran.code == 2
    assert "--runner ios takes an iPhone's" in ran.err
