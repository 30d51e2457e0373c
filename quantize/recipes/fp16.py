"""Half precision: the size and the speed of float16 without calibration."""

from quantize.recipe import Recipe

RECIPE = Recipe(name="fp16", summary="float16 weights and activations", storage="float16")
