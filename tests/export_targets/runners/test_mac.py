"""Core ML itself as a runner, against a stand-in for coremltools on a Mac: no Mac has answered."""

import dataclasses
import inspect
import json
import os
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from edge_models.errors import RunnerError
from edge_models.parity import measure
from export_targets.artifact.device import ComputePlan, PlannedOperator
from export_targets.artifact.folder import MANIFEST, open_artifact
from export_targets.artifact.latency_folder import LATENCY, stored_reports
from export_targets.runner import runner_named
from export_targets.runners.processes import this_machine
from tests.apps.golden import with_tensors
from tests.benchmarks import mac as summary
from tests.benchmarks.result import Result
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.made_up_latency import reports_of

STAND_IN = Path(__file__).with_name("scripted_coremltools")
OF_MODELS = ("compute_device", "compute_plan")


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
    monkeypatch.setattr(this_machine, "PLATFORM", "darwin")


@pytest.mark.parametrize("command", ["verify", "profile", "evaluate"])
def test_elsewhere_it_is_refused(
    command: str, built: Built, edgeform: EdgeformInProcess, digit_folders: Path
) -> None:
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    options = ["--images", digit_folders] if command == "evaluate" else []
    folder = built(target="coreml", recipe="fp16").folder
    ran = edgeform(command, folder, "--runner", "mac", "--compute-units", "cpu", *options)
    assert ran.code == 2
    assert "which only a Mac has.\nRun it on a Mac, or use --runner interpreter" in ran.err


def test_files_of_other_targets_are_refused(built: Built, edgeform: EdgeformInProcess) -> None:
    ran = edgeform("verify", built().folder, "--runner", "mac")
    assert ran.code == 2
    assert "cannot execute files of the target xnnpack" in ran.err


@pytest.mark.parametrize("runner", [(), ("--runner", "host"), ("--runner", "adb:1")])
def test_other_runners_take_no_compute_units(
    runner: tuple[str, ...], built: Built, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("profile", built().folder, *runner, "--compute-units", "cpu")
    assert ran.code == 2
    assert "Use --runner ios or mac, or leave --compute-units away." in ran.err


def test_unknown_compute_units_are_refused(built: Built, edgeform: EdgeformInProcess) -> None:
    folder = built(target="coreml", recipe="fp16").folder
    options = [("--runner", "mac", "--compute-units", "tpu"), ("--runner", "mac:tpu")]
    for given in (*options, ("--runner", "ios", "--compute-units", "tpu")):
        ran = edgeform("verify", folder, *given)
        assert ran.code == 2
        assert "There are all, cpu_and_ne, cpu_and_gpu, cpu." in ran.err


@pytest.mark.parametrize("kind", ["pictures", "tensors"])
def test_core_ml_gets_what_the_model_takes_and_its_logits_are_taken(
    kind: str, on_a_mac: None, packages: dict[str, Path]
) -> None:
    artifact = open_artifact(packages[kind])
    steps: list[None] = []
    runner = runner_named("mac", "coreml")
    logits = runner.run(artifact.model, artifact.inputs(), lambda: steps.append(None))
    assert torch.equal(logits, artifact.logits("file"))
    assert len(steps) == len(logits)


def test_outputs_that_are_no_logits_are_taken_by_their_names(
    on_a_mac: None, packages: dict[str, Path], copied: Copied
) -> None:
    folder = copied(packages["tensors"])
    path = folder / MANIFEST
    changed = with_tensors(json.loads(path.read_text(encoding="utf-8")), {"a": [1, 4], "b": [6]})
    path.write_text(json.dumps(changed), encoding="utf-8")
    artifact = open_artifact(folder)
    found = runner_named("mac", "coreml").run(artifact.model, artifact.inputs()[:2], lambda: None)
    assert torch.equal(found, artifact.logits("file")[:2])


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
        runner_named("mac", "coreml").run(artifact.model, artifact.inputs()[:1], lambda: None)


def test_a_file_that_core_ml_refuses_is_not_measured(
    on_a_mac: None,
    packages: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    monkeypatch.setenv("SCRIPTED_CORE_ML", "refusal")
    ran = edgeform("profile", packages["pictures"], "--runner", "mac")
    assert ran.code == 1
    assert "Error compiling model: made up" in ran.err
    assert not (packages["pictures"] / LATENCY).exists()


@pytest.mark.parametrize(
    ("mood", "units", "problem"),
    [
        ("falls out", "cpu_and_gpu", "ios17.gather of gather_3 falls out of the GPU"),
        ("falls out", "cpu", ""),
    ],
)
def test_verify_judges_outputs_and_wholeness(
    mood: str,
    units: str,
    problem: str,
    on_a_mac: None,
    runner_here: None,
    packages: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    monkeypatch.setenv("SCRIPTED_CORE_ML", mood)
    options = ["--runner", "mac", "--compute-units", units, "--json"]
    ran = edgeform("verify", packages["pictures"], *options)
    assert ran.code == (1 if problem else 0), ran.err
    assert problem in ran.err
    assert any(
        hop["runner"] == runner_named(f"mac:{units}", "coreml").name and hop["status"] == "passed"
        for hop in ran.document["hops"]
    )


def test_profile_measures_in_turns_and_tells_where_operators_run(
    on_a_mac: None, packages: dict[str, Path], tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    folders = [
        Path(shutil.copytree(packages[kind], tmp_path / kind)) for kind in ("pictures", "tensors")
    ]
    options = ["--runner", "mac", "--compute-units", "cpu_and_ne", "--iterations", 6]
    ran = edgeform("profile", *folders, *options, "--warmup", 1, "--json")
    assert ran.code == 0, ran.err
    assert len(ran.document["ratios"]) == 1
    for folder, report in zip(folders, reports_of(ran.document), strict=True):
        assert stored_reports(folder) == {"mac-cpu_and_ne-1.json": report}
        assert (report.runner, report.load_ms) == ("mac:cpu_and_ne", 12.5)
        assert (report.image.width, report.image.height) == (1280, 960)
        assert (report.runtime.backend, report.runtime.threads) == ("coreml", None)
        assert len(report.phases.execute.samples_ms) == 6
        plan = report.compute_plan
        assert plan is not None
        assert (plan.requested, plan.cpu, plan.gpu, plan.neural_engine) == ("cpu_and_ne", 2, 0, 3)
        assert plan.operators[1] == PlannedOperator(
            operator="ios17.conv",
            output="conv_2",
            unit="neural_engine",
            supported=("cpu", "neural_engine"),
            cost=0.25,
        )
        text = "3 on the Neural Engine, 0 on the GPU, 2 on the CPU (allowed: cpu_and_ne)"
        assert str(plan) == text
    shutil.rmtree(folders[0] / LATENCY)
    refused = edgeform("profile", folders[0], *options, "--threads", 2)
    assert (refused.code, "Leave --threads out." in refused.err) == (2, True)
    assert not (folders[0] / LATENCY).exists()


def test_the_summary_to_paste_has_a_row_for_each_choice_of_units(
    on_a_mac: None,
    runner_here: None,
    packages: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCRIPTED_CORE_ML", "falls out")
    monkeypatch.setattr(summary, "ITERATIONS", 3)
    monkeypatch.setattr(summary, "UNITS", {"coreml": ["mac:cpu_and_ne"]})
    monkeypatch.setattr(summary, "ARTIFACTS", tmp_path)
    shutil.copytree(packages["pictures"], tmp_path / "mine")
    outcome = summary.run()
    assert isinstance(outcome, Result)
    golden = open_artifact(packages["pictures"])
    lower = measure(golden.logits("quantized")[:, 0], golden.logits("file")[:, 0])
    figures = f"{lower.sqnr_db:.4g} | {lower.top1_agreement:.4g}"
    assert f"| mine | mac:cpu_and_ne | {figures} | 12.5 |" in outcome.markdown
    assert "| 2, 0, 3 |" in outcome.markdown
    assert "- mine on mac:cpu_and_ne: wholeness: ios17.gather" in outcome.markdown
    (row,) = outcome.measured["rows"]
    assert [one["unit"] for one in row["plan"]["operators"]].count("neural_engine") == 2


def operator(*supported: str) -> PlannedOperator:
    content = {"operator": "o", "output": "x", "unit": "cpu", "supported": supported, "cost": None}
    return PlannedOperator.model_validate(content)


@pytest.mark.parametrize(
    ("taken", "fallen"),
    [("", 0), ("c", 0), ("n", 0), ("cnnc", 0), ("ncn", 1), ("cncgnc", 2), ("ccgc", 0)],
)
def test_an_operator_falls_out_between_those_that_the_accelerator_takes(
    taken: str, fallen: int
) -> None:
    names = {"c": ["cpu"], "g": ["cpu", "gpu"], "n": ["cpu", "gpu", "neural_engine"]}
    plan = ComputePlan.of("all", [operator(*names[letter]) for letter in taken])
    assert len(plan.fallen()) == fallen


@pytest.mark.skipif(sys.platform == "darwin", reason="the stand-in is for where this is no Mac")
def test_the_stand_in_has_coremltools_interface() -> None:
    """Each name that the stand-in has is in the installed coremltools, with the same parameters
    that it takes, or fields that it has.
    """
    import coremltools

    theirs: dict[str, Any] = {name: getattr(coremltools.models, name) for name in OF_MODELS}
    for name, module in theirs.items():
        for ours in vars(stand_in(name)).values():
            if inspect.isclass(ours) and ours.__module__ == f"of the stand-in {name}":
                assert_has(getattr(module, ours.__name__), ours)
    model = coremltools.models.MLModel
    assert {"model", "compute_units"} <= set(inspect.signature(model).parameters)
    assert isinstance(model.load_duration_in_nano_seconds, property)
    assert not set(inspect.signature(model.get_compiled_model_path).parameters) - {"self"}
    assert "data" in inspect.signature(model.predict).parameters
    units = {unit.name for unit in coremltools.ComputeUnit}
    assert units == {"ALL", "CPU_AND_GPU", "CPU_ONLY", "CPU_AND_NE"}


def stand_in(name: str) -> ModuleType:
    """A module of the stand-in under another name, beside the real package."""
    path = STAND_IN / "coremltools" / "models" / f"{name}.py"
    spec = spec_from_file_location(f"of the stand-in {name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def assert_has(theirs: type, ours: type) -> None:
    if dataclasses.is_dataclass(ours):
        assert dataclasses.is_dataclass(theirs), ours
        fields = {field.name for field in dataclasses.fields(theirs)}
        assert {field.name for field in dataclasses.fields(ours)} <= fields, ours
        return
    for name, method in vars(ours).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            parameters = inspect.signature(getattr(theirs, name)).parameters
            assert set(inspect.signature(method).parameters) <= set(parameters), name
        elif isinstance(method, classmethod):
            parameters = inspect.signature(getattr(theirs, name)).parameters
            assert set(inspect.signature(getattr(ours, name)).parameters) <= set(parameters), name


@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML itself is on a Mac alone")
@pytest.mark.parametrize("kind", ["pictures", "tensors"])
def test_core_ml_itself_passes(
    kind: str, packages: dict[str, Path], edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", packages[kind], "--runner", "mac", "--json")
    assert ran.code == 0, ran.err
    assert {hop["runner"] for hop in ran.document["hops"]} >= {"mac"}
    measured = edgeform("profile", packages[kind], "--runner", "mac", "--iterations", 3, "--json")
    assert measured.code == 0, measured.err
