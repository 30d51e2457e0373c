"""From an exported program to a ``.pte`` for Vulkan: what its runtime needs, checked."""

from export_targets.lowering.delegates import inspect
from export_targets.lowering.vulkan.pte import lower
from export_targets.lowering.vulkan.quantizer import quantizer

__all__ = ["inspect", "lower", "quantizer"]
