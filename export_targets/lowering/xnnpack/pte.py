"""Lowering to a ``.pte`` for XNNPACK."""

from pathlib import Path

import torch
from executorch.backends.xnnpack.utils.configs import (
    get_transform_passes,
    get_xnnpack_edge_compile_config,
    get_xnnpack_executorch_backend_config,
)
from executorch.exir import to_edge_transform_and_lower

from export_targets.lowering.delegates import RefusalLog, read_delegates
from export_targets.lowering.idle_passes import idle_passes_left_out
from export_targets.lowering.provenance import drop_provenance
from export_targets.lowering.xnnpack.bounded_softmax import drop_bounded_maximum
from export_targets.lowering.xnnpack.dynamic_ranges import inputs_laid_out, separate_inputs
from export_targets.lowering.xnnpack.partitioner import partitioner
from export_targets.target import Lowered, Lowering


def lower(program: torch.export.ExportedProgram, _: Lowering, path: Path) -> Lowered:
    """Lower to a ``.pte`` at ``path`` and say what XNNPACK took."""
    drop_provenance(program.graph_module)
    separate_inputs(program.graph_module)
    refused = RefusalLog("executorch.backends.xnnpack.partition")
    with idle_passes_left_out(), inputs_laid_out(), refused as refusals:
        edge = to_edge_transform_and_lower(
            program,
            transform_passes=get_transform_passes([drop_bounded_maximum, drop_provenance]),
            partitioner=[partitioner()],
            compile_config=get_xnnpack_edge_compile_config(),
        )
    whole = edge.exported_program().graph_module
    lowered = read_delegates(whole, refusals.reasons, "XNNPACK has no operator for it")
    executable = edge.to_executorch(get_xnnpack_executorch_backend_config())
    with path.open("wb") as file:
        executable.write_to_file(file)
    return lowered
