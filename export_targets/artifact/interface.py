"""What goes into a model file and what comes out of it, as the manifest says it."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, model_validator

from edge_models.spec import SMALLEST_CROP, InputSpec, Interpolation, OutputKind, ResizeMode


class Section(BaseModel):
    """A part of the manifest: immutable, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Resize(Section):
    """Shorter side to ``size`` pixels, then a centre crop of ``crop`` (height, width); in the mode
    "stretch" both sides to ``crop``, of which ``size`` is the shorter.
    """

    size: PositiveInt
    interpolation: Interpolation
    crop: tuple[PositiveInt, PositiveInt]
    mode: ResizeMode = "crop"

    @model_validator(mode="after")
    def _reaches_the_crop(self) -> "Resize":
        if not min(self.crop) <= self.size <= min(self.crop) / SMALLEST_CROP:
            raise ValueError(f"a resize to {self.size} does not go with a crop of {self.crop}")
        if self.mode == "stretch" and self.size != min(self.crop):
            raise ValueError(f"a resize to {self.size} does not stretch to {self.crop}")
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
            resize=self.resize.mode,
        )

    def preprocessing(self) -> str:
        """The preprocessing in one line."""
        height, width = self.resize.crop
        mean, std = (" ".join(f"{value:g}" for value in of) for of in (self.mean, self.std))
        resized = (
            f"shorter side to {self.resize.size} ({self.resize.interpolation}), centre crop "
            f"{height}x{width}"
        )
        if self.resize.mode == "stretch":
            resized = f"stretched to {height}x{width} ({self.resize.interpolation})"
        return f"{resized}, RGB / 255, mean {mean}, std {std}"


class TensorSection(Section):
    """One of several outputs."""

    name: str
    shape: tuple[PositiveInt, ...]


class OutputSection(Section):
    """The model's output; with ``heads`` "both" there are two of this shape. Of the kind "tensors"
    there is one output for each of ``tensors``, in their order, and ``shape`` is (1, all their
    numbers).
    """

    name: str
    kind: Literal["logits", "class", "tensors"]
    shape: tuple[PositiveInt, PositiveInt]
    heads: Literal["mean", "both"]
    tensors: tuple[TensorSection, ...] = ()

    @model_validator(mode="after")
    def _holds_its_tensors(self) -> "OutputSection":
        if (self.kind == "tensors") != bool(self.tensors):
            raise ValueError(f"{len(self.tensors)} tensors are no output of kind {self.kind}")
        if self.tensors and self.shape != (1, sum(self.sizes)):
            raise ValueError(f"the tensors' {sum(self.sizes)} numbers are not {self.shape}")
        return self

    @property
    def own_kind(self) -> OutputKind:
        """What a network of one's own with this output returns."""
        return "tensors" if self.kind == "tensors" else "logits"

    @property
    def sizes(self) -> list[int]:
        """How many numbers each of ``tensors`` has."""
        return [math.prod(tensor.shape) for tensor in self.tensors]
