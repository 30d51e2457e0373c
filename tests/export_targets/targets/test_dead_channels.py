"""Dead, pruned and faint channels in INT8: the file for XNNPACK equals its graph within a step."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from edge_models.spec import InputSpec
from export_targets.lowering.xnnpack import lower, quantizer
from export_targets.runners import host
from export_targets.target import Lowering
from quantize.pt2e import quantize
from quantize.recipe import recipe_named

CHANNELS = 24
INT8 = recipe_named("int8")
FACTORS = (0.0, 1e-12, 1e-7, 1e-5, 1e-3, 1.0)  # of a channel's weights
LAYERS = {
    "convolution": lambda: nn.Conv2d(8, CHANNELS, 3, padding=1),
    "depthwise": lambda: nn.Conv2d(8, CHANNELS, 3, groups=8),
    "linear": lambda: nn.Linear(8, CHANNELS),
}


def file_and_graph(module: nn.Module, inputs: Tensor, path: Path) -> tuple[Tensor, Tensor, float]:
    """The saved file's results, the quantized graph's, and the step of them; 0 where they are not
    rounded.
    """
    graph = torch.export.export(module, (inputs[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    after = quantize(graph, quantizer(INT8, ()), inputs, lambda: None)
    lower(torch.export.export(after, (inputs[0],)), Lowering(INT8, InputSpec(), {}, (), {}), path)
    forward = host.load(path)
    last = [node for node in after.graph.nodes if "quantize_per_tensor" in node.name][-1]
    expected = torch.cat([after(x) for x in inputs])
    found = torch.cat([forward(x).flatten() for x in inputs])  # a map is one row of numbers
    step = last.args[1] if isinstance(last.args[1], float) else 0.0
    return found.view_as(expected), expected, step


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    bias=st.floats(1, 4),
    scale=st.floats(-3, 0),
    rectified=st.booleans(),
)
def test_any_channels_and_biases(
    kind: str, tmp_path: Path, seed: int, bias: float, scale: float, rectified: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = LAYERS[kind]().requires_grad_(False)
    factors = torch.tensor(FACTORS).repeat(CHANNELS // len(FACTORS))
    layer.weight *= factors.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.bias.copy_(torch.randn(CHANNELS, generator=generator) * 10**bias)
    shape = (4, 8) if kind == "linear" else (1, 8, 6, 6)
    inputs = torch.randn(4, *shape, generator=generator) * 10**scale
    clipped = (
        rectified or kind == "linear"
    )  # alone it would be the last one, whose logits are float
    module = nn.Sequential(layer, nn.ReLU()) if clipped else nn.Sequential(layer)
    found, expected, step = file_and_graph(module.eval(), inputs, tmp_path / "model.pte")
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1.01 * step


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_layer_that_no_image_excites_loads(kernel: int, tmp_path: Path) -> None:
    last = nn.Conv2d(4, 4, kernel)
    layers = nn.Sequential(nn.Conv2d(8, 4, 3), nn.ReLU(), last).requires_grad_(False)
    layers[0].bias.sub_(100)
    inputs = torch.randn(4, 1, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    found, expected, step = file_and_graph(layers.eval(), inputs, tmp_path / "model.pte")
    assert expected.abs().max() > 0
    assert (step > 0) == (kernel > 1)  # what leaves by a 1x1 convolution is not rounded
    assert (found - expected).abs().max() <= (1.01 * step or 1e-6)
