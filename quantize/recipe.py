"""Recipe: how numbers are represented, as pure data. What it means on a backend is the target's."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from edge_models.registry import collect, named
from quantize import recipes

Activations = Literal["static", "dynamic"]


@dataclass(frozen=True)
class StoredWeights:
    """How weights are stored where the arithmetic stays float: in ``bits`` each, as integers with
    one scale an output channel or as indices into a palette of 2**bits values a tensor. Of several
    ``bits``, ascending, each tensor has its own, ``average`` over all weights.
    """

    bits: tuple[int, ...]
    average: float
    palette: bool


@dataclass(frozen=True)
class Recipe:
    """One representation of a model's numbers.

    ``storage`` is of weights and activations that stay float. ``convolution`` and ``linear`` say
    how the INT8 activations of those operators get their range: "static" from calibration images,
    "dynamic" at run time, None where the operator stays float. INT8 weights are symmetric, one
    scale an output channel. ``weights`` compresses the weights alone.
    """

    name: str
    summary: str
    storage: Literal["float32", "float16"] = "float32"
    convolution: Activations | None = None
    linear: Activations | None = None
    weights: StoredWeights | None = None

    @property
    def quantized(self) -> bool:
        """Whether some operator runs in INT8."""
        return self.convolution is not None or self.linear is not None

    @property
    def approximate(self) -> bool:
        """Whether the program that is lowered computes other numbers than the edge form."""
        return self.quantized or self.weights is not None

    @property
    def needs_calibration(self) -> bool:
        """Whether images decide its ranges, or how many bits a tensor has."""
        of_layers = self.weights is not None and len(self.weights.bits) > 1
        return of_layers or "static" in (self.convolution, self.linear)

    @property
    def takes_calibration(self) -> bool:
        """Whether images are of use: beside ranges, to choose the entries of palettes."""
        palettes = self.weights is not None and self.weights.palette
        return palettes or self.needs_calibration


@cache
def all_recipes() -> dict[str, Recipe]:
    """Every ``RECIPE`` of every module in ``quantize/recipes``, by name."""
    return collect(recipes, "RECIPE")


def recipe_named(name: str) -> Recipe:
    """One recipe by name. Raises InputError that lists the names there are."""
    return named(all_recipes(), "recipe", name)
