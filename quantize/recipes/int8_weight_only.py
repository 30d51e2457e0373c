"""INT8 weights for float arithmetic: a quarter of the size, no calibration."""

from quantize.recipe import Recipe, StoredWeights

RECIPE = Recipe(
    name="int8_weight_only",
    summary="INT8 weights, one scale an output channel, float16 arithmetic",
    storage="float16",
    weights=StoredWeights(bits=(8,), average=8, palette=False),
)
