"""XNNPACK's partitioner, with what its library leaves out."""

from typing import Any

import torch
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import ConstantPadConfig
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner


class PadConfig(ConstantPadConfig):  # type: ignore[misc]
    """Takes the pad of an INT8 map as one; the library's converts to float and back."""

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]


class WholePartitioner(XnnpackPartitioner):  # type: ignore[misc]  # the library has no types
    def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[Any, Any]:
        kept, takes = super().ops_to_not_decompose(ep)
        whole = all(takes(node) for node in ep.graph.nodes if node.target in kept)
        return kept, None if whole else takes


def partitioner() -> XnnpackPartitioner:
    """XNNPACK's partitioner, which also takes INT8 pads, and asks for one decomposition of the
    program instead of three where it takes every operator that it wants kept whole.
    """
    configs = [PadConfig if c is ConstantPadConfig else c for c in ALL_PARTITIONER_CONFIGS]
    return WholePartitioner(configs=configs)
