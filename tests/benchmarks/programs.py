"""What a build lowers, made as the pipeline makes it but on inputs of a benchmark's own."""

import torch
from torch import Tensor, fx, nn

from edge_models.spec import ModelSpec
from export_targets.target import Target
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
    """The program that a target lowers; ``images`` (N, 3, H, W) shape it and calibrate INT8."""
    if recipe.quantized:
        module = quantized_graph(module, spec, target, recipe, images)
    return torch.export.export(module, (images[:1],))
