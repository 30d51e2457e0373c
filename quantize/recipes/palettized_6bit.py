"""Weights as 6-bit indices into a palette of 64 values a tensor."""

from quantize.recipe import Recipe, StoredWeights

RECIPE = Recipe(
    name="palettized_6bit",
    summary="6-bit palettized weights, float16 arithmetic",
    storage="float16",
    weights=StoredWeights(bits=(6,), average=6, palette=True),
)
