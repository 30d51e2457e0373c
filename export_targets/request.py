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
    size: tuple[int, int] | None = None
    batch: int = 1
    labels: str | Path | None = None
    heads: Heads = "mean"
    form: Form = "edge"
    seed: int = 0
    out: str | Path | None = None
    force: bool = False
    verify: bool = True
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
