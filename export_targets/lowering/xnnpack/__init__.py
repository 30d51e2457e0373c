"""From an exported program to a ``.pte`` for XNNPACK."""

from export_targets.lowering.delegates import inspect
from export_targets.lowering.xnnpack.pte import lower
from export_targets.lowering.xnnpack.quantizer import quantizer

__all__ = ["inspect", "lower", "quantizer"]
