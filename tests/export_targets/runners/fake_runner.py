"""A runner whose times are made up."""

import sys
from collections.abc import Mapping
from pathlib import Path

from export_targets.runner import Runner
from export_targets.runners import host

TIMES = Path(__file__).with_name("fake_times.py")


def fake_runner(milliseconds: Mapping[str, float], seconds: float = 0.0, what: str = "") -> Runner:
    """A runner named host whose execute time depends on the name of the artifact's folder."""

    def turns(folder: Path, threads: int, warmup: int) -> list[str]:
        times = [str(milliseconds[folder.name]), str(seconds), what]
        return [sys.executable, str(TIMES), *times]

    return Runner("host", "made up", host.run, turns=turns)
