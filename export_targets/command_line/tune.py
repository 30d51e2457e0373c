"""``tune``: the command."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from export_targets import targets as all_targets
from export_targets.command_line import tables as show
from export_targets.command_line.arguments import (
    Batch,
    Calibration,
    CalibrationSamples,
    Checkpoint,
    ComputeUnits,
    Crop,
    Debug,
    Deployment,
    Force,
    Heads,
    Images,
    InputKind,
    Interpolation,
    Json,
    LabelFile,
    Mean,
    Model,
    NoGoldenImages,
    OutputKind,
    ResizeMode,
    RunnerName,
    Seed,
    Size,
    Std,
    Strict,
    Threads,
    WeightsKey,
    Workers,
    build_request,
    names_in,
    on_units,
)
from export_targets.command_line.console import judged, loading, print_result, results_alone
from export_targets.progress import stderr_reporter
from quantize import recipes as all_recipes

if TYPE_CHECKING:
    from export_targets.tune.asked import Asked

PAGE = "report.html"  # beside the builds
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", help="Repeatable.", autocompletion=names_in(all_targets)),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        help="Repeatable; default: all that a target can do.",
        autocompletion=names_in(all_recipes),
    ),
]
Agreements = Annotated[
    list[float] | None,
    typer.Option("--agreement", help="Also INT8 with a search for it, as 0.99; repeatable."),
]
AtLeast = Annotated[
    float, typer.Option(help="The agreement with FP32 that the chosen file must reach, as 0.98.")
]
Out = Annotated[Path, typer.Option(help="The folder of the chosen artifact.")]


def tune(
    context: typer.Context,
    model: Model,
    at_least: AtLeast,
    out: Out,
    targets: Targets = None,
    recipes: Recipes = None,
    agreements: Agreements = None,
    images: Images = None,
    checkpoint: Checkpoint = None,
    weights: WeightsKey = None,
    strict: Strict = False,
    calibration: Calibration = None,
    calibration_samples: CalibrationSamples = 128,
    no_golden_images: NoGoldenImages = False,
    size: Size = None,
    batch: Batch = 1,
    mean: Mean = None,
    std: Std = None,
    crop: Crop = None,
    interpolation: Interpolation = None,
    resize: ResizeMode = None,
    labels: LabelFile = None,
    heads: Heads = "mean",
    seed: Seed = 0,
    input_kind: InputKind = None,
    output: OutputKind = None,
    minimum_deployment: Deployment = None,
    runner: RunnerName = None,
    compute_units: ComputeUnits = None,
    threads: Threads = None,
    workers: Workers = None,
    force: Force = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Recipes and agreements of a model, each built and measured; the best that agrees is kept."""
    with loading():
        from export_targets.report.page import write_report
        from export_targets.tune.run import tune as run

    reporter = stderr_reporter()
    with results_alone():
        tuned = run(asked(context.params), reporter)
    if tuned.built:
        write_report(tuned.built, tuned.work / PAGE, reporter, tuned.tuning)
    print_result(tuned.document(), as_json, lambda: show.tuning(tuned))
    return judged(tuned.problems)


def asked(given: Mapping[str, Any]) -> "Asked":
    """What the arguments ask for. Raises InputError as ``build_request`` does."""
    from export_targets.tune.asked import Asked

    targets = tuple(dict.fromkeys(given["targets"] or ()))
    request = build_request({**given, "target": next(iter(targets), None)})
    return Asked(
        request=request,
        targets=targets,
        recipes=tuple(dict.fromkeys(given["recipes"] or ())),
        agreements=tuple(dict.fromkeys(given["agreements"] or ())),
        at_least=given["at_least"],
        runner=on_units(given["runner"], given["compute_units"]),
        threads=given["threads"],
        workers=given["workers"],
    )
