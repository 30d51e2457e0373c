"""Measuring an artifact on the ExecuTorch runtime of this environment, each in its own process.

``python -m export_targets.runners.processes.host_measuring turns FOLDER THREADS WARMUP`` measures
in turns; ``... trace FOLDER THREADS INFERENCES`` answers with the runtime's event trace.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.runner import Event
from export_targets.runners.processes.executorch_runtime import library, load_program
from export_targets.runners.processes.measuring import Turns, answer
from export_targets.runners.processes.phases import measure_in_turns

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

    def facts() -> dict[str, object]:
        runtime = {
            "backend": artifact.manifest.target.name,
            "version": version("executorch"),
            "threads": _threads(),
        }
        return {"load_ms": load_ms, "runtime": runtime}

    measure_in_turns(artifact, execute, facts, warmup)


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
