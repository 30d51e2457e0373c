"""``build --agreement``: the search for what stays float, and the judgement of what it found."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from edge_models.parity import wilson_interval
from edge_models.reference.heads import run_eager
from export_targets.artifact.interface import OutputSection
from export_targets.artifact.manifest import AgreementSection
from export_targets.artifact.sensitivity import Sensitivity
from export_targets.plan import Plan
from export_targets.progress import Reporter
from export_targets.prove.hops import more_exact
from export_targets.runner import runner_named
from export_targets.search.groups import groups
from export_targets.search.images import Halves
from export_targets.search.search import Search, Trial, most_differing
from export_targets.search.sensitivity import described, module_costs
from export_targets.search.simulation import Simulation

SENSITIVITY_SAMPLES = 32  # images that each module is tried on


@dataclass(frozen=True)
class Searched:
    """What was found on the one half of ``images``, and what each module costs."""

    images: Halves
    trial: Trial
    sensitivity: Sensitivity


@dataclass(frozen=True)
class Agreed:
    """How far a saved file agrees as it was asked to, where it was, and what is wrong."""

    section: AgreementSection | None = None
    problems: tuple[str, ...] = ()


def search(
    plan: Plan,
    floating: torch.export.ExportedProgram,
    quantized: fx.GraphModule,
    images: Halves,
    output: OutputSection,
    reporter: Reporter,
) -> Searched:
    """Which modules stay float so that the quantized graph agrees as the request asks."""
    least, source = plan.request.agreement, images.source
    assert least is not None
    simulation, paths = Simulation(floating.module(), quantized), groups(quantized)
    inputs, _ = plan.inputs(images.searched)
    tried = inputs[:SENSITIVITY_SAMPLES]
    with reporter.steps(f"What each of {len(paths)} modules costs", len(tried)) as advance:
        costs = module_costs(simulation, paths, tried, output, False, advance)
    with reporter.stage("Search for what stays float"):
        trial = Search(simulation, inputs, least, reporter.note).run(costs)
    found = described(costs, simulation, plan.name, source, len(tried))
    return Searched(images, trial, found)


def judged(
    plan: Plan,
    searched: Searched | None,
    reference: nn.Module,
    model: Path,
    reporter: Reporter,
) -> Agreed:
    """The saved file beside the FP32 reference on images that the search did not see."""
    if searched is None:
        return Agreed()
    least, images, trial = plan.request.agreement, searched.images, searched.trial
    assert least is not None
    normalized, given = plan.inputs(images.judged)
    runner = runner_named(plan.target.runner, plan.target.name)
    with reporter.stage("Reference logits to agree with"):
        expected = run_eager(reference, normalized)
    with reporter.steps("Saved file on images that the search did not see", len(given)) as advance:
        actual = runner.run(model, given, advance)
    agree = _agreeing(expected, actual)
    section = AgreementSection(
        asked=least,
        images=images.source,
        searched=len(images.searched),
        judged=len(agree),
        agreement=sum(agree) / len(agree),
        interval=wilson_interval(sum(agree), len(agree)),
        int8_share=trial.int8_share,
        modules=trial.modules,
    )
    return Agreed(section, _problems(plan, section, trial))


def _agreeing(expected: Tensor, actual: Tensor) -> list[bool]:
    """Of each sample, whether the top-1 of all its rows is the same."""
    return (expected.argmax(-1) == actual.argmax(-1)).flatten(1).all(1).tolist()


def _problems(plan: Plan, found: AgreementSection, trial: Trial) -> tuple[str, ...]:
    differing = round(found.judged * (1 - found.agreement))
    if trial.reached and differing <= most_differing(found.judged, found.asked):
        return ()
    low, high = found.interval
    remedies = [f"ask for more than {found.asked:g}"] if trial.reached else []
    better = more_exact(plan.target.name, plan.recipe.name)
    remedies += [f"try --recipe {better}"] if better else []
    floating = f"{len(found.modules)} modules in float, {found.int8_share:.1%} in INT8"
    where = "" if trial.reached else ", nor did the search reach it"
    return (
        f"agreement: {found.agreement:.3f} of {found.judged} images that the search did not see "
        f"({low:.3f} to {high:.3f}) is below {found.asked:g}{where}; "
        f"{'; '.join([floating, ' or '.join(remedies)])}",
    )
