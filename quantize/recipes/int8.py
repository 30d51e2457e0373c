"""Static INT8: ranges of activations from calibration images."""

from quantize.recipe import Recipe

RECIPE = Recipe(
    name="int8",
    summary="INT8 convolutions and linears, static activations, per-channel weights",
    convolution="static",
    linear="static",
)
