"""Lowering to a ``.pte`` for Vulkan."""

from dataclasses import replace
from pathlib import Path

import torch
from executorch.exir import to_edge_transform_and_lower

from export_targets.interpret.vk.read import read_delegate
from export_targets.lowering.delegates import read_delegates
from export_targets.lowering.provenance import drop_provenance
from export_targets.lowering.vulkan.limits import beyond_limits
from export_targets.lowering.vulkan.partition import CheckedPartitioner, vulkan_log
from export_targets.lowering.vulkan.untaken import refuse_untaken
from export_targets.target import Lowered, Lowering


def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
    """Lower to a ``.pte`` at ``path`` and say what Vulkan took.

    Raises InputError for what the runtime is known to get wrong, or not known to take.
    """
    drop_provenance(program.graph_module)
    with vulkan_log() as log:
        # images of at most 2048 a side, which every phone's GPU takes
        options = {
            "small_texture_limits": True,
            "force_fp16": lowering.recipe.storage == "float16",
        }
        edge = to_edge_transform_and_lower(
            program,
            transform_passes=[drop_provenance],
            partitioner=[CheckedPartitioner(options, log)],
        )
        whole = edge.exported_program().graph_module
        lowered = read_delegates(whole, log.reasons, "Vulkan has no operator for it")
        executable = edge.to_executorch()
    with path.open("wb") as file:
        executable.write_to_file(file)
    if not lowered.delegation.whole:
        return lowered
    graph = read_delegate(path)
    refuse_untaken(graph, whole)
    delegation = lowered.delegation.model_copy(update={"dispatches": len(graph.calls)})
    return replace(lowered, delegation=delegation, notes=beyond_limits(graph))
