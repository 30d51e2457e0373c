"""XNNPACK's partitioner, with what its library leaves out."""

from itertools import chain
from typing import Any

import torch
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import (
    BMMConfig,
    CatConfig,
    ConstantPadConfig,
)
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from torch.fx.passes.infra.partitioner import Partition


class AlsoInt8:
    """Takes an operator of INT8 numbers too, of which the library takes floats alone."""

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]


class PadConfig(AlsoInt8, ConstantPadConfig):  # type: ignore[misc]
    """The pad of a map; the library converts it to float and back."""


class ProductConfig(AlsoInt8, BMMConfig):  # type: ignore[misc]
    """The product of two activations."""


class CopiesConfig(CatConfig):  # type: ignore[misc]
    """Takes a tensor beside itself; the library's counts it once and asks for two."""

    def check_constraints(self, node: torch.fx.Node, ep: torch.export.ExportedProgram) -> bool:
        tensors: Any = node.args[0]
        copies = len(node.all_input_nodes) == 1 < len(tensors)
        checked = self.check_common_constraints if copies else super().check_constraints
        return bool(checked(node, ep))


class WholePartitioner(XnnpackPartitioner):  # type: ignore[misc]  # the library has no types
    def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[Any, Any]:
        kept, takes = super().ops_to_not_decompose(ep)
        whole = all(takes(node) for node in ep.graph.nodes if node.target in kept)
        return kept, None if whole else takes

    def generate_partitions(self, ep: torch.export.ExportedProgram) -> list[Partition]:
        taken = set(chain.from_iterable(self.get_matched_nodes_from_configs(ep)))
        nodes = ep.graph.nodes
        if all(node in taken for node in nodes if node.op == "call_function"):
            return [Partition(id=0, nodes=[node for node in nodes if node in taken])]
        return list(super().generate_partitions(ep))


def partitioner() -> XnnpackPartitioner:
    """XNNPACK's partitioner, which also takes INT8 pads, products of INT8 activations and
    copies, and asks for one decomposition of the program instead of three where it takes every
    operator that it wants kept whole. A program that it takes whole is one partition; the library
    joins pairs of them, in an order that leaves several where inputs have ranges of their own.
    """
    ours = {ConstantPadConfig: PadConfig, BMMConfig: ProductConfig, CatConfig: CopiesConfig}
    configs = [ours.get(config, config) for config in ALL_PARTITIONER_CONFIGS]
    return WholePartitioner(configs=configs)
