"""``python -m tests.benchmarks [NAME [FILE ...]]``: measure, print and write tables.

Without a name, every benchmark. ``arm64`` counts the given ``.pte`` files.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    accuracy,
    arm64,
    callgrind,
    coreml,
    coreml_cost,
    evaluation,
    float_costs,
    latency,
    lowering,
    mac,
    own,
    peer_agreement,
    random_weights,
    vulkan,
    vulkan_calls,
    vulkan_cost,
)
from tests.benchmarks.result import RESULTS, Result, Skipped

BENCHMARKS: dict[str, Callable[[], Result | Skipped]] = {
    "latency": latency.run,
    "arm64": arm64.run,
    arm64.CATALOG: arm64.run_catalog,
    callgrind.NAME: callgrind.run,
    "lowering": lowering.run,
    "accuracy": accuracy.run,
    coreml.NAME: coreml.run,
    coreml_cost.NAME: coreml_cost.run,
    evaluation.NAME: evaluation.run,
    float_costs.NAME: float_costs.run,
    mac.NAME: mac.run,
    own.NAME: own.run,
    peer_agreement.NAME: peer_agreement.run,
    random_weights.NAME: random_weights.run,
    vulkan.NAME: vulkan.run,
    vulkan_calls.NAME: vulkan_calls.run,
    vulkan_cost.NAME: vulkan_cost.run,
}


def main() -> None:
    """Run what was asked for; a benchmark that cannot run here says why."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS)
    parser.add_argument("file", nargs="*", type=Path, help=".pte files, for arm64")
    arguments = parser.parse_args()
    if arguments.file and arguments.name != "arm64":
        parser.error("only arm64 takes files")
    for file in arguments.file:
        if not file.is_file():
            parser.error(f"there is no file {file}")
    if arguments.file:
        show(arm64.run_files(arguments.file))
        return
    for name in [arguments.name] if arguments.name else BENCHMARKS:
        show(BENCHMARKS[name]())


def show(outcome: Result | Skipped) -> None:
    """Print a result and write it, or say why there is none."""
    if isinstance(outcome, Skipped):
        print(f"\nskipped {outcome.name}: {outcome.why}", flush=True)
        return
    print(f"\n{outcome.markdown}", flush=True)
    outcome.write(RESULTS)


if __name__ == "__main__":
    main()
