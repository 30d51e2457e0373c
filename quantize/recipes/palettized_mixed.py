"""Weights in palettes of 4, 6 or 8 bits, by what each layer needs: 4.5 bits a weight."""

from quantize.recipe import Recipe, StoredWeights

RECIPE = Recipe(
    name="palettized_mixed",
    summary="weights palettized in 4, 6 or 8 bits by layer, float16 arithmetic",
    storage="float16",
    weights=StoredWeights(bits=(4, 6, 8), average=4.5, palette=True),
)
