"""The host runner: a file that the runtime cannot run ends the child process, not the program."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import InputError
from export_targets.artifact.folder import open_artifact
from export_targets.prove.verify import held_delegation
from export_targets.runner import RunnerError, all_runners, runner_named
from export_targets.runners import host
from export_targets.runners.processes import this_machine
from export_targets.target import all_targets
from tests.bad_input import mutated, refused_or
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.daily import daily
from tests.export_targets.made_up import sign_again

HEAD = 20_000  # bytes of a file that hold its program; weights follow


def uncounted() -> None:
    """Nothing to do after a sample."""


def shorten(model: Path, share: float) -> None:
    content = model.read_bytes()
    model.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_a_runner_error(share: float, built: Built, copied: Copied) -> None:
    folder = copied(built().folder)
    shorten(folder / "model.pte", share)
    sign_again(folder)
    artifact = open_artifact(folder)
    with pytest.raises(RunnerError, match=r"ended with -?\d+ on model\.pte"):
        host.run(artifact.model, artifact.inputs(), uncounted)


def test_the_command_line_says_so_and_exits_with_1(
    built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    shorten(folder / "model.pte", 0.5)
    sign_again(folder)
    ran = edgeform("verify", folder)
    assert ran.code == 1
    assert "The saved file does not run: " in ran.err
    assert "model.pte" in ran.err
    assert "build the artifact again." in ran.err
    assert "Traceback" not in ran.err


@given(data=st.data())
def test_a_mutated_file_is_inspected_or_refused(
    data: st.DataObject, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    artifact = open_artifact(built().folder)
    whole = artifact.model.read_bytes()
    head, tail = whole[:HEAD], whole[HEAD:]
    mutant = tmp_path_factory.getbasetemp() / "mutant"
    mutant.mkdir(exist_ok=True)
    (mutant / "model.pte").write_bytes(data.draw(mutated(head)) + tail)
    refused_or(held_delegation, replace(artifact, folder=mutant))


@pytest.mark.parametrize("place", daily([4, 32, 400, 2_000, 9_000], [4, 32, 400]))
def test_a_file_with_changed_bytes_ends_with_a_code_of_the_contract(
    place: int, built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    content = bytearray((folder / "model.pte").read_bytes())
    content[place : place + 64] = bytes(255 - byte for byte in content[place : place + 64])
    (folder / "model.pte").write_bytes(content)
    sign_again(folder)
    ran = edgeform("verify", folder)
    assert ran.code in (1, 2)
    assert "Traceback" not in ran.err


def test_a_file_that_runs_for_ever_is_stopped(
    built: Built, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    monkeypatch.setattr(host, "SECONDS_TO_START", 0.5)  # a process takes longer to start
    monkeypatch.setattr(host, "SECONDS_PER_IMAGE", 0)
    ran = edgeform("verify", built().folder)
    assert ran.code == 1
    assert "did not end within 0.5 s on model.pte" in ran.err


def test_inputs_of_another_shape_are_a_runner_error(built: Built) -> None:
    with pytest.raises(RunnerError, match=r"model\.pte"):
        host.run(built().folder / "model.pte", torch.zeros(1, 1, 3, 32, 32), uncounted)


def test_each_sample_has_its_own_logits(built: Built) -> None:
    artifact = open_artifact(built().folder)
    inputs = artifact.inputs()[:3]
    done: list[int] = []
    together = host.run(artifact.model, inputs, lambda: done.append(1))
    assert len(done) == 3
    alone = torch.cat([host.run(artifact.model, sample[None], uncounted) for sample in inputs])
    assert torch.equal(together, alone)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("target", all_targets())
def test_every_target_has_the_runner_that_it_names(target: str) -> None:
    name = all_targets()[target].runner
    assert runner_named(name, target) is all_runners()[name]


def test_an_unknown_runner_is_refused_with_the_names(
    built: Built, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built().folder, "--runner", "abacus")
    assert ran.code == 2
    assert "'abacus'" in ran.err
    assert "host" in ran.err


def test_a_runner_that_cannot_execute_a_target_is_refused() -> None:
    with pytest.raises(InputError, match="host cannot execute files of the target coreml"):
        runner_named("host", "coreml")


def test_core_mls_delegate_runs_on_a_mac_alone(built: Built, edgeform: EdgeformInProcess) -> None:
    folder = built(target="coreml_pte", recipe="fp16").folder
    for command in ("verify", "profile"):
        ran = edgeform(command, folder, "--runner", "host")
        assert ran.code == 2
        assert "only ExecuTorch's wheel for it has it" in ran.err
        assert "Run it on a Mac, or use --runner interpreter" in ran.err


def test_on_a_mac_core_mls_delegate_is_given_to_executorch(
    built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform is replaced, the wheel is not: its runtime lacks the backend, and says so."""
    monkeypatch.setattr(this_machine, "PLATFORM", "darwin")
    folder = built(target="coreml_pte", recipe="fp16").folder
    ran = edgeform("verify", folder, "--runner", "host")
    if sys.platform == "darwin":
        assert ran.code == 0, ran.err
    else:
        assert ran.code == 1
        assert "the ExecuTorch runtime ended with" in ran.err
