"""The self-test's formula: its golden cases against figures worked by hand, and C++ against them.

Kotlin reads the same cases in ``make android-test``, Swift in ``make ios-test``.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export_targets.runners.bridges import cpp_build as linux_runner
from tests.apps.golden import agreement, agreement_case, tensors_agreement, write_list


def test_the_definition_is_what_a_hand_computes() -> None:
    expected = np.array([[1, 0], [3, 0]], "f4").reshape(2, 1, 1, 2)
    # around its mean (2, 0) the reference has 1 + 1; the candidate is 0.1 off twice: 2 / 0.02
    actual = expected + np.array([0.1, 0], "f4")
    (head,) = agreement_case(expected, actual)["found"]
    assert head["sqnr_db"] == pytest.approx(20, abs=1e-5)
    assert (head["top1"], head["constant_agreement"], head["judged"]) == (1, 1, False)
    (head,) = agreement_case(expected, np.broadcast_to(expected.mean(0), expected.shape))["found"]
    assert head["sqnr_db"] == pytest.approx(0, abs=1e-9)


def test_the_cases_hold_every_outcome() -> None:
    cases = list(agreement())
    assert [case.get("refused") for case in cases if "refused" in case] == [
        "do not tell",
        "do not tell",
        "NaN",
    ]
    heads = [head for case in cases for head in case.get("found", [])]
    outcomes = {(head["judged"], head["passes"]) for head in heads}
    assert outcomes == {(True, True), (True, False), (False, True), (False, False)}
    far = next(case for case in cases if case["expected"][0][0] > 900)
    expected, actual = np.array(far["expected"]), np.array(far["actual"])
    plain = 10 * np.log10((expected**2).sum() / ((actual - expected) ** 2).sum())
    assert plain > 55
    assert 0 < far["found"][0]["sqnr_db"] < 10


def test_the_cases_of_tensors_hold_every_outcome() -> None:
    cases = list(tensors_agreement())
    assert [case["refused"] for case in cases if "refused" in case] == [
        "do not tell",
        "do not tell",
        "NaN",
    ]
    found = [[one["passes"] for one in case["found"]] for case in cases if "found" in case]
    assert [True, True, True] in found
    assert [True, False, True] in found  # the worst counts


@pytest.mark.skipif(
    shutil.which("g++") is None or not Path("/usr/include/nlohmann/json.hpp").is_file(),
    reason="needs g++ and nlohmann/json",
)
def test_cpp_finds_what_the_definition_says(tmp_path: Path) -> None:
    cases = [*agreement(), *tensors_agreement()]
    write_list(tmp_path, "agreement", iter(cases))
    program, source = tmp_path / "agreement", linux_runner.SOURCE
    command = [
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{source}",
        "-o",
        str(program),
    ]
    files = [Path(__file__).with_name("agreement_main.cpp"), source / "agreement.cpp"]
    subprocess.run([*command, *map(str, files)], check=True)
    ran = subprocess.run([program, tmp_path / "agreement.json"], check=True, capture_output=True)
    answers = json.loads(ran.stdout)
    assert len(answers) == len(cases) > 20
    for case, answer in zip(cases, answers, strict=True):
        if "refused" in case:
            assert case["refused"] in answer["refused"]
        else:
            for wanted, head in zip(case["found"], answer["found"], strict=True):
                assert head == pytest.approx(wanted, abs=1e-9)
