"""What XNNPACK's quantizer does beyond the library's own."""

import torch
from torch import fx, nn

from edge_models.edge.folding import affine_of
from edge_models.edge.primitives import StemByColumnPairs
from export_targets.targets.xnnpack import quantizer
from quantize.pt2e import quantize
from quantize.recipe import recipe_named


def test_pairs_of_columns_keep_the_scale_of_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(3, 8, 7, 2, 3)
    images = torch.randn(4, 1, 3, 32, 32, generator=generator)
    stem = StemByColumnPairs(affine_of(convolution), convolution)
    graph = torch.export.export(stem, (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    quantized = quantize(graph, quantizer(recipe_named("int8"), ()), images, lambda: None)
    grids = [
        node.args[1:3]
        for node in quantized.graph.nodes
        if node.target == torch.ops.quantized_decomposed.quantize_per_tensor.default
    ]
    assert len(grids) == 3  # of the image, its pairs, the result
    assert grids[0] == grids[1] != grids[2]
