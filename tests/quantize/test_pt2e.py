"""PT2E quantization of small modules with the INT8 configuration."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationConfig,
    Quantizer,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edge_models.parity import measure
from quantize.pt2e import drop_saturated_relu, int8_config, quantize
from quantize.recipe import Activations

WEIGHTED = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)


class EverythingWeighted(Quantizer):  # type: ignore[misc]  # no types there
    """Quantizes every convolution and linear."""

    def __init__(self, config: QuantizationConfig) -> None:
        self.config = config

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        for node in model.graph.nodes:
            if node.target in WEIGHTED:
                inputs = {
                    node.args[0]: self.config.input_activation,
                    node.args[1]: self.config.weight,
                }
                node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                    inputs, self.config.output_activation, _annotated=True
                )
        return model

    def validate(self, model: fx.GraphModule) -> None:
        pass


def convolutions() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 1)).eval()


def linears() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 6)).eval()


def images(count: int, seed: int, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, 12, 16, generator=generator) * scale for _ in range(count)]


def rows(count: int, seed: int, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 16, generator=generator) * scale for _ in range(count)]


def quantized(module: nn.Module, activations: Activations, batches: list[Tensor]) -> fx.GraphModule:
    exported = torch.export.export(module, (batches[0],)).module()
    assert isinstance(exported, fx.GraphModule)
    return quantize(exported, EverythingWeighted(int8_config(activations)), batches, lambda: None)


def sqnr(module: nn.Module, after: fx.GraphModule, inputs: list[Tensor]) -> float:
    with torch.no_grad():
        expected, actual = (torch.cat([m(x) for x in inputs]) for m in (module, after))
    return measure(expected.flatten(1), actual.flatten(1)).sqnr_db


def calls(module: fx.GraphModule, part: str) -> list[fx.Node]:
    return [node for node in module.graph.nodes if part in str(node.target)]


def test_static_convolutions_stay_close_to_float() -> None:
    module = convolutions()
    after = quantized(module, "static", images(16, seed=2))
    assert 30 < sqnr(module, after, images(4, seed=3)) < 60


def test_dynamic_linears_stay_close_to_float_without_a_range() -> None:
    module = linears()
    after = quantized(module, "dynamic", rows(1, seed=2))
    assert len(calls(after, "choose_qparams")) == 2
    assert 30 < sqnr(module, after, rows(4, seed=3, scale=50.0)) < 60


def test_static_ranges_are_those_of_the_batches() -> None:
    module = convolutions()
    for layer in module.children():
        if hasattr(layer, "bias"):  # as large as all that differs between such small images
            layer.register_parameter("bias", None)
    after = quantized(module, "static", images(16, seed=2, scale=0.02))
    assert sqnr(module, after, images(4, seed=3, scale=0.02)) > 30
    assert sqnr(module, after, images(4, seed=3)) < 10


@pytest.mark.parametrize(
    ("activations", "build", "make"), [("static", convolutions, images), ("dynamic", linears, rows)]
)
def test_small_activations_are_not_rounded_to_zero(
    activations: Activations, build: Callable[[], nn.Module], make: Callable[..., list[Tensor]]
) -> None:
    module = build()
    for layer in module.children():
        if hasattr(layer, "bias"):
            layer.register_parameter("bias", None)
    after = quantized(module, activations, make(16, seed=2, scale=1e-4))
    assert sqnr(module, after, make(4, seed=3, scale=1e-4)) > 30


def test_small_weights_are_not_rounded_to_zero() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False)).eval()
    with torch.no_grad():
        module[0].weight.mul_(1e-4)
    after = quantized(module, "static", images(16, seed=2))
    assert sqnr(module, after, images(4, seed=3)) > 30


def test_weights_are_symmetric_with_one_scale_an_output_channel() -> None:
    module = convolutions()
    factors = torch.logspace(-3, 1, 8).view(-1, 1, 1, 1)
    with torch.no_grad():
        module[0].weight *= factors
    weight = module[0].weight.detach().clone()
    after = quantized(module, "static", images(4, seed=2))
    first = calls(after, "dequantize_per_channel")[0]
    _, scales, zeros, axis, low, high, dtype = first.args
    state = {**dict(after.named_buffers()), **dict(after.named_parameters())}
    assert (axis, low, high, dtype) == (0, -127, 127, torch.int8)
    assert torch.equal(state[zeros.target], torch.zeros(8, dtype=torch.int64))
    torch.testing.assert_close(
        state[scales.target].float(), weight.abs().amax(dim=(1, 2, 3)) / 127, rtol=0.02, atol=0
    )


def test_static_quantizes_outputs_and_dynamic_does_not() -> None:
    static, dynamic = int8_config("static"), int8_config("dynamic")
    assert static.output_activation == static.input_activation
    assert dynamic.output_activation is None
    assert (static.input_activation.is_dynamic, dynamic.input_activation.is_dynamic) == (
        False,
        True,
    )
    for config in (static, dynamic):
        assert config.weight.ch_axis == 0
        assert config.weight.qscheme == torch.per_channel_symmetric
        assert config.bias is None


@pytest.mark.parametrize("activations", ["static", "dynamic"])
def test_smallest_scale_holds_for_weights_and_activations(activations: Activations) -> None:
    config = int8_config(activations)
    for spec in (config.weight, config.input_activation):
        assert float(spec.observer_or_fake_quant_ctr().eps) == 2.0**-24


def test_progress_is_told_of_each_batch() -> None:
    batches, seen = images(5, seed=2), []
    exported = torch.export.export(convolutions(), (batches[0],)).module()
    quantize(exported, EverythingWeighted(int8_config("static")), batches, lambda: seen.append(1))
    assert len(seen) == 5


def test_quantization_is_repeatable() -> None:
    first, again = (quantized(convolutions(), "static", images(4, seed=2)) for _ in range(2))
    x = images(1, seed=3)[0]
    with torch.no_grad():
        assert torch.equal(first(x), again(x))


class Rectified(nn.Module):
    """ReLU(x) rounded to steps of 0.1; the smallest integer is -0.1 * (128 + zero point)."""

    def __init__(self, zero_point: int) -> None:
        super().__init__()
        self.zero_point = zero_point

    def forward(self, x: Tensor) -> Tensor:
        limits = (0.1, self.zero_point, -128, 127, torch.int8)
        operators = torch.ops.quantized_decomposed
        integers = operators.quantize_per_tensor(torch.relu(x), *limits)
        return operators.dequantize_per_tensor(integers, *limits)


@pytest.mark.parametrize(("zero_point", "left"), [(-128, 0), (-100, 1)])
def test_a_relu_goes_where_saturation_does_the_same(zero_point: int, left: int) -> None:
    (x,) = rows(1, seed=3)
    graph = torch.export.export(Rectified(zero_point), (x,)).module()
    assert isinstance(graph, fx.GraphModule)
    before = graph(x)
    assert before.min() == 0
    drop_saturated_relu(graph)
    targets = [node.target for node in graph.graph.nodes]
    assert targets.count(torch.ops.aten.relu.default) == left
    assert torch.equal(graph(x), before)
