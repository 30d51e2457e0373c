"""Lowering to a ``.pte`` whose one delegate is a Core ML program."""

from pathlib import Path

import coremltools as ct
import torch
from executorch.backends.apple.coreml.compiler import CoreMLBackend
from executorch.backends.apple.coreml.partition import CoreMLPartitioner
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

from export_targets.lowering.coreml.convert import (
    count_names_anew,
    quiet_converter,
    saved_in_order,
)
from export_targets.lowering.coreml.quantizer import quantizer
from export_targets.lowering.delegates import inspect, read_delegates
from export_targets.target import Lowered, Lowering

__all__ = ["inspect", "lower", "quantizer"]


def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
    """Lower to a ``.pte`` at ``path`` and say what Core ML took."""
    options = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target[lowering.options["minimum-deployment"]],
        compute_precision=ct.precision.FLOAT16,
    )
    count_names_anew()
    with quiet_converter(), saved_in_order():
        edge = to_edge_transform_and_lower(
            program,
            partitioner=[CoreMLPartitioner(compile_specs=options)],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    graph_module = edge.exported_program().graph_module
    lowered = read_delegates(graph_module, {}, "Core ML's partitioner does not take it")
    with path.open("wb") as file:
        edge.to_executorch().write_to_file(file)
    return lowered
