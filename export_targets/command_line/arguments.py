"""The options that commands share or that need words, and how their texts are read."""

import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_models.errors import InputError
from export_targets import targets
from quantize import recipes

if TYPE_CHECKING:
    from export_targets.request import BuildRequest

MAX_SEED = 2**63 - 1
MAX_SAMPLES = 4096
MAX_THREADS = 256
GIVEN = "COMMANDLINE"  # typer's name of where an argument comes from
# Options of `profile` that --import goes without.
MEASURING = ("baseline", "network", "runner", "compute_units", "iterations", "warmup", "threads")


def names_in(package: ModuleType) -> Callable[[str], list[str]]:
    """Completes the name of a module in a package: that of what the module holds."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


Model = Annotated[str, typer.Argument(help="One of `edgeform list models`, or FILE.py:FUNCTION.")]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="A target of `edgeform list targets`; without it they are listed.",
        autocompletion=names_in(targets),
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="Default: the target's own.", autocompletion=names_in(recipes)),
]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"edgeform {version('edgeform')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Images = Annotated[Path | None, typer.Option(help="A folder of images.")]
StrictImages = Annotated[bool, typer.Option("--strict", help="Stop at an unreadable image.")]
RunnerName = Annotated[str | None, typer.Option("--runner", help="Default: the target's own.")]
ComputeUnits = Annotated[
    str | None,
    typer.Option(
        "--compute-units",
        help="What Core ML may use of the chip: all, cpu_and_ne, cpu_and_gpu or cpu.",
    ),
]
Trust = Annotated[
    bool, typer.Option("--trust-graphs", help="Load lowered.pt2, which can carry code.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core.")]
WorkOn = Annotated[
    str | None, typer.Option("--on", help="ray: the cluster at RAY_ADDRESS, else a local one.")
]

Network = Annotated[
    str | None, typer.Option("--model", help="FILE.py:FUNCTION, for a network of your own.")
]
FolderLabels = Annotated[
    Path | None, typer.Option(help="A class a line: its folder, or FOLDER<TAB>NAME.")
]
ClassOrder = Annotated[
    str | None, typer.Option(help="Of folders that are no labels: natural or sorted.")
]
Baseline = Annotated[str | None, typer.Option(help="published: build and measure that form too.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=MAX_THREADS, help="Default: the runtime's own choice.")
]
PhoneReport = Annotated[
    Path | None, typer.Option("--import", help="Add a report that a phone's app wrote.")
]

Checkpoint = Annotated[Path | None, typer.Option(help="Of torch.save or safetensors.")]
Calibration = Annotated[
    str | None, typer.Option(help="A folder of images, read recursively, or `synthetic`.")
]
CalibrationSamples = Annotated[int, typer.Option(min=1, max=MAX_SAMPLES)]
NoGoldenImages = Annotated[
    bool,
    typer.Option("--no-golden-images", help="Keep no photograph of --calibration in the artifact."),
]
Seed = Annotated[
    int, typer.Option(min=0, max=MAX_SEED, help="Of random weights and of chosen images.")
]
WeightsKey = Annotated[
    str | None, typer.Option("--weights", help="The key of the weights in the checkpoint.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse a checkpoint with more than the model's weights, and an unreadable image.",
    ),
]
Size = Annotated[
    str | None,
    typer.Option("--size", "--input-size", help="H or HxW in pixels, multiples of 32."),
]
Batch = Annotated[int, typer.Option(min=1)]
Mean = Annotated[str | None, typer.Option(help="R,G,B of the training, in [0, 1].")]
Std = Annotated[str | None, typer.Option(help="R,G,B of the training, in [0, 1].")]
Crop = Annotated[float | None, typer.Option(help="Its share of the resized shorter side.")]
Interpolation = Annotated[str | None, typer.Option(help="bilinear or bicubic.")]
ResizeMode = Annotated[
    str | None, typer.Option("--resize", help="crop, or stretch: both sides to the size.")
]
LabelFile = Annotated[Path | None, typer.Option(help="NAME or FOLDER<TAB>NAME a line.")]
Heads = Annotated[str, typer.Option(help="mean or both; for models with two heads.")]
Force = Annotated[bool, typer.Option("--force", help="Replace another artifact.")]
OwnKind = Annotated[
    str | None,
    typer.Option("--output-kind", help="Of your own network: logits of classes, or tensors."),
]
KeepFloat = Annotated[
    list[str] | None,
    typer.Option("--keep-float", help="A module by its path that INT8 leaves float; repeatable."),
]
Agreement = Annotated[
    float | None,
    typer.Option(help="Leave modules float until so many images agree with FP32, as 0.99."),
]
Top1Drop = Annotated[
    float | None,
    typer.Option("--top1-drop", help="Or until top-1 falls by so much at most, as 0.01."),
]
ImagesToAgreeOn = Annotated[
    Path | None,
    typer.Option("--images", help="A folder for either, for --top1-drop one folder a class."),
]
InputKind = Annotated[
    str | None, typer.Option("--input", help="Core ML: image (normalized inside) or tensor.")
]
OutputKind = Annotated[
    str | None, typer.Option(help="Core ML: class (names for Vision, and logits) or logits.")
]
NoVerify = Annotated[
    bool, typer.Option("--no-verify", help="Leave the gates out: nothing is proved.")
]
Deployment = Annotated[str | None, typer.Option(help="Core ML: iOS16, iOS17 or iOS18.")]


def build_request(given: Mapping[str, Any]) -> "BuildRequest":
    """What the arguments of ``build`` ask for, by their names there; a command may lack those of an
    artifact. Raises InputError for a text that is none of its kind; whether names exist is for the
    plan to say.
    """
    from export_targets.request import BuildRequest

    if given["target"] is None:
        raise no_target()
    read: dict[str, Any] = {
        "golden_images": not given.get("no_golden_images"),
        "size": size_in_pixels(given["size"]),
        "mean": colour(given["mean"]),
        "std": colour(given["std"]),
        "verify": not given.get("no_verify"),
        "keep_float": tuple(given.get("keep_float") or ()),
        "module": None,
        "options": target_options(
            given.get("input_kind"), given.get("output"), given.get("minimum_deployment")
        ),
    }
    names = {field.name for field in fields(BuildRequest)} & given.keys() - read.keys()
    return BuildRequest(**{name: given[name] for name in names}, **read)


def on_units(runner: str | None, units: str | None) -> str | None:
    """What ``--runner`` and ``--compute-units`` name together. Raises InputError."""
    if units is None:
        return runner
    from export_targets.artifact.device import requested_units
    from export_targets.runner import on_units as named_runner

    return named_runner(runner, requested_units(units))


def check_import(context: typer.Context) -> None:
    """Raises InputError where ``profile --import`` is given what is for measuring."""
    sources = map(context.get_parameter_source, MEASURING)
    several = len(context.params["artifacts"]) > 1
    if several or any(source and source.name == GIVEN for source in sources):
        options = ", --".join(MEASURING).replace("_", "-")
        raise InputError(
            "--import is of one artifact and measures nothing.",
            f"Leave other artifacts and --{options} away.",
        )


def no_target() -> InputError:
    """The error of a build that names no target: what each is for."""
    from export_targets.target import all_targets

    kinds = "; ".join(f"{target.name}: {target.summary}" for target in all_targets().values())
    return InputError("The option --target is missing.", f"Choose one. {kinds}.")


def target_options(
    input_kind: str | None, output: str | None, minimum_deployment: str | None
) -> dict[str, str]:
    """The target's options that were given, by the names that they have there."""
    given = {"input": input_kind, "output": output, "minimum-deployment": minimum_deployment}
    return {name: value for name, value in given.items() if value is not None}


def colour(text: str | None) -> tuple[float, float, float] | None:
    """A number for each of red, green and blue. Raises InputError."""
    if text is None:
        return None
    try:
        red, green, blue = map(float, text.split(","))
    except ValueError as error:
        raise InputError(
            f"{text!r} is not three numbers.", "Write R,G,B, as 0.485,0.456,0.406."
        ) from error
    return red, green, blue


def size_in_pixels(text: str | None) -> tuple[int, int] | None:
    """(height, width) as it was written. Raises InputError."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("[0-9]{1,5}", part) for part in parts):
        raise InputError(f"The size {text!r} is not a number of pixels.", "Write 224 or 224x320.")
    return int(parts[0]), int(parts[-1])
