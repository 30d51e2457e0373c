"""Where the time goes in a ``.pte``, from the runtime's own event trace.

``python -m tests.benchmarks.operators MODEL IMAGE.npy TRACE`` writes the trace of some inferences.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.engines import set_executorch_threads

INFERENCES = 30
PRODUCTS = ("Convolution", "Deconvolution", "Fully Connected", "Batch Matrix Multiply")
# Events that hold others, or no operator of the model.
AROUND = ("Method::", "Program::", "DELEGATE_CALL", "OPERATOR_CALL")


@dataclass(frozen=True)
class Kind:
    """All operators of a kind in one inference: how many, and their medians' sum in ms."""

    name: str
    calls: int
    milliseconds: float

    @property
    def product(self) -> bool:
        """A matrix product or a convolution: the model's arithmetic."""
        return any(name in self.name for name in PRODUCTS)


def trace(model: Path, image: Tensor) -> list[Kind]:
    """The kinds of operators of a file, the slowest first; ``image`` is (1, 3, H, W)."""
    with tempfile.TemporaryDirectory() as folder:
        source, written = Path(folder, "image.npy"), Path(folder, "trace.etdp")
        np.save(source, image.numpy())
        command = [sys.executable, "-m", "tests.benchmarks.operators"]
        command += [str(model), str(source), str(written)]
        subprocess.run(command, check=True, stderr=subprocess.PIPE)
        return by_kind(_events(written))


def by_kind(events: list[tuple[str, float]]) -> list[Kind]:
    """Sum events (name, ms) of one inference by kind: the name without its number."""
    times: dict[str, list[float]] = defaultdict(list)
    for name, milliseconds in events:
        if not name.startswith(AROUND):
            times[re.sub(r" #\d+$", "", name)].append(milliseconds)
    kinds = [Kind(name, len(values), sum(values)) for name, values in times.items()]
    return sorted(kinds, key=lambda kind: -kind.milliseconds)


def outside(kinds: list[Kind]) -> float:
    """Milliseconds outside matrix products and convolutions."""
    return sum(kind.milliseconds for kind in kinds if not kind.product)


def _events(written: Path) -> list[tuple[str, float]]:
    from executorch.devtools import Inspector

    return [
        (event.name, float(event.perf_data.p50))
        for block in Inspector(etdump_path=str(written)).event_blocks
        for event in block.events
        if event.perf_data is not None
    ]


def main() -> None:
    """The child process of ``trace``."""
    from executorch.runtime import Runtime

    model, source, written = sys.argv[1:]
    set_executorch_threads()
    image = torch.from_numpy(np.load(source, allow_pickle=False))
    program = Runtime.get().load_program(model, enable_etdump=True)
    method = program.load_method("forward")
    if method is None:
        raise SystemExit("the program has no method forward")
    for _ in range(INFERENCES):
        method.execute([image])
    program.write_etdump_result_to_file(written, f"{written}.debug")


if __name__ == "__main__":
    main()
