"""The edge forms of SE-CoTNetD's own layers."""

import pytest
import torch
from torch import nn

from edge_models.edge.forms.blur_pool import BlurPoolByMeans, BlurPoolDepthwise
from edge_models.edge.split_attention import SplitAttention
from edge_models.reference import split_attention as reference
from tests.edge_models.layers import made


@pytest.mark.parametrize("form", [BlurPoolDepthwise, BlurPoolByMeans])
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (8, 2)])
def test_blur_pool_needs_no_reflection(
    form: type[nn.Module], size: tuple[int, int], generator: torch.Generator
) -> None:
    source = reference.BlurPool(3)
    edge = form(source.weight)
    x = torch.randn(2, 3, *size, generator=generator)
    torch.testing.assert_close(edge(x), source(x))
    graph = torch.export.export(edge, (x,)).graph
    found = {str(node.target) for node in graph.nodes if node.op == "call_function"}
    assert not [name for name in found if "pad" in name]
    assert ("aten.conv2d.default" in found) == (form is BlurPoolDepthwise)


@pytest.mark.parametrize("stride", [1, 2])
def test_split_attention_has_no_norms(stride: int, generator: torch.Generator) -> None:
    source = made(reference.SplitAttention, dim=8, stride=stride)
    edge = SplitAttention(source)
    x = torch.randn(2, 8, 6, 4, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(edge(x), source(x), rtol=1e-4, atol=1e-6)
    assert not [module for module in edge.modules() if "Norm" in type(module).__name__]
