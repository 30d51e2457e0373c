"""Weights as 4-bit indices into a palette of 16 values a tensor: the smallest file."""

from quantize.recipe import Recipe, StoredWeights

RECIPE = Recipe(
    name="palettized_4bit",
    summary="4-bit palettized weights, float16 arithmetic",
    storage="float16",
    weights=StoredWeights(bits=(4,), average=4, palette=True),
)
