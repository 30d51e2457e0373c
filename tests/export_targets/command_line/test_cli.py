"""The command line: exit codes, what it says about bad input, and its JSON documents."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from edge_models.catalog import model_specs
from export_targets.command_line import cli, console, doctor
from export_targets.target import all_targets, recipes_of
from quantize.recipe import all_recipes
from tests.conftest import SMALL, Built, EdgeformInProcess, Ran, in_own_process

pytestmark = pytest.mark.usefixtures("runner_here")

ROOT = Path(cli.__file__).parent.parent.parent
BUILD = ("build", SMALL, "--target", "xnnpack")
COMMANDS = [
    "adapt",
    "list",
    "build",
    "verify",
    "profile",
    "evaluate",
    "classify",
    "sensitivity",
    "tune",
    "matrix",
    "report",
    "doctor",
    "demo",
]
# arguments, what must be named, what the remedy must offer
BAD: dict[str, tuple[tuple[str, ...], str, list[str]]] = {
    "model": (("build", "resnet", "--target", "xnnpack"), "'resnet'", list(model_specs())),
    "target": (("build", SMALL, "--target", "abacus"), "'abacus'", list(all_targets())),
    "recipe": ((*BUILD, "--recipe", "int3"), "'int3'", list(all_recipes())),
    "size a word": ((*BUILD, "--size", "big"), "'big'", ["224x320"]),
    "size of three": ((*BUILD, "--size", "1x2x3"), "'1x2x3'", ["224x320"]),
    "size empty": ((*BUILD, "--size", ""), "''", ["224x320"]),
    "size in other digits": ((*BUILD, "--size", "٦٤"), "'٦٤'", ["224x320"]),
    "size negative": ((*BUILD, "--size=-64"), "'-64'", ["224x320"]),
    "size not a multiple": ((*BUILD, "--size", "64x65"), "64x65", ["32"]),
    "size of 5000 digits": ((*BUILD, "--size", "9" * 5000), "999", ["224x320"]),
    "size too large": ((*BUILD, "--size", "96000"), "96000x96000", ["at most"]),
    "mean of two": ((*BUILD, "--mean", "0.5,0.5"), "'0.5,0.5'", ["R,G,B"]),
    "mean a word": ((*BUILD, "--mean", "grey"), "'grey'", ["R,G,B"]),
    "mean of pixels": ((*BUILD, "--mean", "123.7,116.3,103.5"), "123.7", ["255"]),
    "mean not a number": ((*BUILD, "--mean", "nan,0,0"), "nan", ["255"]),
    "std zero": ((*BUILD, "--std", "0.5,0,0.5"), "0.0", ["above zero"]),
    "crop of pixels": ((*BUILD, "--crop", "224"), "224.0", ["224 / 256"]),
    "crop zero": ((*BUILD, "--crop", "0"), "0.0", ["224 / 256"]),
    "interpolation": ((*BUILD, "--interpolation", "lanczos"), "'lanczos'", ["bicubic"]),
    "batch too large": ((*BUILD, "--batch", "999999"), "batch of 999999", ["at most"]),
    "batch of more images than there are": (
        (*BUILD, "--recipe", "fp32", "--batch", "460"),
        "450 golden images",
        ["--batch"],
    ),
    "seed negative": ((*BUILD, "--seed=-1"), "'--seed'", ["--help"]),
    "seed too large": ((*BUILD, "--seed", "9" * 30), "'--seed'", ["--help"]),
    "samples too many": ((*BUILD, "--calibration-samples", "99999"), "samples'", ["--help"]),
    "out the root": ((*BUILD, "--out", "/"), "/", ["--out"]),
    "out not a possible name": ((*BUILD, "--out", "n" * 300), "nnn", ["Check the path"]),
    "out in no file system": ((*BUILD, "--out", "/proc/artifact"), "/proc", ["Check the path"]),
    "out below a file": ((*BUILD, "--out", f"{__file__}/artifact"), __file__, ["Check the path"]),
    "out here": ((*BUILD, "--out", "."), "not an artifact", ["--out"]),
    "labels no file": ((*BUILD, "--labels", "/dev/zero"), "/dev/zero", ["text file"]),
    "artifact not a name": (("verify", "\udcff[/b]"), "[/b]", ["path"]),
    "size zero": ((*BUILD, "--size", "0"), "0x0", ["32"]),
    "form": ((*BUILD, "--form", "round"), "'round'", ["edge", "published"]),
    "heads": ((*BUILD, "--heads", "three"), "'three'", ["mean", "both"]),
    "heads of one": ((*BUILD, "--heads", "both"), "one head", ["--heads"]),
    "checkpoint absent": ((*BUILD, "--checkpoint", "none.pth"), "none.pth", ["path"]),
    "no checkpoint": ((*BUILD, "--checkpoint", __file__), "neither a safetensors", ["save it"]),
    "labels absent": ((*BUILD, "--labels", "none.txt"), "none.txt", ["text file"]),
    "calibration absent": ((*BUILD, "--calibration", "none"), "none", ["synthetic"]),
    "no calibration": (
        ("build", "cotnet50_simple", "--target", "xnnpack", "--recipe", "int8"),
        "int8",
        ["--calibration DIR", "synthetic", "int8_dynamic needs none"],
    ),
    "batch": ((*BUILD, "--batch", "0"), "'--batch'", ["--help"]),
    "samples": ((*BUILD, "--calibration-samples", "0"), "'--calibration-samples'", ["--help"]),
    "no target": (("build", SMALL), "--target", ["xnnpack: ", "coreml: "]),
    "unknown option": ((*BUILD, "--fast"), "--fast", ["--help"]),
    "unknown command": (("sell",), "'sell'", ["--help"]),
    "list all": (("list", "all"), "'all'", ["models", "recipes", "targets"]),
    "list": (("list", "shoes"), "'shoes'", ["models", "recipes", "targets"]),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_with_a_remedy_and_exits_with_2(
    name: str, edgeform: EdgeformInProcess
) -> None:
    arguments, offender, remedies = BAD[name]
    ran = edgeform(*arguments)
    assert ran.code == 2
    what, remedy = ran.err.strip().splitlines()[-2:]  # after the progress
    assert offender in what
    assert all(word in remedy for word in remedies)
    assert ran.out == ""
    assert not Path("artifacts").exists()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_with_json_is_one_document(name: str, edgeform: EdgeformInProcess) -> None:
    arguments, offender, _ = BAD[name]
    ran = edgeform(*arguments, "--json")
    assert ran.code == 2
    assert set(ran.document["error"]) == {"what", "remedy"}
    assert offender in ran.document["error"]["what"]


def test_labels_of_another_count_are_refused(edgeform: EdgeformInProcess) -> None:
    Path("names.txt").write_text("one\ntwo\n", encoding="utf-8")
    ran = edgeform(*BUILD, "--labels", "names.txt")
    assert ran.code == 2
    assert "2 lines" in ran.err
    assert "10 classes" in ran.err


@pytest.mark.parametrize("target", all_targets())
@pytest.mark.parametrize("recipe", all_recipes())
def test_a_pair_that_a_target_cannot_do_is_refused_with_those_it_can(
    target: str, recipe: str, edgeform: EdgeformInProcess
) -> None:
    able = recipes_of(all_targets()[target])
    if recipe in able:
        assert recipe in all_targets()[target].gates
        return
    ran = edgeform("build", SMALL, "--target", target, "--recipe", recipe)
    assert ran.code == 2
    assert all(name in ran.err for name in (target, recipe, *able))


@pytest.mark.parametrize("kind", ["models", "recipes", "targets"])
def test_list_prints_the_catalog(kind: str, edgeform: EdgeformInProcess) -> None:
    catalogs = {
        "models": list(model_specs()),
        "recipes": list(all_recipes()),
        "targets": list(all_targets()),
    }
    rows = edgeform("list", kind, "--json").document
    assert [row["name"] for row in rows] == catalogs[kind]
    table = edgeform("list", kind)
    assert table.code == 0
    assert all(name in table.out for name in catalogs[kind])


def test_list_prints_all_catalogs_and_what_each_target_can_do(edgeform: EdgeformInProcess) -> None:
    document = edgeform("list", "--json").document
    assert list(document) == ["models", "recipes", "targets"]
    for row in document["targets"]:
        assert row["recipes"].split(", ") == recipes_of(all_targets()[row["name"]])
        assert row["default"] in row["recipes"].split(", ")


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_an_interrupted_command_exits_with_130(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "diagnose", interrupted)
    ran = edgeform("doctor", *arguments)
    assert ran.code == 130
    assert "Interrupted." in (ran.document["error"]["what"] if arguments else ran.err)


def test_verify_prints_the_report(built: Built, edgeform: EdgeformInProcess) -> None:
    document = edgeform("verify", built().folder, "--json").document
    assert set(document) == {"schema_version", "artifact", "inputs", "hops"}
    hop = document["hops"][0]
    fields = "name from to runner samples sqnr_db median_sqnr_db worst_sqnr_db max_abs cosine"
    fields += " top1_agreement agreement_interval constant_agreement gate status why tensors"
    assert list(hop) == fields.split()
    assert "passed" in edgeform("verify", built().folder).out


def test_evaluate_prints_the_report(
    built: Built, digit_folders: Path, edgeform: EdgeformInProcess
) -> None:
    command = ("evaluate", built().folder, "--images", digit_folders, "--limit", "10")
    document = edgeform(*command, "--json").document
    assert document["samples"] == 10
    assert [row["program"] for row in document["programs"]] == ["reference", "file"]
    assert set(document["programs"][0]) == {"program", "top1", "top5", "agreement"}
    assert "agreement" in edgeform(*command).out


def test_evaluate_refuses_a_folder_without_classes(
    built: Built, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("evaluate", built().folder, "--images", tmp_path)
    assert ran.code == 2
    assert "no labelled images" in ran.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command(command: str, edgeform: EdgeformInProcess) -> None:
    ran = edgeform(command, "--help")
    assert ran.code == 0
    assert "--json" in ran.out
    assert "--debug" in ran.out


def test_no_other_command_is_there() -> None:
    assert sorted(get_command(cli.app).commands) == sorted(COMMANDS)  # type: ignore[attr-defined]


def test_help_needs_no_command(edgeform: EdgeformInProcess) -> None:
    assert edgeform("--help").code == 0


@pytest.mark.parametrize("debug", [False, True])
def test_a_traceback_is_shown_only_with_debug(debug: bool) -> None:
    ran = in_own_process("list", "shoes", *(["--debug"] if debug else []))
    assert ran.code == 2
    assert ("Traceback" in ran.err) == debug
    assert "There is no list of 'shoes'." in ran.err


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--debug",)])
def test_a_fault_of_the_program_shows_no_traceback_either(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a second\nline")

    monkeypatch.setattr(doctor, "diagnose", broken)
    monkeypatch.setattr(sys, "argv", ["edgeform", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert ended.value.code == 3
    assert ("Traceback" in printed.err) == ("--debug" in arguments)
    if "--json" in arguments:
        error = {"what": "ZeroDivisionError: a second", "remedy": console.FAULT}
        assert json.loads(printed.out) == {"error": error}
    else:
        assert printed.err.endswith(f"ZeroDivisionError: a second\n{console.FAULT}\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
    ids=["Python", "torch"],
)
def test_a_lack_of_memory_is_called_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def greedy() -> Any:
        raise error

    monkeypatch.setattr(doctor, "diagnose", greedy)
    ran = edgeform("doctor")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "There is not enough memory.")


def test_the_version_is_that_of_the_package(edgeform: EdgeformInProcess) -> None:
    ran = edgeform("--version")
    assert (ran.code, ran.out) == (0, f"edgeform {version('edgeform')}\n")


def in_shell(command: str) -> Ran:
    """A line of shell, in which ``edgeform`` is this command line."""
    program = f'edgeform() {{ "{sys.executable}" -m export_targets "$@"; }}; {command}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_a_closed_stdout_is_named_before_anything_is_done() -> None:
    ran = in_shell("edgeform list recipes >&-")
    assert (ran.code, len(ran.err.splitlines())) == (2, 2)
    assert "Stdout is closed" in ran.err


def test_a_closed_stderr_is_no_reason_to_stop() -> None:
    ran = in_shell("edgeform list recipes 2>&-")
    assert ran.code == 0
    assert "int8_mixed" in ran.out


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    ran = in_shell(
        f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; edgeform list"
    )
    assert ran.code == 2
    assert ran.err.splitlines()[-2:] == [
        "The working directory no longer exists.",
        "Change to another: cd DIRECTORY.",
    ]


def test_the_installed_program_is_this_command_line() -> None:
    (script,) = entry_points(group="console_scripts", name="edgeform")
    assert script.load() is cli.main
    assert Path(sys.executable).with_name("edgeform").is_file()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("edgeform build digits_cotnet --target coreml", ["coreml", "coreml_pte"]),
        (
            "edgeform build digits_cotnet --recipe palettized",
            ["palettized_4bit", "palettized_6bit", "palettized_mixed"],
        ),
        ("edgeform prof", ["profile"]),
    ],
)
def test_a_shell_completes_names(words: str, names: list[str]) -> None:
    program = "import sys; sys.argv = ['edgeform']; from export_targets.command_line import cli; "
    asked = {"_EDGEFORM_COMPLETE": "complete_bash", "COMP_WORDS": words}
    asked["COMP_CWORD"] = str(len(words.split()) - 1)
    ran = subprocess.run(
        [sys.executable, "-c", program + "cli.main()"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == names, ran.stderr
