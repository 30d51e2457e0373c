"""What the runners of both phones share: what an app gets, and how its answer is awaited and read.

The apps' side is ``RemoteRuns.kt`` and ``RemoteRuns.swift``; ``apps/README.md`` has the protocol.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge_models.errors import InputError, RunnerError
from export_targets.artifact.folder import GOLDEN, MANIFEST, Artifact

LOOK_AT_IT = "See what the app shows on the phone, and try again."
GOLDEN_OF_APP = ("input", "expected", "image")  # what the app's own screens need of golden/
# A slow phone takes seconds to load a model, and the largest model some seconds a run.
SECONDS_TO_START, SECONDS_A_RUN = 120.0, 20.0
SECONDS_BETWEEN_LOOKS = 0.5
LOOKS_WITHOUT_PROCESS = 4  # after which the app is dead: its process starts after its intent


@dataclass(frozen=True)
class Look:
    """What is seen of a run on the phone: the texts of ``progress`` and ``done.json``, "" where
    they are not there yet, and whether the app lives.
    """

    progress: str
    done: str
    alive: bool


def copy_for_app(artifact: Artifact, folder: Path) -> None:
    """What the manifest deploys, and the golden files of the app's screens, into a new folder."""
    entries = artifact.manifest.files
    for path in [MANIFEST, *(e.path for e in entries if e.deploy or _shown(e.path))]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(artifact.folder / path, folder / path)


def write_inputs(folder: Path, inputs: Tensor) -> None:
    """Inputs (samples, B, 3, H, W) as ``input_<i>.f32`` of an existing folder."""
    for index, sample in enumerate(inputs):
        content = sample.numpy().astype("<f4").tobytes()
        (folder / f"input_{index}.f32").write_bytes(content)


def read_logits(folder: Path, artifact: Artifact, samples: int) -> Tensor:
    """Logits (samples, rows, classes) that the app left. Raises RunnerError where they are not."""
    shape = artifact.logits("file").shape[1:]
    return torch.stack([_logits(folder / f"logits_{index}.f32", shape) for index in range(samples)])


def wait(
    look: Callable[[], Look], steps: int, advance: Callable[[], None], crash: Callable[[], str]
) -> None:
    """Wait for the answer, calling ``advance`` after each of ``steps``. Raises InputError with what
    the app says was wrong, RunnerError where it crashes (``crash`` says how) or takes too long.
    """
    limit = SECONDS_TO_START + SECONDS_A_RUN * steps
    end = time.monotonic() + limit
    seen = absent = 0
    while time.monotonic() < end:
        said = look()
        for _ in range(seen, steps if said.done else _number(said.progress)):
            advance()
            seen += 1
        if said.done:
            return _judge(said.done)
        absent = 0 if said.alive else absent + 1
        if absent >= LOOKS_WITHOUT_PROCESS:
            raise RunnerError(f"the app crashed on the phone: {crash()}", LOOK_AT_IT)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise RunnerError(f"the app gave no answer within {limit:g} s", LOOK_AT_IT)


def _shown(path: str) -> bool:
    return path.startswith(tuple(f"{GOLDEN}/{kind}_" for kind in GOLDEN_OF_APP))


def _logits(path: Path, shape: torch.Size) -> Tensor:
    if not path.is_file() or path.stat().st_size != 4 * shape.numel():
        raise RunnerError(f"the app left no whole {path.name}", LOOK_AT_IT)
    return torch.from_numpy(np.fromfile(path, dtype="<f4")).reshape(shape)


def _number(progress: str) -> int:
    """The finished runs of "3/10"; 0 of anything else."""
    done = progress.partition("/")[0]
    return int(done) if done.isdecimal() else 0


def _judge(done: str) -> None:
    """Raise what the app's last word says went wrong."""
    try:
        answer = json.loads(done)
        problem = (str(answer["what"]), str(answer["remedy"])) if answer else None
    except (ValueError, KeyError, TypeError) as error:
        raise RunnerError(f"the app's answer cannot be read: {done[:200]}", LOOK_AT_IT) from error
    if problem is not None:
        raise InputError(f"On the phone: {problem[0]}", problem[1])
