"""The command line: its commands and their arguments. The work is done elsewhere."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge_models.errors import InputError
from export_targets.command_line import (
    console,  # and nothing that imports torch: `doctor` runs without
)
from export_targets.command_line import tables as show
from export_targets.command_line.adapt import adapt
from export_targets.command_line.answers import classify, sensitivity
from export_targets.command_line.arguments import (
    Agreement,
    Baseline,
    Batch,
    Calibration,
    CalibrationSamples,
    Checkpoint,
    ClassOrder,
    ComputeUnits,
    Crop,
    Debug,
    Deployment,
    FolderLabels,
    Force,
    Heads,
    Images,
    ImagesToAgreeOn,
    InputKind,
    Interpolation,
    Json,
    KeepFloat,
    LabelFile,
    Mean,
    Model,
    Network,
    NoGoldenImages,
    NoVerify,
    OutputKind,
    OwnKind,
    PhoneReport,
    RecipeName,
    ResizeMode,
    RunnerName,
    Seed,
    Size,
    Std,
    Strict,
    StrictImages,
    TargetName,
    Threads,
    Top1Drop,
    Trust,
    Version,
    WeightsKey,
    Workers,
    WorkOn,
    build_request,
    check_import,
    on_units,
)
from export_targets.command_line.console import (
    DONE,
    INTERRUPTED,
    collector_off,
    judged,
    loading,
    print_result,
    results_alone,
)
from export_targets.command_line.many_builds import demo, matrix
from export_targets.command_line.tune import tune
from export_targets.progress import stderr_reporter

MAX_ITERATIONS = 100_000

app = typer.Typer(
    name="edgeform",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def edgeform(show_version: Version = False) -> None:
    """Turn a CoTNet or Conformer checkpoint into files that run on a phone, and prove them."""


@app.command("list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="models, recipes or targets; all three without it.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """The catalogs, and which recipe each target can do."""
    from export_targets.command_line.catalogs import KINDS, catalogs

    if kind not in (*KINDS, None):
        raise InputError(f"There is no list of {kind!r}.", f"Lists: {', '.join(KINDS)}.")
    found = {name: rows for name, rows in catalogs().items() if kind in (name, None)}
    print_result(found if kind is None else found[kind], as_json, lambda: show.catalogs(found))
    return DONE


@app.command()
def build(
    context: typer.Context,
    model: Model,
    target: TargetName = None,
    recipe: RecipeName = None,
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
    form: Annotated[str, typer.Option(help="edge, or published: the naive baseline.")] = "edge",
    seed: Seed = 0,
    output_kind: OwnKind = None,
    keep_float: KeepFloat = None,
    agreement: Agreement = None,
    top1_drop: Top1Drop = None,
    images: ImagesToAgreeOn = None,
    class_order: ClassOrder = None,
    input_kind: InputKind = None,
    output: OutputKind = None,
    minimum_deployment: Deployment = None,
    out: Annotated[Path | None, typer.Option(help="The artifact folder itself.")] = None,
    force: Force = False,
    no_verify: NoVerify = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Checkpoint -> artifact folder, then verify."""
    with loading():
        from export_targets.pipeline import build as run

    request = build_request(context.params)
    with results_alone(), collector_off():
        result = run(request, stderr_reporter())
    print_result(result.document(), as_json, lambda: show.build(result))
    return judged(result.problems)


@app.command()
def verify(
    artifact: Path,
    images: Images = None,
    runner: RunnerName = None,
    compute_units: ComputeUnits = None,
    network: Network = None,
    strict: StrictImages = False,
    trust_graphs: Trust = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Digests, wholeness, every parity hop."""
    with loading():
        from export_targets.prove.verify import verify as run

    by = on_units(runner, compute_units)
    with results_alone():
        result = run(artifact, images, by, trust_graphs, stderr_reporter(), strict, network)
    document = result.report.model_dump(mode="json", by_alias=True)
    print_result(document, as_json, lambda: show.parity(result.report))
    return judged(result.problems)


@app.command()
def profile(
    context: typer.Context,
    artifacts: Annotated[list[Path], typer.Argument(help="Measured in turns, in one run.")],
    baseline: Baseline = None,
    network: Network = None,
    runner: RunnerName = None,
    compute_units: ComputeUnits = None,
    iterations: Annotated[int, typer.Option(min=1, max=MAX_ITERATIONS)] = 120,
    warmup: Annotated[int, typer.Option(min=0, max=MAX_ITERATIONS)] = 10,
    threads: Threads = None,
    import_: PhoneReport = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Latency and where the time goes; several artifacts with their ratios."""
    with loading():
        from export_targets.profile.profile import Settings, profile_all, take

    if import_ is not None:
        check_import(context)
        result = take(artifacts[0], import_)
    else:
        settings, by = Settings(iterations, warmup, threads), on_units(runner, compute_units)
        with results_alone(), collector_off():  # a baseline is built
            result = profile_all(artifacts, baseline, by, settings, stderr_reporter(), network)
    print_result(result.document(), as_json, lambda: show.profile(result))
    if result.interrupted:  # past the line that says that nothing was kept
        sys.exit(INTERRUPTED)
    return DONE


@app.command()
def evaluate(
    artifact: Path,
    images: Annotated[str, typer.Option(help="One folder a class; or its address, as s3://...")],
    limit: Annotated[int | None, typer.Option(min=1, help="Use at most so many images.")] = None,
    labels: FolderLabels = None,
    class_order: ClassOrder = None,
    runner: RunnerName = None,
    compute_units: ComputeUnits = None,
    network: Network = None,
    strict: StrictImages = False,
    trust_graphs: Trust = False,
    workers: Workers = None,
    on: WorkOn = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after Ctrl-C.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Top-1 and top-5 of the FP32 reference and the saved file, and their agreement."""
    with loading():
        from edge_models.image_folder import path_at
        from export_targets.prove.evaluate import Choice, Work
        from export_targets.prove.evaluate import evaluate as run

    choice = Choice(path_at(images), limit, labels, class_order, strict)
    work = Work(workers, on, resume)
    by = on_units(runner, compute_units)
    with results_alone():
        report = run(artifact, choice, by, trust_graphs, stderr_reporter(), network, work)
    print_result(report.model_dump(mode="json"), as_json, lambda: show.evaluation(report))
    if report.interrupted:  # past the line that says that nothing was kept
        sys.exit(INTERRUPTED)
    return DONE


@app.command()
def report(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifact folders.")],
    out: Annotated[Path, typer.Option(help="The page, an .html file.")],
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """One self-contained HTML page about one or several artifacts."""
    with loading():
        from export_targets.report.page import write_report

    path = write_report(artifacts, out, stderr_reporter())
    print_result({"report": str(path)}, as_json, lambda: print(path))
    return DONE


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> int:
    """What this machine has, and what it can therefore build, verify and run."""
    from export_targets.command_line.doctor import diagnose

    diagnosis = diagnose()
    print_result(asdict(diagnosis), as_json, lambda: show.diagnosis(diagnosis))
    return DONE


app.command()(classify)
app.command()(sensitivity)
app.command()(tune)
app.command()(adapt)
app.command()(matrix)
app.command()(demo)


def main() -> None:
    """Run the command line and exit with the contract's code."""
    console.run(app)
