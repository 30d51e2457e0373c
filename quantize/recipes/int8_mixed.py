"""Static INT8 convolutions with dynamic INT8 linears, for tokens whose range varies by image."""

from quantize.recipe import Recipe

RECIPE = Recipe(
    name="int8_mixed",
    summary="INT8 static convolutions and dynamic linears, per-channel weights",
    convolution="static",
    linear="dynamic",
)
