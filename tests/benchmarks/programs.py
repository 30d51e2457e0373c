"""What a build lowers, made as the pipeline makes it but on inputs of a benchmark's own."""

import torch
from torch import Tensor, fx, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.edge import edge_form
from edge_models.spec import ModelSpec
from export_targets.represent import with_weights
from export_targets.target import Target
from quantize.palettes import palettized
from quantize.pt2e import quantize
from quantize.recipe import Recipe


def quantized_graph(
    module: nn.Module,
    spec: ModelSpec,
    target: Target,
    recipe: Recipe,
    images: Tensor,
    batch: int = 1,
) -> fx.GraphModule:
    """The quantized graph of a model's module, calibrated on ``images`` (N, 3, H, W)."""
    program = torch.export.export(module, (images[:batch],))
    quantizer = target.quantizer(recipe, target.rules(spec, recipe))
    return quantize(program.module(), quantizer, images.split(batch), lambda: None)


def lowerable(
    module: nn.Module, spec: ModelSpec, target: Target, recipe: Recipe, images: Tensor
) -> torch.export.ExportedProgram:
    """The program that a target lowers; ``images`` (N, 3, H, W) shape and calibrate it."""
    if recipe.quantized:
        module = quantized_graph(module, spec, target, recipe, images)
    program = torch.export.export(module, (images[:1],))
    stored = recipe.weights
    if stored is None or not stored.palette:
        return program
    graph, each = program.module(), images.split(1)
    return with_weights(program, palettized(graph, each, stored.bits, stored.average, lambda: None))


def edge_program(
    model: str, target: Target, recipe: Recipe, images: Tensor
) -> torch.export.ExportedProgram:
    """The edge form of a model of the catalog, with seeded random weights, as a target lowers it;
    ``images`` (N, 3, H, W) as for ``lowerable``.
    """
    spec = model_spec(model)
    loaded = load_reference(spec, None, 0)
    module = edge_form(spec, loaded.module, spec.input.size, 1, "mean", target.forms())
    return lowerable(module, spec, target, recipe, images)
