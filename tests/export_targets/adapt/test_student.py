"""What learns: a model in a recipe's numbers beside what a build makes, and its gradients."""

from functools import cache

import pytest
import torch
from torch import Tensor, fx

from edge_models.checkpoint import load_reference
from edge_models.parity import measure
from export_targets.adapt.learning import BATCH
from export_targets.adapt.student import Answer, in_int8, in_palettes, live_weights
from export_targets.plan import Plan, choose_images, resolve
from export_targets.progress import silent_reporter
from export_targets.represent import palettized_program
from export_targets.request import BuildRequest
from quantize.palettes import weighted_layers
from tests.conftest import Built
from tests.export_targets.search.quantized import Graphs

INT8 = (
    ("digits_cotnet", "xnnpack"),
    ("digits_conformer", "xnnpack"),
    ("digits_conformer", "coreml"),
)
BITS = 4
CHANGED = "blocks.0.conv3.weight"  # of the edge form


graphs = cache(Graphs)


@pytest.mark.parametrize(("model", "target"), INT8)
def test_it_answers_as_the_quantized_graph_and_every_parameter_has_a_gradient(
    model: str, target: str
) -> None:
    made = graphs(model, target)
    plan, inputs, quantized = made.plan, made.inputs[:BATCH, 0], made.quantized()
    module = load_reference(plan.spec, None).module.requires_grad_(True)
    found = in_int8(made.program.module(), quantized)(live_weights(plan, module), inputs)
    with torch.no_grad():
        expected = torch.cat([quantized(image) for image in inputs.split(1)])
    assert measure(expected, found.detach()).sqnr_db > 100
    found.square().sum().backward()
    flat = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert not flat


def test_its_answer_follows_the_weights() -> None:
    made = graphs("digits_cotnet", "xnnpack")
    plan, inputs = made.plan, made.inputs[:BATCH, 0]
    answer = in_int8(made.program.module(), made.quantized())
    module = load_reference(plan.spec, None).module.requires_grad_(False)
    before = answer(live_weights(plan, module), inputs)
    module.get_parameter("layer1.0.conv3.weight").zero_()
    assert measure(before, answer(live_weights(plan, module), inputs)).sqnr_db < 10


def in_palettes_of(
    plan: Plan, program: torch.export.ExportedProgram
) -> tuple[fx.GraphModule, Answer]:
    """The program as a build lowers it, and what learns in its palettes."""
    calibration, stored = choose_images(plan, silent_reporter()).calibration, plan.recipe.weights
    assert stored is not None
    built = palettized_program(plan, program, stored, calibration, silent_reporter()).module()
    return built, in_palettes(program.module(), weighted_layers(built))


def test_palettes_are_those_of_the_built_file(built: Built) -> None:
    result = built("digits_cotnet", "coreml", f"palettized_{BITS}bit")
    assert result.parity is not None
    (stored,) = (hop for hop in result.parity.hops if hop.name == "quantize")
    made = graphs("digits_cotnet", "coreml")
    inputs, program = made.inputs[:BATCH, 0], made.program
    plan = resolve(BuildRequest("digits_cotnet", "coreml", recipe=f"palettized_{BITS}bit"))
    _, answer = in_palettes_of(plan, program)
    module = load_reference(plan.spec, None).module.requires_grad_(False)
    weights = live_weights(plan, module)
    with torch.no_grad():
        expected = torch.cat([program.module()(image) for image in inputs.split(1)])
        found = measure(expected, answer(weights, inputs))
    assert stored.median_sqnr_db is not None
    assert abs(found.median_sqnr_db - stored.median_sqnr_db) < 3
    held: dict[str, Tensor] = {}

    def look(module: torch.nn.Module, tensors: dict[str, Tensor], inputs: object) -> Tensor:
        held.update(tensors)
        return torch.zeros(1, 10)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export_targets.adapt.student.functional_call", look)
        answer(weights, inputs)
    assert held["blocks.0.conv3.weight"].unique().numel() <= 2**BITS
    assert held["blocks.0.conv3.bias"].equal(weights["blocks.0.conv3.bias"])


def test_palettes_are_those_of_a_build_and_follow_the_weights() -> None:
    made = Graphs("digits_cotnet", "coreml", "palettized_mixed")
    plan, inputs = made.plan, made.inputs[:BATCH, 0]
    built, answer = in_palettes_of(plan, made.program)
    module = load_reference(plan.spec, None).module.requires_grad_(True)
    weights = live_weights(plan, module)
    found = answer(weights, inputs)
    with torch.no_grad():
        expected = torch.cat([built(image) for image in inputs.split(1)])
    assert measure(expected, found.detach()).sqnr_db > 100
    found.square().sum().backward()
    flat = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert not flat
    changed = dict(weights) | {CHANGED: torch.zeros_like(weights[CHANGED])}
    assert measure(expected, answer(changed, inputs).detach()).sqnr_db < 10
