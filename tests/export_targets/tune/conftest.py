"""A tune that was run once, in two steps, with every command that it gave to a process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from export_targets.matrix import cell as cells
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from export_targets.runner import all_runners
from export_targets.tune.asked import Asked
from export_targets.tune.run import Tuned, tune
from tests.conftest import SMALL, run_here

ASKED = 0.97


@dataclass(frozen=True)
class Run:
    """What came of the whole, and the builds of each of its steps."""

    tuned: Tuned
    asked: Asked
    builds: list[list[str]]


def asked(out: Path, **changes: Any) -> Asked:
    content: dict[str, Any] = {
        "request": BuildRequest(SMALL, "xnnpack", out=out),
        "targets": ("xnnpack",),
        "recipes": ("fp32", "int8"),
        "agreements": (ASKED,),
        "at_least": ASKED,
        "workers": 1,
    }
    return Asked(**{**content, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """First FP32 alone, as a tune that was stopped then; after that all that was asked for."""
    whole, builds = asked(tmp_path_factory.mktemp("tune") / "mine"), [list[str](), list[str]()]
    command = cells._command
    with pytest.MonkeyPatch.context() as patch:
        untraced(patch)
        for step, one in enumerate([replace(whole, recipes=("fp32",), agreements=()), whole]):

            def watched(arguments: list[str], threads: int, step: int = step) -> cells._Ran:
                builds[step].append(Path(arguments[arguments.index("--out") + 1]).name)
                return command(arguments, threads)

            patch.setattr(cells, "_command", watched)
            tuned = tune(one, silent_reporter())
    return Run(tuned, whole, builds)


@pytest.fixture
def again(run: Run, tmp_path: Path, copied: Callable[[Path], Path]) -> Asked:
    """The same tune in a copy of its folder, where nothing may be built."""
    place = tmp_path / "mine"
    copied(run.tuned.work).rename(tmp_path / "mine.tune")
    copied(run.asked.request.out).rename(place)
    return replace(run.asked, request=replace(run.asked.request, out=place))


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("it was built again")

    monkeypatch.setattr(cells, "_command", refuse)


def untraced(patch: pytest.MonkeyPatch) -> None:
    """Runs in this process, and times without a trace of operators."""
    run_here(patch)
    patch.setitem(all_runners(), "host", replace(all_runners()["host"], trace=None))
