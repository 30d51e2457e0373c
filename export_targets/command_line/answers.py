"""The commands that say what a saved file answers, and what INT8 costs it: no gate, no times."""

from pathlib import Path
from typing import Annotated

import typer

from export_targets.command_line import tables as show
from export_targets.command_line.arguments import (
    Debug,
    Images,
    Json,
    Network,
    RunnerName,
    StrictImages,
    Trust,
)
from export_targets.command_line.console import DONE, loading, print_result, results_alone
from export_targets.progress import stderr_reporter


def classify(
    artifact: Path,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    runner: RunnerName = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """The five most probable classes of each image, by the saved file."""
    with loading():
        from export_targets.prove.classify import classify as run

    found = run(artifact, images, runner, stderr_reporter())
    document = [row.model_dump(mode="json") for row in found]
    print_result(document, as_json, lambda: show.classifications(found))
    return DONE


def sensitivity(
    artifact: Path,
    images: Images = None,
    network: Network = None,
    strict: StrictImages = False,
    trust_graphs: Trust = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """What INT8 costs, module by module: each alone in float, and each alone in INT8."""
    with loading():
        from export_targets.search.of_artifact import sensitivity as run

    with results_alone():
        found = run(artifact, images, trust_graphs, stderr_reporter(), strict, network)
    print_result(found.model_dump(mode="json"), as_json, lambda: show.sensitivity(found))
    return DONE
