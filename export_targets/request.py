"""What a build is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from torch import nn

from edge_models.reference.heads import Heads
from edge_models.spec import OutputKind
from quantize.calibration import DEFAULT_SAMPLES

Form = Literal["edge", "published"]
FORMS: tuple[str, ...] = get_args(Form)


@dataclass(frozen=True)
class BuildRequest:
    """What ``edgeform build`` was asked for; None means the model's or the target's default.

    ``model`` is a name of the catalog or the place of a function, ``FILE.py:FUNCTION``, that
    returns a network of one's own; with ``module``, that network itself, it is the network's name.
    """

    model: str
    target: str
    recipe: str | None = None
    checkpoint: str | Path | None = None
    weights: str | None = None  # the key in the checkpoint that they lie under
    strict: bool = False  # whether entries that are no parameters refuse the checkpoint
    calibration: str | Path | None = None  # a folder, or ``synthetic``
    calibration_samples: int = DEFAULT_SAMPLES
    golden_images: bool = True  # whether photographs of that folder may be kept in the artifact
    size: tuple[int, int] | None = None
    batch: int = 1
    mean: tuple[float, float, float] | None = None  # of RGB in [0, 1], as std
    std: tuple[float, float, float] | None = None
    crop: float | None = None  # the crop's share of the resized image's shorter side
    interpolation: str | None = None
    resize: str | None = None  # "stretch": both sides to the size, nothing is cut off
    labels: str | Path | None = None
    heads: Heads = "mean"
    module: nn.Module | None = None
    output_kind: OutputKind | None = None  # of a network of one's own
    keep_float: tuple[str, ...] = ()  # modules by their paths, at INT8
    agreement: float | None = None  # of top-1 with FP32, that a search leaves modules float for
    top1_drop: float | None = None  # or by how much top-1 on labelled images may fall
    images: str | Path | None = None  # the folder to agree on, or of labelled images
    class_order: str | None = None  # of its folders, where their names are no labels
    form: Form = "edge"
    seed: int = 0
    out: str | Path | None = None
    force: bool = False
    verify: bool = True
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
