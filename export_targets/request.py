"""What a build is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from edge_models.reference.heads import Heads
from quantize.calibration import DEFAULT_SAMPLES

Form = Literal["edge", "published"]
FORMS: tuple[str, ...] = get_args(Form)


@dataclass(frozen=True)
class BuildRequest:
    """What ``edgeform build`` was asked for; None means the model's or the target's default."""

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
    labels: str | Path | None = None
    heads: Heads = "mean"
    form: Form = "edge"
    seed: int = 0
    out: str | Path | None = None
    force: bool = False
    verify: bool = True
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
