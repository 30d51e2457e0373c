"""The C++ runner of ``apps/linux``, built with sanitizers, against the Python side."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import read_report
from export_targets.runners.bridges import cpp_build as linux_runner
from tests.apps.conftest import ARM, X86, Runner, needs_runner
from tests.apps.golden import with_tensors
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.made_up import edit, sign_again

EMBED_LINES = 550  # what an app's author reads and copies

pytestmark = needs_runner


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_the_self_test_passes(recipe: str, built: Built, runner: Runner) -> None:
    ran = runner("selftest", built(recipe=recipe).folder)
    assert ran.code == 0, ran.err
    assert "16 samples, SQNR 200.0 dB" in ran.out
    assert ran.out.endswith("passed\n")


def test_both_heads_and_a_batch_run(built: Built, runner: Runner) -> None:
    folder = built("digits_conformer", heads="both", batch=2).folder
    ran = runner("selftest", folder)
    assert (ran.code, "SQNR 200.0 dB" in ran.out) == (0, True), ran.err
    assert runner("classify", folder, folder / "golden/image_0_0.png").code == 0


def test_tensors_are_judged_each_on_its_own_and_name_no_class(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    path = folder / artifact.MANIFEST
    changed = with_tensors(json.loads(path.read_text(encoding="utf-8")), {"a": [1, 4], "b": [6]})
    path.write_text(json.dumps(changed), encoding="utf-8")
    ran = runner("selftest", folder)
    assert ran.code == 0, ran.err
    assert "a: SQNR 200.0 dB (at least 40), b: SQNR 200.0 dB (at least 40): passed" in ran.out
    measured = runner("bench", folder, "--iterations", 2, "--out", folder / "report.json")
    assert measured.code == 0, measured.err
    refused = runner("classify", folder, folder / artifact.GOLDEN / "image_0.png")
    assert refused.code == 2
    assert "gives tensors, not logits of classes" in refused.err
    expected = folder / artifact.GOLDEN / "expected_3.f32"
    off = np.fromfile(expected, "<f4")
    off[9] += 1
    off.tofile(expected)
    sign_again(folder)
    ran = runner("selftest", folder)
    assert ran.code == 1
    assert re.search(r"a: SQNR 200\.0 dB .*, b: SQNR [0-9]{1,2}\.[0-9] dB .*: FAILED", ran.out)


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_self_test_below_its_mark_fails(
    value: float, built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    path = folder / artifact.GOLDEN / "expected_3.f32"
    (np.fromfile(path, "<f4") + np.float32(value)).tofile(path)
    sign_again(folder)
    ran = runner("selftest", folder)
    assert (ran.code, ran.out[-7:]) == (1, "FAILED\n")


def test_an_image_is_classified_as_the_python_side_does(built: Built, runner: Runner) -> None:
    folder = built().folder
    opened = open_artifact(folder)
    logits = opened.logits("file")[:, 0].softmax(-1)
    for sample in range(3):
        ran = runner("classify", folder, folder / artifact.GOLDEN / f"image_{sample}.png")
        assert ran.code == 0, ran.err
        probabilities, classes = logits[sample].topk(5)
        found = [line.split() for line in ran.out.splitlines()]
        assert [line[2] for line in found] == [opened.labels()[c] for c in classes]
        assert [float(line[0]) / 100 for line in found] == pytest.approx(
            probabilities.tolist(), abs=1e-4
        )


def test_the_threads_do_not_change_under_a_model(
    binary: Path, built: Built, copied: Copied, tmp_path: Path
) -> None:
    """In a program of somebody else's that copied ``embed``."""
    damaged = copied(built().folder)
    model = open_artifact(damaged).model
    model.write_bytes(model.read_bytes()[::-1])
    sign_again(damaged)
    options = {
        "RUNNER": linux_runner.SOURCE,
        "EMBED": binary.parent / "libedgeform-embed.a",
        "executorch_DIR": linux_runner.sdk(X86),
    }
    source = Path(__file__).parent / "embedding"
    configure = ["cmake", f"-S{source}", f"-B{tmp_path}"]
    configure += [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    command = [str(tmp_path / "embedding"), str(built().folder), str(damaged)]
    ran = subprocess.run(
        command, capture_output=True, errors="replace", check=False, timeout=120
    )  # the runtime prints what it finds in a damaged file
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_benchmark_gives_a_report_that_is_taken(
    built: Built, copied: Copied, runner: Runner, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    folder, path = copied(built().folder), tmp_path / "report.json"
    options = ["--iterations", 7, "--warmup", 2, "--threads", 1, "--out", path]
    ran = runner("bench", folder, *options)
    assert ran.code == 0, ran.err
    report = read_report(path)
    assert (report.runner, report.iterations, report.warmup) == (X86, 7, 2)
    assert (report.runtime.threads, report.image.width, report.image.height) == (1, 1280, 960)
    assert edgeform("profile", folder, "--import", path).code == 0


@pytest.mark.usefixtures("in_place")
def test_verify_takes_the_runner_and_adds_its_hop(
    built: Built, edgeform: EdgeformInProcess, digit_folders: Path
) -> None:
    folder = built(recipe="int8").folder
    for images in ([], ["--images", digit_folders / "3"]):
        ran = edgeform("verify", folder, "--runner", X86, *images, "--json")
        assert ran.code == 0, ran.err
        hop = ran.document["hops"][-1]
        assert (hop["name"], hop["runner"], hop["sqnr_db"]) == ("device", X86, 200.0)
        assert hop["samples"] >= 16


@pytest.mark.usefixtures("in_place")
def test_profile_takes_the_runner(
    built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    ran = edgeform("profile", folder, "--runner", X86, "--iterations", 6, "--json")
    assert ran.code == 0, ran.err
    (report,) = ran.document["latency"]
    assert (report["runner"], report["iterations"], report["operators"]) == (X86, 6, None)
    assert (folder / "latency/x86-64-1.json").is_file()


def test_a_runner_that_is_not_built_says_how(
    built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linux_runner, "BINARIES", tmp_path)
    for name, target in ((X86, "make runner"), (ARM, "make runner-arm64")):
        ran = edgeform("verify", built().folder, "--runner", name)
        assert (ran.code, ran.err.splitlines()[-1]) == (2, target)


def test_a_model_of_another_input_or_output_is_refused(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    edit(folder, lambda content: content["output"].update(heads="both"))
    assert (
        "another output than its manifest"
        in runner("classify", folder, folder / "golden/image_0.png").err
    )
    edit(folder, lambda content: content["output"].update(heads="mean"))
    edit(folder, lambda content: content["input"].update(shape=[1, 3, 32, 32]))
    edit(folder, lambda content: content["input"]["resize"].update(crop=[32, 32]))
    assert (
        "another input than its manifest"
        in runner("classify", folder, folder / "golden/image_0.png").err
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("selftest",),
        ("selftest", "/no such"),
        ("dance", "A"),
        ("selftest", "A", "more"),
        ("selftest", "A", "--threads"),
        ("selftest", "A", "--threads", "-1"),
        ("selftest", "A", "--threads", "1x"),
        ("selftest", "A", "--surprise", "1"),
        ("bench", "A"),
        ("bench", "A", "--out", "/no such/report.json"),
        ("logits", "A", "A/manifest.json", "out"),
        ("classify", "A", "/no such"),
    ],
    ids=str,
)
def test_wrong_arguments_end_with_2(
    arguments: tuple[str, ...], built: Built, runner: Runner
) -> None:
    folder = str(built().folder)
    ran = runner(*(word.replace("A", folder) if word[:1] == "A" else word for word in arguments))
    assert ran.code == 2
    assert len(ran.err.splitlines()) >= 2


def test_what_an_app_copies_is_short_and_includes_nothing_of_the_runner() -> None:
    files = list((linux_runner.SOURCE / "embed").iterdir())
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert set(re.findall(r'#include "(.+)"', text)) <= {path.name for path in files}
    libraries = {name.split("/")[0] for name in re.findall(r"#include <(.+/.+)>", text)}
    assert libraries == {"executorch", "nlohmann"}
    assert len(text.splitlines()) <= EMBED_LINES
