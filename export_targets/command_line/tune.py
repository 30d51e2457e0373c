"""``tune``: the command, and how its arguments become those of its builds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export_targets import targets as all_targets
from export_targets.command_line import tables as show
from export_targets.command_line.arguments import (
    GIVEN,
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
# Arguments that are not those of its builds.
OWN = (
    *("model", "targets", "recipes", "agreements", "images", "at_least", "out", "force"),
    *("runner", "compute_units", "threads", "workers", "as_json", "debug"),
)
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
        tuned = run(asked(context), reporter)
    if tuned.built:
        write_report(tuned.built, tuned.work / PAGE, reporter, tuned.tuning)
    print_result(tuned.document(), as_json, lambda: show.tuning(tuned))
    return judged(tuned.problems)


def asked(context: typer.Context) -> "Asked":
    """What the arguments ask for. Raises InputError as ``build_request`` does."""
    from export_targets.tune.asked import Asked

    given = context.params
    targets = tuple(dict.fromkeys(given["targets"] or ()))
    request = build_request(given | {"target": next(iter(targets), None)})
    return Asked(
        request=request,
        options=of_builds(context),
        targets=targets,
        recipes=tuple(dict.fromkeys(given["recipes"] or ())),
        agreements=tuple(dict.fromkeys(given["agreements"] or ())),
        at_least=given["at_least"],
        runner=on_units(given["runner"], given["compute_units"]),
        threads=given["threads"],
        workers=given["workers"],
    )


def of_builds(context: typer.Context) -> dict[str, str]:
    """What was given that each build is given too, by its option; of a flag nothing."""
    return {
        parameter.opts[0].removeprefix("--"): (
            "" if getattr(parameter, "is_flag", False) else str(context.params[parameter.name])
        )
        for parameter in context.command.params
        if parameter.name is not None and parameter.name not in OWN
        if (source := context.get_parameter_source(parameter.name)) and source.name == GIVEN
    }
