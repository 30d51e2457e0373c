"""A file that leaves its graph: the layer in which it does so is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from edge_models.spec import InputSpec
from export_targets.lowering.xnnpack import lower, quantizer
from export_targets.prove.first_apart import first_apart
from export_targets.runners import host
from export_targets.target import Lowering
from quantize.pt2e import quantize
from quantize.recipe import recipe_named

INT8 = recipe_named("int8")
LEAST_DB = 20.0


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.third, self.head = nn.Conv2d(8, 8, 3), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.third(torch.relu(self.second(torch.relu(self.first(x))))))
        return self.head(x.mean((2, 3)))


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(6, 1, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def run(tmp_path: Path) -> Callable[[torch.export.ExportedProgram, Tensor], Tensor]:
    def run(program: torch.export.ExportedProgram, chosen: Tensor) -> Tensor:
        path = tmp_path / "cut.pte"
        lower(program, Lowering(INT8, InputSpec(), {}, (), {}), path)
        forward = host.load(path)
        return torch.stack([forward(sample) for sample in chosen])

    return run


def quantized(module: nn.Module, inputs: Tensor) -> torch.export.ExportedProgram:
    graph = torch.export.export(module.eval(), (inputs[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    return torch.export.export(
        quantize(graph, quantizer(INT8, ()), inputs, lambda: None), (inputs[0],)
    )


def layers() -> Layers:
    torch.manual_seed(1)
    return Layers().requires_grad_(False)


def test_a_bias_that_does_not_fit_is_named(
    inputs: Tensor,
    run: Callable[[torch.export.ExportedProgram, Tensor], Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quantize.pt2e.fit_biases", lambda quantized: None)
    module = layers()
    module.second.weight[:6] = 0
    module.second.bias[:6] = 2.0
    said = first_apart(quantized(module, inputs), inputs, LEAST_DB, run)
    assert said.startswith("second (conv2d) is the first layer that is not its graph's")
    assert said.endswith(
        "the bias of second passes int32: a channel's weights are zero or close to it"
    )


def test_a_fault_of_the_runtime_is_found_where_it_begins(
    inputs: Tensor, run: Callable[[torch.export.ExportedProgram, Tensor], Tensor]
) -> None:
    def faulty(program: torch.export.ExportedProgram, chosen: Tensor) -> Tensor:
        calls = [node for node in program.graph.nodes if "conv2d" in str(node.target)]
        found = run(program, chosen)
        return found if len(calls) < 3 else found.flip(-1)

    program = quantized(layers(), inputs)
    said = first_apart(program, inputs, LEAST_DB, faulty)
    assert said.startswith("third (conv2d)")
    assert said.endswith("likely a kernel of the runtime")
    assert first_apart(program, inputs, LEAST_DB, run).startswith("each layer's result")
