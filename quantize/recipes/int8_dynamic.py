"""Dynamic INT8: ranges of activations from each image at run time."""

from quantize.recipe import Recipe

RECIPE = Recipe(
    name="int8_dynamic",
    summary="INT8 convolutions and linears, ranges of each image, per-channel weights",
    convolution="dynamic",
    linear="dynamic",
)
