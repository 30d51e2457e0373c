"""One model, recipe, target and runner more: a few files each, as CONTRIBUTING says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge_models", "quantize", "export_targets")
ADDED = {
    "edge_models/reference/abacus.py": """
from torch import Tensor, nn
from torch.nn import functional as F


class Abacus(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 8, stride=8)
        self.last = nn.Conv2d(16, num_classes, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.first(x))).flatten(1)
""",
    "edge_models/specs/abacus.py": """
from edge_models.spec import InputSpec, ModelSpec


def build(num_classes):
    from edge_models.reference.abacus import Abacus

    return Abacus(num_classes)


SPECS = (
    ModelSpec("abacus", "abacus", build, {"num_classes": 4}, lambda shapes: {},
              input=InputSpec(size=(64, 64))),
)
""",
    "edge_models/edge/abacus.py": """
def to_edge(reference, size, batch, heads, forms):
    return reference
""",
    "quantize/recipes/tally.py": """
from quantize.recipe import Recipe

RECIPE = Recipe(name="tally", summary="as fp32")
""",
    "export_targets/targets/papyrus.py": """
from dataclasses import replace

from export_targets.targets.xnnpack import FP32_GATES, TARGET as XNNPACK

TARGET = replace(XNNPACK, name="papyrus", runner="scribe", default_recipe="tally",
                 gates={"tally": FP32_GATES}, lowering="papyrus")
""",
    "export_targets/lowering/papyrus.py": """
from export_targets.lowering.xnnpack import inspect, lower, quantizer
""",
    "export_targets/runners/scribe.py": """
from dataclasses import replace

from export_targets.runners.host import RUNNER as HOST

RUNNER = replace(HOST, name="scribe", summary="as host")
""",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in ADDED.items():
        assert not (folder / name).exists()
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def edgeform(checkout: Path, *arguments: str) -> Any:
    """The JSON document of a command that must end well."""
    ran = subprocess.run(
        [sys.executable, "-m", "export_targets", *arguments, "--json"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return json.loads(ran.stdout)


def test_all_of_them_are_listed(checkout: Path) -> None:
    lists = edgeform(checkout, "list")
    assert {"abacus"} <= {row["name"] for row in lists["models"]}
    assert {"tally"} <= {row["name"] for row in lists["recipes"]}
    (papyrus,) = (row for row in lists["targets"] if row["name"] == "papyrus")
    assert "tally" in papyrus["recipes"]


def test_doctor_knows_the_target_and_its_runner(checkout: Path) -> None:
    rows = {row["target"]: row for row in edgeform(checkout, "doctor")["abilities"]}
    assert (rows["papyrus"]["build"], rows["papyrus"]["verify"]) == ("yes", "scribe")


def test_they_build_and_verify_together(checkout: Path) -> None:
    built = edgeform(checkout, "build", "abacus", "--target", "papyrus", "--out", "artifact")
    assert built["manifest"]["recipe"] == "tally"
    assert built["manifest"]["delegation"]["delegates"] == 1
    hops = edgeform(checkout, "verify", "artifact")["hops"]
    assert {hop["runner"] for hop in hops} == {"eager", "scribe"}
    assert all(hop["status"] == "passed" for hop in hops)


def test_an_old_model_goes_to_the_new_target(checkout: Path) -> None:
    arguments = ("--target", "papyrus", "--out", "old-model")
    assert edgeform(checkout, "build", "digits_cotnet_simple", *arguments)["parity"]
