"""``sensitivity``: what each module of an artifact costs in INT8, without calibrating again."""

from pathlib import Path

import torch
from torch import Tensor, fx

from edge_models.errors import InputError
from edge_models.own_network import Network
from export_targets.artifact.folder import LOWERED, Artifact, open_artifact
from export_targets.artifact.sensitivity import Sensitivity, write_sensitivity
from export_targets.lowering.export import exported, own_exported
from export_targets.progress import Reporter
from export_targets.prove import programs
from export_targets.prove.verify import folder_images
from export_targets.search.groups import groups
from export_targets.search.sensitivity import described, module_costs
from export_targets.search.simulation import Simulation
from quantize.recipe import recipe_named


def sensitivity(
    folder: Path,
    images: Path | None,
    trust_graphs: bool,
    reporter: Reporter,
    strict: bool = False,
    network: Network = None,
) -> Sensitivity:
    """Measure on the golden inputs of an artifact, or on the images of a folder, and store it
    there. ``network`` is one's own. Raises InputError.
    """
    artifact = open_artifact(folder)
    if not recipe_named(artifact.manifest.recipe).quantized:
        raise InputError(
            f"{folder} has the recipe {artifact.manifest.recipe}: nothing in it is in INT8.",
            "Build it with --recipe int8.",
        )
    if artifact.manifest.form == "published":
        raise InputError(
            f"{folder} is of the published form; what a module costs is measured in the edge form.",
            "Build it without --form published.",
        )
    if not trust_graphs:
        raise InputError(
            f"The quantized graph of {folder} can carry code.",
            "Say --trust-graphs where you trust the artifact.",
        )
    inputs, source = artifact.inputs(), artifact.manifest.golden.source
    if images is not None:
        read = folder_images(artifact, images, strict, reporter)
        inputs, source = programs.normalized(artifact, read.pixels), read.source
    elif artifact.manifest.input.normalization == "model":
        inputs = programs.normalized(artifact, inputs.round().to(torch.uint8))
    with reporter.stage("Float graph"):
        floating = _floating(artifact, network, trust_graphs, inputs[0])
    quantized = programs.load(artifact, LOWERED)
    simulation, modules = _simulation(artifact, floating, quantized), groups(quantized)
    output = artifact.manifest.output
    with reporter.steps(f"What each of {len(modules)} modules costs", len(inputs)) as advance:
        costs = module_costs(simulation, modules, inputs, output, True, advance)
    found = described(costs, simulation, artifact.manifest.name, source, len(inputs))
    write_sensitivity(folder, found)
    return found


def _floating(
    artifact: Artifact, network: Network, trust_graphs: bool, sample: Tensor
) -> fx.GraphModule:
    edge = programs.edge(artifact, programs.reference(artifact, network, trust_graphs))
    if edge is None:
        raise InputError(
            f"The edge form of {artifact.folder} is made from the network.",
            "Say --model FILE.py:FUNCTION.",
        )
    export = own_exported if artifact.manifest.own else exported
    return export(edge, sample).module()


def _simulation(
    artifact: Artifact, floating: fx.GraphModule, quantized: fx.GraphModule
) -> Simulation:
    try:
        return Simulation(floating, quantized)
    except ValueError as error:  # made by other versions
        raise InputError(
            f"The quantized graph of {artifact.folder} is not made from the edge form of today.",
            "Build the artifact again.",
        ) from error
