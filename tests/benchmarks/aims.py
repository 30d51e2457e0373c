"""What the edge form is to reach: the ratio of another side's time to its own, same recipe, and
instructions on ARM64.
"""

from export_targets.runners.linux import DEFAULT_CPU, I8MM_CPU

# (family, side, recipe): at least this many times the edge form's time.
ON_VNNI = {
    ("cotnet", "published", "int8"): 7.6,
    ("cotnet", "openvino", "int8"): 3.0,
    ("conformer", "published", "int8"): 1.6,
    ("conformer", "openvino", "int8"): 1.4,
    ("official_cotnet", "published", "int8"): 45.0,
    ("official_cotnet", "onnxruntime", "int8"): 4.8,
    ("official_cotnet", "openvino", "int8"): 2.7,
}
ON_AVX2 = {
    ("cotnet", "published", "int8"): 1.9,
    ("conformer", "published", "int8"): 1.7,
}
EVERYWHERE = {
    ("cotnet", "published", "fp32"): 3.0,
    ("conformer", "published", "fp32"): 1.2,
    ("cotnet", "onnxruntime", "fp32"): 1.0,
    ("cotnet", "openvino", "fp32"): 1.0,
    ("conformer", "onnxruntime", "fp32"): 0.95,
    ("conformer", "openvino", "fp32"): 1.05,
}
# (model, processor): at most so many G instructions of an INT8 inference at 224.
INSTRUCTIONS = {
    ("cotnet50_simple", DEFAULT_CPU): 0.415,
    ("cotnet50_simple", I8MM_CPU): 0.395,
    ("conformer_small_patch16", DEFAULT_CPU): 0.985,
    ("conformer_small_patch16", I8MM_CPU): 0.925,
}
SIZE = 3.8  # an FP32 file's size to the INT8 file's


def aim(family: str, form: str, recipe: str, isa: str) -> float | None:
    """The aim for a side on a processor with these instruction sets; None where there is none."""
    special = ON_VNNI if "vnni" in isa else ON_AVX2
    return {**EVERYWHERE, **special}.get((family, form, recipe))
