"""The simulation of float layers beside what a build computes that keeps them float."""

from functools import cache, partial
from itertools import product

import pytest
import torch
from torch import nn

from edge_models.parity import IDENTICAL_DB, measure
from export_targets.search.groups import groups, holds
from export_targets.search.simulation import Simulation, rounded
from tests.daily import daily
from tests.export_targets.search.quantized import Graphs

MODELS = {
    "digits_cotnet_simple": ("stages.1.0", "stages.1.0.conv2.key", "conv1"),
    "digits_cotnet": ("blocks.1.conv3", "fc"),
    "digits_conformer": ("blocks.0.trans_block", "blocks.1.fusion_block", "stem", "conv_head"),
}
TARGETS = ("xnnpack", "vulkan", "coreml")
EVERY_DAY = (  # each model and each target once
    ("digits_cotnet_simple", "vulkan"),
    ("digits_cotnet", "xnnpack"),
    ("digits_conformer", "coreml"),
)
PATHS_OF_EVERY_DAY = (  # of each network one, a part of a layer among them
    ("digits_cotnet_simple", "stages.1.0.conv2.key"),
    ("digits_cotnet", "blocks.1.conv3"),
    ("digits_conformer", "blocks.1.fusion_block"),
)
graphs = cache(Graphs)


@pytest.mark.parametrize(("model", "target"), daily(product(MODELS, TARGETS), EVERY_DAY))
def test_with_nothing_in_float_it_is_the_quantized_graph_to_the_bit(
    model: str, target: str
) -> None:
    made = graphs(model, target)
    simulation, x = made.simulation, made.inputs[0]
    none, every = simulation.left_out(lambda _: False), simulation.left_out(lambda _: True)
    with torch.no_grad():
        assert torch.equal(simulation.answer(x, none), simulation.quantized(x))
        assert torch.equal(simulation.answer(x, every), made.program.module()(x))
    assert not none
    assert len(every) > 20


@pytest.mark.parametrize(("zero_point", "low"), [(-7, -128), (0, -127), (-128, -128), (255, 0)])
def test_numbers_are_rounded_as_torch_does(zero_point: int, low: int) -> None:
    high = low + (255 if low != -127 else 254)
    drawn = torch.randn(999, generator=torch.manual_seed(0))
    for scale in (3.7e-6, 0.023, 0.5, 812.0):
        middles = (torch.arange(-300, 300) + 0.5) * scale
        numbers = torch.cat([middles, drawn * scale * 90])
        expected = torch.fake_quantize_per_tensor_affine(numbers, scale, zero_point, low, high)
        assert torch.equal(rounded(numbers, scale, zero_point, low, high), expected)
        of_run_time = torch.tensor([scale]), torch.tensor([zero_point])
        assert torch.equal(rounded(numbers, *of_run_time, low, high), expected)


def test_dynamic_scales_are_of_each_input() -> None:
    made = graphs("digits_conformer", recipe="int8_mixed")
    simulation, x = made.simulation, made.inputs[0]
    with torch.no_grad():
        quantized = simulation.answer(x, simulation.left_out(lambda _: False))
        assert torch.allclose(quantized, simulation.quantized(x), atol=1e-5)
        floating = simulation.answer(x, simulation.left_out(lambda _: True))
        assert torch.equal(floating, made.program.module()(x))


@pytest.mark.parametrize("recipe", ["int8_mixed", "int8_dynamic"])
def test_one_of_several_readers_of_a_tensor_is_float_on_its_own(recipe: str) -> None:
    made, path = graphs("digits_conformer", recipe=recipe), "blocks.1.trans_block.attn.query"
    simulation, x = made.simulation, made.inputs[0]
    without = simulation.answer(x, simulation.left_out(partial(holds, [path])))
    with torch.no_grad():
        assert torch.equal(without, made.quantized([path])(x))
    assert not torch.equal(without, simulation.answer(x, frozenset()))


@pytest.mark.parametrize(
    ("model", "path"),
    daily([(m, p) for m, paths in MODELS.items() for p in paths], PATHS_OF_EVERY_DAY),
)
def test_a_module_in_float_is_what_quantizing_without_it_gives(model: str, path: str) -> None:
    made = graphs(model)
    simulation, x = made.simulation, made.inputs[0]
    without = simulation.answer(x, simulation.left_out(partial(holds, [path])))
    with torch.no_grad():
        assert torch.equal(without, made.quantized([path])(x))
    assert not torch.equal(without, simulation.answer(x, frozenset()))


@pytest.mark.parametrize(
    "model", daily(["digits_cotnet", "digits_conformer"], ["digits_conformer"])
)
def test_all_modules_in_float_leave_nothing_in_int8_around_them(model: str) -> None:
    made = graphs(model)
    simulation, x = made.simulation, made.inputs[0]
    modules = groups(simulation.quantized)
    answer = simulation.answer(x, simulation.left_out(partial(holds, modules)))
    with torch.no_grad():
        assert torch.equal(answer, made.quantized(modules)(x))


@pytest.mark.parametrize(
    ("model", "path"),
    daily(
        [("digits_cotnet", "blocks.0.conv2"), ("digits_cotnet_simple", "stages.0.0")],
        [("digits_cotnet", "blocks.0.conv2")],
    ),
)
def test_a_scale_that_a_concatenation_shares_stays_as_it_was_calibrated(
    model: str, path: str
) -> None:
    """A build without the layers that are joined calibrates what they read anew: close, not the
    same.
    """
    made = graphs(model)
    simulation = made.simulation
    left_out = simulation.left_out(partial(holds, [path]))
    without = torch.cat([simulation.answer(x, left_out) for x in made.inputs])
    with torch.no_grad():
        rebuilt = torch.cat([run(x) for run in [made.quantized([path])] for x in made.inputs])
    assert 35 < measure(rebuilt, without).sqnr_db < IDENTICAL_DB


def test_what_a_choice_leaves_the_same_is_not_computed_again() -> None:
    made = graphs("digits_conformer")
    simulation, x = made.simulation, made.inputs[0]
    none = simulation.left_out(lambda _: False)
    left_out = simulation.left_out(partial(holds, ["blocks.1.fusion_block"]))
    values = simulation.values(x, none)
    known = {node: values[node] for node in simulation.untouched(none, left_out)}
    changed = simulation.values(x, left_out, known)
    assert torch.equal(simulation.returned(changed), simulation.answer(x, left_out))
    assert 0.2 < len(known) / len(values) < 0.9


def test_graphs_of_two_networks_are_refused() -> None:
    other = torch.export.export(nn.Conv2d(3, 3, 1).eval(), (torch.zeros(1, 3, 64, 64),))
    with pytest.raises(ValueError, match="zip"):
        Simulation(other.module(), graphs("digits_cotnet_simple").simulation.quantized)
