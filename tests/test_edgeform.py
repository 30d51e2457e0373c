"""The public Python API: as quiet as an import can be, and the command line's work behind it."""

import subprocess
import sys
from pathlib import Path

import pytest

import edgeform
from edge_models.catalog import model_specs

SIDE_EFFECTS = """
import gc, logging, signal, sys, warnings
before = (gc.isenabled(), signal.getsignal(signal.SIGINT), list(warnings.filters),
          logging.getLogger().level, list(logging.getLogger().handlers), set(sys.modules))
import edgeform
after = (gc.isenabled(), signal.getsignal(signal.SIGINT), list(warnings.filters),
         logging.getLogger().level, list(logging.getLogger().handlers))
assert before[:-1] == after
heavy = {"torch", "executorch", "coremltools", "numpy"} & set(sys.modules)
assert not heavy, heavy
assert edgeform.InputError.__name__ == "InputError"
result = edgeform.build(edgeform.BuildRequest("digits_cotnet_simple", "xnnpack", recipe="fp32",
                                              out=sys.argv[1]))
assert gc.isenabled() and signal.getsignal(signal.SIGINT) == before[1]
assert logging.getLogger().level == before[3]
unused = {"coremltools", "sklearn", "matplotlib", "typer"} & set(sys.modules)
assert not unused, unused
print(result.folder)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """An artifact that a script built, and what the script printed."""
    out = tmp_path_factory.mktemp("api") / "digits"
    ran = subprocess.run(
        [sys.executable, "-c", SIDE_EFFECTS, str(out)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return out, ran.stdout, ran.stderr


def test_a_build_prints_nothing_and_changes_nothing(built: tuple[Path, str, str]) -> None:
    out, printed, errors = built
    assert printed == f"{out}\n"
    assert "Edge form" not in errors
    assert "edgeform" not in errors


def test_verify_evaluate_profile_and_report_take_paths_as_text(
    built: tuple[Path, str, str], digit_folders: Path, tmp_path: Path
) -> None:
    folder = str(built[0])
    checked = edgeform.verify(folder)
    assert checked.problems == ()
    assert {hop.name for hop in checked.report.hops} == {"edge", "lower", "chain"}
    accuracy = edgeform.evaluate(folder, str(digit_folders), limit=20)
    assert accuracy.programs[0].agreement == 1.0
    profiled = edgeform.profile([folder], iterations=20, warmup=1)
    assert isinstance(profiled.reports[0], edgeform.LatencyReport)
    page = edgeform.report([folder], str(tmp_path / "page.html"))
    assert page.stat().st_size > 10_000
    assert edgeform.open_artifact(folder).inputs().shape[1:] == (1, 3, 64, 64)


def test_bad_input_is_an_input_error_with_a_remedy() -> None:
    with pytest.raises(edgeform.InputError) as caught:
        edgeform.build(edgeform.BuildRequest("cotnet5", "xnnpack"))
    assert "cotnet5" in caught.value.what
    assert next(iter(model_specs())) in caught.value.what + caught.value.remedy


def test_every_name_of_the_api_is_there_and_no_other() -> None:
    assert [name for name in edgeform.__all__ if getattr(edgeform, name, None) is None] == []
    assert set(dir(edgeform)) == set(edgeform.__all__)
    with pytest.raises(AttributeError, match="no attribute 'export'"):
        _ = edgeform.export
