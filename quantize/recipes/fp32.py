"""Everything in float32."""

from quantize.recipe import Recipe

RECIPE = Recipe(name="fp32", summary="float32 weights and activations")
