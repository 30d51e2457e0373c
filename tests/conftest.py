"""What the tests share: artifacts built once a session, copies to damage, the command line."""

import fcntl
import hashlib
import importlib
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from export_targets import pipeline
from export_targets.artifact import folder as artifact
from export_targets.command_line import cli, console
from export_targets.interpret import mlpackage
from export_targets.pipeline import BuildResult
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from export_targets.runner import all_runners
from export_targets.runners import host, interpreter
from export_targets.target import DelegatedOperator, Lowered, Lowering, Target, all_targets
from export_targets.waiting_threads import POLICY
from tests.digit_images import write_digits

settings.register_profile("edgeform", max_examples=200, deadline=None, derandomize=True)
settings.load_profile("edgeform")
pytest.register_assert_rewrite("tests.export_targets.matrix")

SMALL = "digits_cotnet_simple"  # the model that lowers fastest
# Files that take minutes: begun last, one worker would wait for them alone.
BEGUN_FIRST = (
    "test_one_build.py",
    "test_real_size.py",
    "test_one_thing_more.py",
    "test_wheel.py",
    "test_planted_faults.py",
    "test_many_builds.py",
    "test_own_network.py",
)

REAL_RUNNERS = (host.RUNNER, *interpreter.RUNNER)

Built = Callable[..., BuildResult]
EdgeformInProcess = Callable[..., "Ran"]
Copied = Callable[[Path], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in BEGUN_FIRST)


@dataclass(frozen=True)
class Ran:
    """A finished command: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as one JSON document; fails where anything else stands there."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all of its worker processes see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def built(shared_folder: Path) -> Built:
    """Builds a request when a worker first asks for it; from then on all get the same result."""
    results: dict[BuildRequest, BuildResult] = {}

    def build(
        model: str = SMALL, target: str = "xnnpack", recipe: str = "fp32", **options: Any
    ) -> BuildResult:
        request = BuildRequest(model=model, target=target, recipe=recipe, **options)
        if request not in results:
            results[request] = _built_once(request, shared_folder)
        return results[request]

    return build


def _built_once(request: BuildRequest, folder: Path) -> BuildResult:
    digest = hashlib.sha256(repr(request).encode()).hexdigest()[:8]
    name = Path(request.model).name.replace(":", ".")  # also of a network of one's own
    place = folder / f"{name}-{request.target}-{request.recipe}-{digest}"
    place.mkdir(exist_ok=True)
    kept = place / "result.pickle"
    with locked(place), pytest.MonkeyPatch.context() as patch:
        # in processes of their own, as a user's, for the small model: a process takes seconds
        for runner in REAL_RUNNERS:  # also where a test has another
            patch.setitem(all_runners(), runner.name, runner)
        if request.model != SMALL:
            run_here(patch)
        if not kept.exists():
            request = replace(request, out=place / "artifact")
            kept.write_bytes(pickle.dumps(pipeline.build(request, silent_reporter())))
    result: BuildResult = pickle.loads(kept.read_bytes())
    return result


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """One worker process after the other."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def published(shared_folder: Path) -> Ran:
    """The published form of the small model, built by the program in a process of its own."""
    place = shared_folder / "published"
    place.mkdir(exist_ok=True)
    kept = place / "ran.pickle"
    with locked(place):
        if not kept.exists():
            options = ["--recipe", "fp32", "--form", "published", "--json"]
            options += ["--out", str(place / "artifact")]
            ran = in_own_process("build", SMALL, "--target", "xnnpack", *options)
            kept.write_bytes(pickle.dumps(ran))
    result: Ran = pickle.loads(kept.read_bytes())
    return result


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    """Copies an artifact to a place where it may be damaged."""

    def copy(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / f"copy of {folder.name}"))

    return copy


@pytest.fixture(scope="session")
def digit_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The held-out digits as ``<class>/held_out-<number>.png``."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, "held_out")
    return folder


@pytest.fixture
def edgeform(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[EdgeformInProcess]:
    """Runs the command line in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edgeform", *(str(a) for a in arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        assert console.FAULT not in printed.out + printed.err
        return Ran(ended.value.code, printed.out, printed.err)

    levels = {name: logging.getLogger(name).level for name in console.CHATTY}
    policy = {POLICY: os.environ[POLICY]} if POLICY in os.environ else {}
    yield run
    os.environ.pop(POLICY, None)
    os.environ.update(policy)
    for name, level in levels.items():  # the program hides other libraries' log
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def runner_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runners' own code in this process: saves some seconds of imports for each run."""
    run_here(monkeypatch)


def run_here(patch: pytest.MonkeyPatch) -> None:
    """Put the runners' own code in this process in the place of each that starts one."""

    def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
        forward = host.load(model)
        return torch.stack([forward(sample) for sample in inputs])

    def interpret(
        table: dict[str, tuple[str, str]],
        model: Path,
        inputs: Tensor,
        advance: Callable[[], None],
    ) -> Tensor:
        module, _ = table[interpreter.kind_of(model)]
        forward = importlib.import_module(module).load(model)
        return torch.stack([forward(sample) for sample in inputs])

    patch.setitem(all_runners(), "host", replace(host.RUNNER, run=run))
    patch.setattr(mlpackage, "leave_converters_out", lambda: None)  # this process converts
    tables = (
        *(interpreter.INTERPRETERS, interpreter.EXACT_INTERPRETERS),
        *(interpreter.TOWARD_ZERO, interpreter.FLUSHED),
    )
    for runner, table in zip(interpreter.RUNNER, tables, strict=True):
        changed = replace(runner, run=partial(interpret, table))
        patch.setitem(all_runners(), runner.name, changed)


@pytest.fixture
def without_lowering(built: Built, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The target xnnpack, whose lowering copies the small model's saved FP32 file."""
    result = built()
    target = all_targets()["xnnpack"]
    rows = json.loads((result.folder / artifact.OPERATORS).read_text(encoding="utf-8"))
    lowered = Lowered(result.manifest.delegation, tuple(DelegatedOperator(**row) for row in rows))

    def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
        assert program is not None
        assert lowering.recipe.name == "fp32"
        shutil.copy(result.folder / target.file, path)
        return lowered

    monkeypatch.setattr(Target, "lower", lambda _, *given: lower(*given))
    return target


def in_own_process(*arguments: str, hash_seed: str = "0") -> Ran:
    """Runs the command line in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "export_targets", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    return Ran(done.returncode, done.stdout, done.stderr)
