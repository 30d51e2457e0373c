"""Measuring an artifact on the ExecuTorch runtime of this environment, each in its own process.

``python -m export_targets.runners.processes.host_measuring turns FOLDER THREADS WARMUP`` measures
in turns; ``... trace FOLDER THREADS INFERENCES`` answers with the runtime's event trace.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from edge_models.images import preprocess_all, read_image
from export_targets.artifact.folder import GOLDEN, Artifact, open_artifact
from export_targets.runner import Event
from export_targets.runners.processes.executorch_runtime import library, load_program
from export_targets.runners.processes.measuring import Turns, answer
from export_targets.runners.processes.this_machine import this_device

TOP = 5
DEFAULT_THREADS = 0  # the runtime's own choice


def turns_command(folder: Path, threads: int, warmup: int) -> list[str]:
    """The command of a process for ``Turns``."""
    options = [str(folder), str(threads), str(warmup)]
    return [sys.executable, "-m", __spec__.name, "turns", *options]


def trace(folder: Path, threads: int, inferences: int) -> list[Event]:
    """The events of some inferences of an artifact's first golden input, in their order."""
    options = [str(folder), str(threads), str(inferences)]
    command = [sys.executable, "-m", __spec__.name, "trace", *options]
    with Turns(command, f"the event trace of {folder.name}") as process:
        return [Event(name, tuple(times)) for name, times in process.ready]


def main() -> None:
    """The child process."""
    kind, folder, threads, count = sys.argv[1:]
    artifact = open_artifact(Path(folder))
    if int(threads) != DEFAULT_THREADS:
        _set_threads(int(threads))
    if kind == "trace":
        _trace(artifact, int(count))
    else:
        _measure_in_turns(artifact, int(count))


def _measure_in_turns(artifact: Artifact, warmup: int) -> None:
    execute, load_ms = _load(artifact)
    images = [read_image(path) for path in _image_paths(artifact)]
    spec = artifact.manifest.input.spec
    labels = artifact.labels()

    def once() -> list[float]:
        begin = time.perf_counter()
        inputs = preprocess_all(images, spec, spec.size)
        ready = time.perf_counter()
        logits = execute(inputs)
        done = time.perf_counter()
        top_classes(logits, labels)
        end = time.perf_counter()
        return [1e3 * t for t in (ready - begin, done - ready, end - done, end - begin)]

    first_ms = once()[1]
    for _ in range(warmup):
        once()
    answer(
        {
            "device": this_device().model_dump(mode="json"),
            "load_ms": load_ms,
            "first_ms": first_ms,
            "image": {"width": images[0].width, "height": images[0].height},
            "runtime": {
                "backend": artifact.manifest.target.name,
                "version": version("executorch"),
                "threads": _threads(),
            },
        }
    )
    for line in sys.stdin:
        once()
        answer([once() for _ in range(int(line))])
    answer({"peak_memory_bytes": peak_memory_bytes()})


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


def _image_paths(artifact: Artifact) -> list[Path]:
    batch = artifact.manifest.input.shape[0]
    names = ["image_0"] if batch == 1 else [f"image_0_{position}" for position in range(batch)]
    return [artifact.path(f"{GOLDEN}/{name}.png") for name in names]


def _load(artifact: Artifact) -> tuple[Callable[[Tensor], Sequence[Tensor]], float]:
    """The model as a function, and the milliseconds that loading it took."""
    library()  # what Python imports for it is not loading a model
    start = time.perf_counter()
    method = load_program(artifact.model).load_method("forward")
    return lambda inputs: method([inputs]), _since(start)


def _trace(artifact: Artifact, inferences: int) -> None:
    from executorch.devtools import Inspector

    program = load_program(artifact.model, trace=True)
    method = program.load_method("forward")
    image = artifact.inputs()[0]
    for _ in range(inferences):
        method([image])
    with tempfile.TemporaryDirectory() as temporary:
        written = str(Path(temporary, "trace.etdp"))
        program.write_etdump_result_to_file(written, f"{written}.debug")
        blocks = Inspector(etdump_path=written).event_blocks
    answer(
        [
            (event.name, [float(value) for value in event.perf_data.raw])
            for block in blocks
            for event in block.events
            if event.perf_data is not None
        ]
    )


def _set_threads(threads: int) -> None:
    """Give ExecuTorch's thread pool, one for the process, a number of threads."""
    library()._unsafe_reset_threadpool(threads)
    if _threads() != threads:
        raise SystemExit(f"ExecuTorch runs on {_threads()} threads, not on {threads}")


def _threads() -> int:
    return int(library()._threadpool_get_thread_count())


def _since(start: float) -> float:
    return 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
