"""ExecuTorch with Core ML: a ``.pte`` whose one delegate is a Core ML program."""

from export_targets.coreml_family import (
    FP16_GATES,
    INT8_GATES,
    INT8_OPERATORS,
    float_rules,
    forms,
)
from export_targets.target import Target

TARGET = Target(
    name="coreml_pte",
    summary="ExecuTorch .pte with one Core ML delegate, for iOS 17",
    file="model.pte",
    runner="interpreter",
    default_recipe="fp16",
    forms=forms,
    float_rules=float_rules,
    gates={"fp16": FP16_GATES, "int8": INT8_GATES},
    lowering="coreml.delegate",
    int8_operators=INT8_OPERATORS,
    float_bytes=2,
    packages=("executorch", "coremltools"),
    options={"minimum-deployment": ("iOS17", "iOS18")},
)
