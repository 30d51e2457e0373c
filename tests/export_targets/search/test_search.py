"""The search on a network with one layer that INT8 destroys, and what an agreement may claim."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from edge_models.parity import wilson_interval
from export_targets.artifact.interface import OutputSection
from export_targets.search.groups import groups, holds, parts_of
from export_targets.search.search import Search, Trial, most_lost
from export_targets.search.sensitivity import module_costs
from export_targets.search.simulation import Simulation
from export_targets.target import target_named
from quantize.pt2e import quantize
from quantize.recipe import recipe_named
from tests.export_targets.search.quantized import Graphs, OneDestroyed

LOGITS = OutputSection(name="logits", kind="logits", shape=(1, 10), heads="mean")
INPUTS = torch.randn(64, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def simulation_of(network: nn.Module) -> Simulation:
    program = torch.export.export(network.eval(), (INPUTS[0],))
    quantizer = target_named("xnnpack").quantizer(recipe_named("int8"), ())
    quantized = quantize(program.module(), quantizer, iter(INPUTS[:8]), lambda: None)
    return Simulation(program.module(), quantized)


def searched(network: nn.Module, least: float) -> tuple[Trial, list[str]]:
    simulation, said = simulation_of(network), list[str]()
    modules = groups(simulation.quantized)
    costs = module_costs(simulation, modules, INPUTS, LOGITS, False, lambda: None)
    return Search(simulation, INPUTS, least, said.append).run(costs), said


def test_it_finds_the_one_layer_that_int8_destroys() -> None:
    found, said = searched(OneDestroyed(), 0.85)
    assert found.modules == ("bad",)
    assert found.reached
    assert 0.5 < found.int8_share < 1
    assert "too few" in said[0]
    again, _ = searched(OneDestroyed(), 0.85)
    assert again == found


def test_only_right_answers_can_be_lost() -> None:
    """The layer is left in INT8 where FP32 has the images wrong, or INT8 is to have them right."""
    network = OneDestroyed()
    simulation = simulation_of(network)
    costs = module_costs(simulation, groups(simulation.quantized), INPUTS, LOGITS, False, int)
    answered = network(INPUTS.flatten(0, 1)).argmax(1, keepdim=True)
    for classes, stays in ((answered, ("bad",)), ((answered + 1) % 10, ())):
        found = Search(simulation, INPUTS, 0.85, lambda _: None, classes).run(costs)
        assert found.modules == stays
        assert found.reached


def test_a_module_costs_what_its_operators_take_longer_in_float() -> None:
    simulation = simulation_of(OneDestroyed())
    (macs,) = simulation.macs_in(partial(holds, ["bad"]))
    found = {
        name: Search(simulation, INPUTS[:1], 0.85, str, None, {name: 3.0}).cost("bad")
        for name in ("conv2d", "bmm")
    }
    assert found == {"conv2d": 3 * macs, "bmm": macs}


def test_a_weight_in_float_takes_more_bytes() -> None:
    simulation, said = simulation_of(OneDestroyed()), list[str]()
    weights = sum(weight.numel() for weight in simulation.weights.values())
    bad = OneDestroyed().bad.weight.numel()
    for float_bytes in (2, 4):
        search = Search(simulation, INPUTS[:1], 0.85, said.append, float_bytes=float_bytes)
        assert search.trial(()).weight_bytes == weights
        assert search.trial(("bad",)).weight_bytes == weights + (float_bytes - 1) * bad
    assert f"weights of {weights / 1e6:.1f} MB" in said[0]


def test_images_that_were_lost_are_tried_first() -> None:
    """So that modules that do not help are told by no more images than may be lost."""
    simulation = simulation_of(OneDestroyed())
    once = Search(simulation, INPUTS, 0.85, lambda _: None)
    once.trial(())
    kept_first = sorted(range(len(INPUTS)), key=once.times_lost.__getitem__)
    assert once.times_lost[kept_first[0]] == 0
    search = Search(simulation, INPUTS[kept_first], 0.85, lambda _: None)
    plain, helpless, found = (search.trial(modules) for modules in ((), ("head",), ("bad",)))
    assert plain.samples == found.samples == len(INPUTS)
    assert plain.samples - plain.kept > search.allowed > 0
    assert (helpless.samples, helpless.kept) == (search.allowed + 1, 0)


def test_a_sound_network_keeps_nothing_in_float() -> None:
    network = OneDestroyed()
    with torch.no_grad():
        network.bad.weight[:, 0] = 0
    found, said = searched(network, 0.85)
    assert found.modules == ()
    assert (len(said), found.samples, found.int8_share) == (1, 64, 1.0)


def test_what_only_float_gives_is_not_reached() -> None:
    """A sine of large logits is never the same in INT8."""

    class Sine(OneDestroyed):
        def forward(self, x: Tensor) -> Tensor:
            return (1e6 * super().forward(x)).sin()

    found, said = searched(Sine(), 1.0)
    assert not found.reached
    assert set(found.modules) == {"first", "bad", "third", "head"}
    assert said[3].endswith("nothing is left in INT8")
    assert all(line.endswith("too few") for line in (*said[:3], *said[4:]))


def test_fewer_are_tried_where_all_modules_would_leave_nothing_in_int8() -> None:
    simulation, said = simulation_of(OneDestroyed()), list[str]()
    # its third of four: one and two are too few, and twice as many are all
    noise = {"head": 0.0, "first": 0.0, "bad": 9.0, "third": 10.0}
    tallies = {path: SimpleNamespace(noise=value) for path, value in noise.items()}
    costs = SimpleNamespace(whole=SimpleNamespace(noise=10.0), in_float=tallies)
    found = Search(simulation, INPUTS, 0.85, said.append).run(costs)  # type: ignore[arg-type]
    assert [line.split()[0] for line in said[:5]] == ["0", "1", "2", "4", "3"]
    assert found.reached
    assert found.modules == ("bad",)


@pytest.mark.parametrize("samples", [10, 64, 380, 381, 500])
@pytest.mark.parametrize("least", [0.85, 0.95, 0.99])
def test_as_many_may_differ_as_the_interval_leaves(samples: int, least: float) -> None:
    allowed = most_lost(samples, least)
    assert wilson_interval(samples - allowed - 1, samples)[0] < least
    if allowed:
        assert wilson_interval(samples - allowed, samples)[0] >= least


def test_modules_are_divided_until_there_are_enough() -> None:
    quantized = Graphs("digits_conformer").simulation.quantized
    for most in (1, 8, 64):
        found = groups(quantized, most)
        assert len(found) <= max(most, len(parts_of(quantized, "")))
        for path in found:
            assert not holds([other for other in found if other != path], path)
    assert len(groups(quantized, 64)) > len(groups(quantized, 12))
    assert set(parts_of(quantized, "blocks.0.trans_block")) >= {"blocks.0.trans_block.fc1"}
    assert parts_of(quantized, "blocks.0.trans_block.fc1") == []
