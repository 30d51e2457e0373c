"""What ``tune`` is given reaches its builds, as ``build`` takes it."""

from pathlib import Path
from typing import Any

import pytest
import typer

from export_targets.command_line.cli import app
from export_targets.command_line.tune import asked
from export_targets.tune.asked import Asked
from export_targets.tune.options import build_options

COMMANDS: Any = typer.main.get_command(app)
OWN = (
    *("model", "targets", "recipes", "agreements", "images", "at_least", "out", "force"),
    *("runner", "compute_units", "threads", "workers", "as_json", "debug"),
)
GIVEN = {
    "checkpoint": "june.pth",
    "weights": "ema",
    "strict": True,
    "calibration": "photographs",
    "calibration_samples": 64,
    "no_golden_images": True,
    "size": "64x96",
    "batch": 2,
    "mean": "0.5,0.5,0.5",
    "std": "0.2,0.2,0.2",
    "crop": 0.9,
    "interpolation": "bicubic",
    "resize": "crop",
    "labels": "labels.txt",
    "heads": "both",
    "seed": 7,
    "input_kind": "tensor",
    "output": "logits",
    "minimum_deployment": "iOS18",
}
HEAD = ["cotnet50", "--target", "coreml", "--out", "out", "--at-least", "0.98"]


def read(*arguments: str) -> Asked:
    return asked(COMMANDS.commands["tune"].make_context("tune", [*HEAD, *arguments]).params)


def options_of(command: str) -> dict[str, str]:
    return {one.name: one.opts[0] for one in COMMANDS.commands[command].params}


def test_what_is_given_is_what_each_build_is_asked_for() -> None:
    names = options_of("build")
    words = [
        word
        for name, value in GIVEN.items()
        for word in ([names[name]] if value is True else [names[name], str(value)])
    ]
    found = read(*words)
    given = [w for name, v in build_options(found.request).items() for w in (f"--{name}", v) if w]
    build = COMMANDS.commands["build"].make_context("build", ["cotnet50", *given]).params
    assert {name: build[name] for name in GIVEN} == GIVEN | {
        "checkpoint": Path("june.pth"),
        "labels": Path("labels.txt"),
    }
    request = found.request
    assert (request.size, request.batch, request.heads, request.seed) == ((64, 96), 2, "both", 7)
    assert (request.strict, request.golden_images, request.crop) == (True, False, 0.9)
    assert request.options == {
        "input": "tensor",
        "output": "logits",
        "minimum-deployment": "iOS18",
    }


def test_nothing_else_is_given_to_a_build() -> None:
    own = ["--agreement", "0.98", "--recipe", "int8", "--images", "more", "--threads", "1"]
    found = read(*own, "--workers", "1", "--force", "--runner", "adb")
    assert build_options(found.request) == {}
    assert (found.agreements, found.recipes, found.targets) == ((0.98,), ("int8",), ("coreml",))
    assert (found.runner, found.threads, found.request.images) == ("adb", 1, Path("more"))


def test_every_argument_of_a_build_is_one_of_builds() -> None:
    """None is forgotten in this test, and none is called otherwise than ``build`` calls it."""
    tune = {name: option for name, option in options_of("tune").items() if name not in OWN}
    assert tune.keys() == GIVEN.keys()
    assert tune.items() <= options_of("build").items()


def test_without_a_target_they_are_listed() -> None:
    with pytest.raises(Exception, match="--target is missing"):
        asked(COMMANDS.commands["tune"].make_context("tune", ["cotnet50", *HEAD[3:]]).params)
