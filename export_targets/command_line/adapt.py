"""``adapt``: the command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from export_targets.command_line.arguments import (
    Checkpoint,
    Crop,
    Debug,
    Force,
    Images,
    Interpolation,
    Json,
    Mean,
    Model,
    RecipeName,
    ResizeMode,
    Seed,
    Size,
    Std,
    Strict,
    TargetName,
    WeightsKey,
    build_request,
)
from export_targets.command_line.console import judged, loading, print_result, results_alone
from export_targets.progress import stderr_reporter

if TYPE_CHECKING:
    from export_targets.adapt.report import AdaptReport

MAX_MINUTES = 7 * 24 * 60


def adapt(
    context: typer.Context,
    model: Model,
    target: TargetName = "xnnpack",
    recipe: RecipeName = None,
    checkpoint: Checkpoint = None,
    weights: WeightsKey = None,
    strict: Strict = False,
    images: Images = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=MAX_MINUTES, help="It learns for so long at most.")
    ] = 10.0,
    size: Size = None,
    mean: Mean = None,
    std: Std = None,
    crop: Crop = None,
    interpolation: Interpolation = None,
    resize: ResizeMode = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="The checkpoint, a .safetensors file.")] = None,
    force: Force = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Weights that lose less in a recipe's numbers, learned from images without labels."""
    with loading():
        from export_targets.adapt.run import adapt as run

    request = build_request(context.params)
    with results_alone():
        adapted = run(request, minutes, out, stderr_reporter())
    document = adapted.report.model_dump(mode="json")
    print_result(document, as_json, lambda: show(adapted.report))
    return judged(adapted.problems)


def show(report: "AdaptReport") -> None:
    """What was gained, a line each, and how to go on."""
    print(f"On {report.before.judged} images that it did not learn from, beside FP32 as given:")
    for name, found in (
        (f"{report.recipe} before", report.before),
        (f"{report.recipe} after", report.after),
        ("FP32 after", report.floating),
    ):
        low, high = found.interval
        print(
            f"  {name}: {found.agreement:.1%} agree ({low:.1%} to {high:.1%}), "
            f"{found.median_sqnr_db:.1f} dB on the median image"
        )
    if report.checkpoint:
        print(f"{report.steps} steps. Build {report.model} with --checkpoint {report.checkpoint}")
