"""Every gate can fail: each test breaks one thing and looks for the gate that must say so."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor

from edge_models.gate import Gate
from edge_models.parity import HopSpec, ParityReport
from export_targets.artifact.manifest import Delegation, Manifest, Undelegated
from export_targets.prove import hops
from export_targets.prove.hops import OWN_RUNNER, device_hop, hop_specs, judge
from export_targets.target import Gates, all_targets, recipes_of
from tests.export_targets.made_up import made_up_manifest

WHOLE = Delegation(delegates=1, delegated_ops=9, undelegated={}, fallen=())
OTHERS = ("exact", "toward_zero", "flushed")  # the saved file under another arithmetic
PROGRAMS = ("reference", "edge", "quantized", *OTHERS, "file")
PAIRS = [(target.name, name) for target in all_targets().values() for name in recipes_of(target)]
MANIFESTS = {
    f"{target}-{recipe}": made_up_manifest(recipe=recipe, target={"name": target, "options": {}})
    for target, recipe in PAIRS
}
HOPS = [
    pytest.param(manifest, spec, id=f"{name}-{spec.name}")
    for name, manifest in MANIFESTS.items()
    for spec in hop_specs(manifest)
]
INT8 = next(m for name, m in MANIFESTS.items() if name.endswith("int8"))


def same_logits() -> dict[str, Tensor]:
    """Equal logits (16, 1, 10) of every program; eight classes are the best in turn, and the second
    best lies close to it.
    """
    values = torch.rand(16, 1, 10, generator=torch.Generator().manual_seed(0)) / 2
    samples = torch.arange(16)
    best = samples % 8
    values[samples, 0, best], values[samples, 0, best + 2] = 1.0, 1.0 - 2.0**-20
    return {program: values.clone() for program in PROGRAMS}


def at_distance(logits: Tensor, sqnr_db: float) -> Tensor:
    """Logits (samples, 1, K) at an SQNR from the given ones, with the same best class."""
    return logits * (1 + share_of(logits, sqnr_db))


def share_of(logits: Tensor, sqnr_db: float) -> float:
    """By which share all logits must be too large for an SQNR."""
    differing = (logits - logits.mean(0)).double().square().sum() / logits.double().square().sum()
    return float(differing.sqrt()) * 10.0 ** (-sqnr_db / 20)


def judged(
    manifest: Manifest,
    logits: dict[str, Tensor],
    delegation: Delegation = WHOLE,
    absent: Mapping[str, str] = MappingProxyType({}),
) -> tuple[ParityReport, tuple[str, ...]]:
    own = all_targets()[manifest.target.name].runner
    return judge(manifest, own, "made up", logits, absent, delegation)


def failed(report: ParityReport) -> set[str]:
    return {hop.name for hop in report.hops if hop.status == "failed"}


def after(spec: HopSpec) -> tuple[str, ...]:
    """The programs from the end of a hop on."""
    return PROGRAMS[PROGRAMS.index(spec.to) :]


@pytest.mark.parametrize("name", MANIFESTS)
def test_equal_logits_are_green(name: str) -> None:
    report, problems = judged(MANIFESTS[name], same_logits())
    assert problems == ()
    assert {hop.status for hop in report.hops} == {"passed"}


@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_a_hop_below_its_sqnr_is_red_and_above_it_green(manifest: Manifest, spec: HopSpec) -> None:
    for margin, status in ((-0.5, "failed"), (0.5, "passed")):
        logits = same_logits()
        for program in after(spec):
            logits[program] = at_distance(logits[program], spec.gate.min_sqnr_db + margin)
        report, problems = judged(manifest, logits)
        hop = next(hop for hop in report.hops if hop.name == spec.name)
        assert hop.status == status
        assert any(f"hop {spec.name}: SQNR" in line for line in problems) == (margin < 0)


@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_another_best_class_is_red_where_the_gate_asks_for_agreement(
    manifest: Manifest, spec: HopSpec
) -> None:
    logits = same_logits()
    for program in after(spec):
        samples = torch.arange(16)
        logits[program][samples, 0, samples % 8 + 2] = 1.0 + 2.0**-20
    report, problems = judged(manifest, logits)
    assert (spec.name in failed(report)) == (spec.gate.min_top1_agreement > 0)
    assert all("top-1 agreement 0.000" in problem for problem in problems)


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_a_file_that_ignores_its_image_is_red(manifest: Manifest) -> None:
    logits = same_logits()
    logits["file"] = (100 + logits["file"]).mean(0, keepdim=True).expand(16, 1, 10) - 100
    assert {"lower", "chain"} <= failed(judged(manifest, logits)[0])


@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_samples_that_do_not_differ_are_red(manifest: Manifest, spec: HopSpec) -> None:
    logits = {name: values[:1].repeat(16, 1, 1) for name, values in same_logits().items()}
    report, problems = judged(manifest, logits)
    assert spec.name in failed(report)
    assert all("these inputs do not tell" in problem for problem in problems)


def test_no_gate_is_within_the_reach_of_a_constant_answer() -> None:
    assert min(param.values[1].gate.min_sqnr_db for param in HOPS) > 0  # type: ignore[union-attr]


def test_each_head_is_judged_on_its_own() -> None:
    both = {**INT8.output.model_dump(), "heads": "both"}
    manifest = INT8.model_copy(update={"output": INT8.output.model_validate(both)})
    one = same_logits()
    logits = {name: torch.cat([values, 1000 * values], 1) for name, values in one.items()}
    assert judged(manifest, logits)[1] == ()
    logits["file"][:, 0] = logits["file"][:, 0].mean(0)
    assert failed(judged(manifest, logits)[0]) == {"lower", "chain"}


def test_what_the_precision_costs_names_a_recipe_that_loses_less() -> None:
    logits = same_logits()
    for program in ("quantized", *OTHERS, "file"):
        logits[program] = logits[program].roll(1, -1)
    problems = judged(made_up_manifest(recipe="int8"), logits)[1]
    assert len(problems) == 2
    assert all(problem.endswith("try --recipe int8_dynamic") for problem in problems)


def test_some_gate_asks_for_agreement() -> None:
    assert any(param.values[1].gate.min_top1_agreement > 0 for param in HOPS)  # type: ignore[union-attr]


@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_swapped_channels_are_red(manifest: Manifest, spec: HopSpec) -> None:
    logits = same_logits()
    for program in after(spec):
        logits[program] = logits[program].roll(1, -1)
    assert spec.name in failed(judged(manifest, logits)[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_a_number_that_is_none_is_red(manifest: Manifest, spec: HopSpec, value: float) -> None:
    logits = same_logits()
    logits[spec.to][3, 0, 5] = value
    report, problems = judged(manifest, logits)
    assert spec.name in failed(report)
    assert any("NaN or infinite" in problem for problem in problems)


@pytest.mark.parametrize(("manifest", "spec"), HOPS)
def test_a_program_without_logits_is_red(manifest: Manifest, spec: HopSpec) -> None:
    logits = same_logits()
    del logits[spec.to]
    report, problems = judged(manifest, logits)
    assert spec.name in failed(report)
    assert f"hop {spec.name}: no logits of {spec.to}" in problems


@pytest.mark.parametrize("shape", [(16, 1, 9), (15, 1, 10), (16, 2, 10)])
def test_logits_of_another_shape_are_red(shape: tuple[int, ...]) -> None:
    logits = {**same_logits(), "file": torch.ones(shape)}
    assert failed(judged(INT8, logits)[0]) == {"lower", "chain"}


def test_no_samples_are_red() -> None:
    logits = {program: torch.zeros(0, 1, 10) for program in PROGRAMS}
    report, problems = judged(INT8, logits)
    assert failed(report) == {"edge", "quantize", "lower", "chain"}
    assert all("no samples" in problem for problem in problems)


def test_hops_that_pass_can_still_break_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    loose, strict = (
        Gate(min_sqnr_db=20, min_top1_agreement=0),
        Gate(min_sqnr_db=30, min_top1_agreement=0),
    )
    target = all_targets()[INT8.target.name]
    gates = {INT8.recipe: Gates(edge=loose, quantize=loose, lower=loose, chain=strict)}
    monkeypatch.setattr(hops, "target_named", lambda _: replace(target, gates=gates))
    logits = same_logits()
    logits["edge"] = at_distance(logits["reference"], 32)
    logits["quantized"] = at_distance(logits["edge"], 32)
    logits["file"] = at_distance(logits["quantized"], 32)
    assert failed(judged(INT8, logits)[0]) == {"chain"}


def test_a_skipped_hop_is_neither_green_nor_red() -> None:
    report, problems = judged(INT8, same_logits(), absent={"quantized": "not here"})
    assert problems == ()
    assert {hop.name for hop in report.hops if hop.status == "skipped"} == {"quantize", "lower"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_all_hops_skipped_is_red(name: str) -> None:
    report, problems = judged(MANIFESTS[name], {}, absent=dict.fromkeys(PROGRAMS, "not here"))
    assert {hop.status for hop in report.hops} == {"skipped"}
    assert not report.passed
    assert problems == ("no hop could run",)


def test_no_hop_at_all_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hops, "hop_specs", lambda _: ())
    assert judged(INT8, same_logits())[1] == ("no hop could run",)


FALLEN = Undelegated(operator="expand_copy", module="blocks.1.attn", why="no kernel")
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "two delegates": ({"delegates": 2}, "2 delegates"),
    "no delegate": ({"delegates": 0}, "0 delegates"),
    "an operator outside": (
        {"undelegated": {"expand_copy": 1}, "fallen": (FALLEN,)},
        "expand_copy of blocks.1.attn fell out: no kernel",
    ),
    "an operator outside that nothing recorded": (
        {"undelegated": {"aten::sum": 1}, "fallen": ()},
        "aten::sum",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_whole_is_red_in_edge_form_and_reported_in_published(name: str) -> None:
    change, said = BROKEN[name]
    broken = WHOLE.model_copy(update=change)
    problems = judged(INT8, same_logits(), broken)[1]
    assert problems
    assert any(said in problem for problem in problems)
    assert judged(made_up_manifest(form="published"), same_logits(), broken)[1] == ()


def test_a_format_without_delegates_is_not_judged_but_what_lies_outside_is_red() -> None:
    package = WHOLE.model_copy(update={"delegates": None})
    assert judged(INT8, same_logits(), package)[1] == ()
    outside = package.model_copy(update={"undelegated": {"expand_copy": 1}})
    assert judged(INT8, same_logits(), outside)[1]


def test_the_published_form_must_still_compute() -> None:
    logits = same_logits()
    logits["file"][0, 0, 0] = float("nan")
    assert failed(judged(made_up_manifest(form="published"), logits)[0]) == {"lower", "chain"}


DEVICE = [
    pytest.param(manifest, id=name)
    for name, manifest in MANIFESTS.items()
    if device_hop(manifest, "another") is not None
]


@pytest.mark.parametrize("manifest", DEVICE)
def test_another_processor_is_red_below_its_gate_and_green_above(manifest: Manifest) -> None:
    spec = device_hop(manifest, "another")
    assert spec is not None
    for margin, problems in ((-0.5, {"device"}), (0.5, set())):
        logits = same_logits()
        # divided: the distance is relative to the own runner's logits
        away = 1 + share_of(logits["file"], spec.gate.min_sqnr_db + margin)
        logits[OWN_RUNNER] = logits["file"] / away
        report, _ = judge(manifest, "another", "made up", logits, {}, WHOLE)
        assert failed(report) == problems
        assert (report.hops[-1].name, report.hops[-1].runner) == ("device", "another")


@pytest.mark.parametrize("manifest", DEVICE)
def test_another_processor_without_the_targets_own_logits_is_red(manifest: Manifest) -> None:
    report, problems = judge(manifest, "another", "made up", same_logits(), {}, WHOLE)
    assert failed(report) == {"device"}
    assert problems == (f"hop device: no logits of {OWN_RUNNER}",)


def test_the_targets_own_runner_has_no_device_hop() -> None:
    assert DEVICE
    for manifest in MANIFESTS.values():
        own = all_targets()[manifest.target.name].runner
        assert device_hop(manifest, own) is None
