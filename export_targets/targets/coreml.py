"""Core ML: an ``.mlpackage`` with an ML program, for the Neural Engine first."""

from export_targets.coreml_family import (
    FP16_GATES,
    FP32_GATES,
    INT8_GATES,
    INT8_OPERATORS,
    WEIGHTS_GATES,
    float_rules,
    forms,
)
from export_targets.target import Target

TARGET = Target(
    name="coreml",
    summary="Core ML .mlpackage for Xcode: an ML program for iOS 17",
    file="model.mlpackage",
    runner="interpreter",
    default_recipe="fp16",
    forms=forms,
    float_rules=float_rules,
    gates={
        "fp32": FP32_GATES,
        "fp16": FP16_GATES,
        "int8": INT8_GATES,
        **WEIGHTS_GATES,
    },
    lowering="coreml.package",
    int8_operators=INT8_OPERATORS,
    float_bytes=2,
    packages=("coremltools", "executorch"),
    options={
        "input": ("image", "tensor"),
        "output": ("class", "logits"),
        "minimum-deployment": ("iOS17", "iOS16", "iOS18"),
    },
    excluded=(("int8", "minimum-deployment", "iOS16"),),  # its quantize came with iOS 17
    other_runners={"exact": "interpreter_float32"},
)
