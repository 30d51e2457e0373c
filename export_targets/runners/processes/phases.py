"""The phases of an inference, timed in turns: preprocess, execute, postprocess and all of it."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edge_models.images import crops, normalize
from export_targets.artifact.folder import Artifact
from export_targets.runners.processes.measuring import answer
from export_targets.runners.processes.this_machine import this_device

TOP = 5
WIDTH, HEIGHT = 1280, 960


def measure_in_turns(
    artifact: Artifact,
    execute: Callable[[Tensor], Sequence[Tensor]],
    facts: Callable[[], Mapping[str, object]],
    warmup: int,
) -> None:
    """A child's side of ``Turns``: answer with the facts of a LatencyReport, those of the runtime
    asked for after the first inference, then with samples (samples, phases) in milliseconds.
    """
    contract, labels = artifact.manifest.input, artifact.labels()
    classifies = artifact.manifest.output.kind in ("logits", "class")
    images = [timing_image()] * contract.shape[0]

    def once() -> list[float]:
        begin = time.perf_counter()
        pixels = crops(images, contract.spec, contract.spec.size)
        by_caller = contract.normalization == "caller"
        inputs = normalize(pixels, contract.spec) if by_caller else pixels.float()
        ready = time.perf_counter()
        logits = execute(inputs)
        done = time.perf_counter()
        if classifies:
            top_classes(logits, labels)
        end = time.perf_counter()
        return [1e3 * t for t in (ready - begin, done - ready, end - done, end - begin)]

    first_ms = once()[1]
    for _ in range(warmup):
        once()
    answer(
        {
            "device": this_device().model_dump(mode="json"),
            "first_ms": first_ms,
            "image": {"width": images[0].width, "height": images[0].height},
            **facts(),
        }
    )
    for line in sys.stdin:
        once()
        answer([once() for _ in range(int(line))])
    answer({"peak_memory_bytes": peak_memory_bytes()})


def timing_image() -> Image.Image:
    """The decoded picture that every runner and app prepares: grey, (x + y) mod 256, of the size
    of a camera's preview. The time of a resize does not depend on what is in a picture.
    """
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return Image.fromarray(((x + y) % 256).astype(np.uint8)).convert("RGB")


def top_classes(logits: Sequence[Tensor], labels: Sequence[str]) -> list[list[tuple[str, float]]]:
    """The most probable classes of each row of logits (rows, classes): name and probability."""
    rows = []
    for row in torch.cat(list(logits)).softmax(-1):
        probabilities, classes = row.topk(min(TOP, len(row)))
        names = [labels[c] if labels else str(c) for c in classes.tolist()]
        rows.append(list(zip(names, probabilities.tolist(), strict=True)))
    return rows


def peak_memory_bytes() -> int:
    """The largest resident memory of this process so far: Python and torch are part of it."""
    if sys.platform == "linux":  # getrusage would count what the parent had when it forked
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
