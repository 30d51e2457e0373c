"""The manifest: all that an app or a person needs to run an artifact, and its JSON Schema.

A reader ignores fields that it does not know and refuses a newer major version.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, model_validator

from edge_models.spec import SMALLEST_CROP, InputSpec, Interpolation

SCHEMA_VERSION = "1.0"


class Section(BaseModel):
    """A part of the manifest: immutable, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelSection(Section):
    """``macs``: multiply-accumulates of convolutions and matrix products for one input."""

    name: str
    family: str
    parameters: int
    macs: int
    classes: int


class WeightsSection(Section):
    """``source`` is a file name, "embedded" or "random"; ``seed`` is of random weights; ``key``
    is where in the file they lay, null for a bare state dict.
    """

    source: str
    sha256: str
    format: str
    seed: int | None
    key: str | None = None


class Resize(Section):
    """Shorter side to ``size`` pixels, then a centre crop of ``crop`` (height, width)."""

    size: PositiveInt
    interpolation: Interpolation
    crop: tuple[PositiveInt, PositiveInt]

    @model_validator(mode="after")
    def _reaches_the_crop(self) -> "Resize":
        if not min(self.crop) <= self.size <= min(self.crop) / SMALLEST_CROP:
            raise ValueError(f"a resize to {self.size} does not go with a crop of {self.crop}")
        return self


class InputSection(Section):
    """The model's input. ``normalization``: who subtracts the mean and divides by std."""

    name: str
    kind: Literal["tensor", "image"]
    shape: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    dtype: Literal["float32"]
    layout: Literal["NCHW"]
    color_order: Literal["RGB"]
    resize: Resize
    normalization: Literal["caller", "model"]
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    std: tuple[FiniteFloat, FiniteFloat, FiniteFloat]

    @model_validator(mode="after")
    def _is_cropped_to_the_input(self) -> "InputSection":
        if self.resize.crop != self.shape[2:]:
            raise ValueError(f"a crop of {self.resize.crop} is no input of {self.shape}")
        return self

    @property
    def spec(self) -> InputSpec:
        """The preprocessing of an image."""
        return InputSpec(
            size=self.resize.crop,
            crop=min(self.resize.crop) / self.resize.size,
            interpolation=self.resize.interpolation,
            mean=self.mean,
            std=self.std,
        )

    def preprocessing(self) -> str:
        """The preprocessing in one line."""
        height, width = self.resize.crop
        mean, std = (" ".join(f"{value:g}" for value in of) for of in (self.mean, self.std))
        return (
            f"shorter side to {self.resize.size} ({self.resize.interpolation}), centre crop "
            f"{height}x{width}, RGB / 255, mean {mean}, std {std}"
        )


class OutputSection(Section):
    """The model's output; with ``heads`` "both" there are two of this shape."""

    name: str
    kind: Literal["logits", "class"]
    shape: tuple[PositiveInt, PositiveInt]
    heads: Literal["mean", "both"]


class TargetSection(Section):
    name: str
    options: dict[str, str]


class FloatModule(Section):
    """Operators of a module that compute in float at INT8, or whose weights stay float where a
    recipe compresses them, and the rule that says so.
    """

    module: str
    operators: dict[str, int]
    rule: str


class Undelegated(Section):
    """An operator that the backend did not take, the module it comes from, and why."""

    operator: str
    module: str
    why: str


class Delegation(Section):
    """What the backend took and what fell out of it. ``dispatches`` is how many operators the saved
    file itself calls, for backends whose speed hangs on it.

    ``delegates`` is None where the format has none: a Core ML package does not say which processor
    takes an operator, the device decides that when it loads the model.
    """

    delegates: int | None
    delegated_ops: int
    dispatches: int | None = None
    undelegated: dict[str, int]
    fallen: tuple[Undelegated, ...]

    @property
    def whole(self) -> bool:
        """One delegate and nothing outside it, or a format without delegates: not judged."""
        return self.delegates in (1, None) and not self.undelegated


class CalibrationSection(Section):
    source: str
    samples: int
    sha256: str
    unreadable: int


class GoldenSection(Section):
    """How many inputs stand in ``golden/`` and where their images come from."""

    samples: PositiveInt
    source: str


class SelfTest(Section):
    """The pass mark of an app's run of the golden inputs against ``expected_<i>.f32``."""

    sqnr_db: FiniteFloat
    top1: FiniteFloat


class FileEntry(Section):
    """A file of the artifact; an app takes those with ``deploy`` only."""

    path: str
    bytes: int
    sha256: str
    deploy: bool


@dataclass(frozen=True)
class Identity:
    """What makes two artifacts the same thing built twice."""

    model: str
    weights: str
    target: str
    options: Mapping[str, str]
    recipe: str
    form: str
    input: tuple[int, ...]
    preprocessing: str
    heads: str

    def differing(self, other: "Identity") -> list[str]:
        """The fields in which another artifact is another thing."""
        theirs = asdict(other)
        return [name for name, value in asdict(self).items() if theirs[name] != value]


class Manifest(Section):
    """The content of ``manifest.json``."""

    schema_version: str = SCHEMA_VERSION
    name: str
    form: Literal["edge", "published"]
    model: ModelSection
    weights: WeightsSection
    input: InputSection
    output: OutputSection
    recipe: str
    target: TargetSection
    float_modules: tuple[FloatModule, ...]
    delegation: Delegation
    calibration: CalibrationSection | None
    golden: GoldenSection
    selftest: SelfTest
    files: tuple[FileEntry, ...]
    toolchain: dict[str, str]
    created: str

    @property
    def identity(self) -> Identity:
        """Of the artifact that this describes."""
        return Identity(
            model=self.model.name,
            weights=self.weights.sha256,
            target=self.target.name,
            options=self.target.options,
            recipe=self.recipe,
            form=self.form,
            input=self.input.shape,
            preprocessing=self.input.preprocessing(),
            heads=self.output.heads,
        )


def artifact_name(
    model: str, target: str, recipe: str, size: tuple[int, int], batch: int, form: str
) -> str:
    """``<model>-<target>-<recipe>-<HxW>``, with batch and form where they are not the default."""
    name = f"{model}-{target}-{recipe}-{size[0]}x{size[1]}"
    if batch != 1:
        name += f"-b{batch}"
    return name if form == "edge" else f"{name}-{form}"


def json_schema() -> str:
    """The JSON Schema of the manifest, as text."""
    return json.dumps(Manifest.model_json_schema(), indent=1, sort_keys=True) + "\n"


def toolchain(backends: Iterable[str]) -> dict[str, str]:
    """The versions of everything that shaped the files; ``backends`` are a target's packages."""
    from importlib.metadata import version

    packages = ("edgeform", "torch", "torchao", *backends, "numpy", "pillow")
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}


def to_json(content: Mapping[str, Any]) -> str:
    """Stable, readable JSON without NaN."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
