"""What a command loads before it does anything: no library that it does not use."""

import json
import subprocess
import sys

import pytest

LOADED = """
import json, sys
from export_targets.command_line import cli
try:
    cli.main()
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""
HEAVY = {
    *("torch", "torchao", "executorch", "coremltools", "numpy", "scipy", "sklearn", "PIL"),
    *("matplotlib", "jinja2", "safetensors"),
}


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "build --help",
        "evaluate --help",
        "tune --help",
        "list",
        "list --json",
        "list models",
    ],
)
def test_a_command_that_computes_nothing_loads_no_heavy_library(arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert {"typer", "export_targets.command_line.cli"} <= loaded
    assert loaded & HEAVY == set()
