"""The wheel in an environment of its own, outside the checkout.

The environment's packages are this one's, by a path: only edgeform comes from the wheel.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge_models", "quantize", "export_targets")
FROM_PYTHON = """
import edgeform, json
checked = edgeform.verify("digits")
print(json.dumps({"at": edgeform.__file__, "hops": [hop.name for hop in checked.report.hops]}))
"""


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"  # a build leaves its own files beside them
    for name in PACKAGES:
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("edgeform.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", folder)
    built = run(sys.executable, "-m", "pip", "wheel", *options, sources, cwd=folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("edgeform-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Path:
    """The scripts' folder of a new environment that has the wheel."""
    home = wheel.parent / "environment"
    made = run(sys.executable, "-m", "venv", "--without-pip", home, cwd=wheel.parent)
    assert made.returncode == 0, made.stderr
    options = ("--no-deps", "--no-index", "--quiet")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install", *options, wheel)
    installed = run(*pip, cwd=wheel.parent)
    assert installed.returncode == 0, installed.stderr
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return home / "bin"


def test_the_wheel_holds_what_it_needs_and_no_more(wheel: Path) -> None:
    held = {Path(name).parts[0] for name in zipfile.ZipFile(wheel).namelist()}
    own = {name for name in held if not name.endswith(".dist-info")}
    assert own == {"edgeform.py", *PACKAGES}


def test_it_builds_and_verifies_outside_the_checkout(environment: Path, tmp_path: Path) -> None:
    arguments = ("digits_cotnet_simple", "--target", "xnnpack", "--recipe", "fp32")
    built = run(environment / "edgeform", "build", *arguments, "--out", "digits", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    checked = run(environment / "python", "-c", FROM_PYTHON, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    said = json.loads(checked.stdout)
    assert Path(said["at"]).is_relative_to(environment.parent)
    assert said["hops"] == ["edge", "lower", "chain"]


def test_what_needs_the_checkout_says_so(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "edgeform", "doctor", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "in a checkout" in " ".join(said.stdout.split())
