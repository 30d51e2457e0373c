"""A build's search for what stays float, and the judgement of what it found."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from edge_models.errors import InputError
from edge_models.parity import wilson_interval
from edge_models.reference.heads import run_eager
from export_targets.artifact.interface import OutputSection
from export_targets.artifact.manifest import AgreementSection, Top1Section
from export_targets.artifact.sensitivity import Sensitivity
from export_targets.goal import Goal
from export_targets.plan import Plan
from export_targets.progress import Reporter
from export_targets.prove.hops import more_exact
from export_targets.runner import runner_named
from export_targets.search.groups import groups
from export_targets.search.images import Halves
from export_targets.search.lost import lost, lost_by_one_answer, right
from export_targets.search.search import Search, Trial, most_lost
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
    """Which modules stay float so that the quantized graph answers as the request asks. Raises
    InputError where nothing is in INT8, or the labels of the images could not tell.
    """
    goal, half = plan.goal, images.searched
    assert goal is not None
    simulation, paths = Simulation(floating.module(), quantized), groups(quantized)
    if not paths:
        raise InputError(
            f"No convolution, linear or product of {plan.spec.name} is in INT8 with the recipe "
            f"{plan.recipe.name}: a search has nothing to leave float.",
            f"Leave {goal.option} away, or try another recipe.",
        )
    inputs, _ = plan.inputs(half.pixels)
    with reporter.stage("FP32's answers"):
        finding = Search(
            simulation,
            inputs,
            goal.kept,
            reporter.note,
            half.classes,
            plan.target.float_costs,
            plan.target.float_bytes,
        )
    if half.classes is not None:
        _check_labels(finding.expected, half.classes, finding.allowed, images.source, reporter)
    tried = inputs[:SENSITIVITY_SAMPLES]
    with reporter.steps(f"What each of {len(paths)} modules costs", len(tried)) as advance:
        costs = module_costs(simulation, paths, tried, output, False, advance)
    with reporter.stage("Search for what stays float"):
        trial = finding.run(costs)
    found = described(costs, simulation, plan.name, images.source, len(tried))
    return Searched(images, trial, found)


def _check_labels(
    expected: Tensor, classes: Tensor, allowed: int, source: str, reporter: Reporter
) -> None:
    """Raises InputError where a file that answers the same to all images would lose too few."""
    correct, images = int(right(expected, classes).sum()), classes.numel()
    reporter.note(f"FP32 is right on {correct} of the {images} images of the search")
    if lost_by_one_answer(expected, classes) <= allowed:
        raise InputError(
            f"FP32 is right on {correct} of {images} images of {source}: by their labels a file "
            f"that always answers the same would lose no more than the {allowed} that may be lost.",
            "Check which class each folder is (--labels, --class-order), give images of several "
            "classes, or ask for less than this --top1-drop.",
        )


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
    goal, images, trial = plan.goal, searched.images, searched.trial
    assert goal is not None
    half = images.judged
    normalized, given = plan.inputs(half.pixels)
    runner = runner_named(plan.target.runner, plan.target.name)
    with reporter.stage("Reference logits to agree with"):
        expected = run_eager(reference, normalized)
    with reporter.steps("Saved file on images that the search did not see", len(given)) as advance:
        actual = runner.run(model, given, advance)
    differing = int(lost(expected, actual, plan.request.batch).sum())
    agreeing = half.images - differing
    top1 = None if half.classes is None else _top1(expected, actual, half.classes)
    section = AgreementSection(
        kind=goal.kind,
        asked=goal.asked,
        images=images.source,
        searched=images.searched.images,
        judged=half.images,
        agreement=agreeing / half.images,
        interval=wilson_interval(agreeing, half.images),
        int8_share=trial.int8_share,
        modules=trial.modules,
        top1=top1,
    )
    losses = differing if top1 is None else top1.lost
    held = trial.reached and losses <= most_lost(half.images, goal.kept)
    return Agreed(section, () if held else (_problem(plan, goal, section, trial, losses),))


def _top1(expected: Tensor, actual: Tensor, classes: Tensor) -> Top1Section:
    before, after = right(expected, classes), right(actual, classes)
    losses = int((before & ~after).sum())
    return Top1Section(
        reference=int(before.sum()) / len(before),
        file=int(after.sum()) / len(after),
        lost=losses,
        gained=int((after & ~before).sum()),
        interval=wilson_interval(losses, len(before)),
    )


def _problem(plan: Plan, goal: Goal, found: AgreementSection, trial: Trial, losses: int) -> str:
    """What was found in place of the goal, and what to try."""
    missed = "" if trial.reached else "; the search did not reach it"
    floating = f"{len(found.modules)} modules in float, {found.int8_share:.1%} in INT8"
    stricter = trial.reached and trial.kept < trial.samples  # else no search finds more
    more = stricter == (goal.kind == "agreement")
    remedies = [f"ask for {'more' if more else 'less'} than {goal.asked:g}"]
    if trial.reached and losses <= found.judged * (1 - goal.kept):
        remedies.append("give more images")
    better = more_exact(plan.target.name, plan.recipe.name)
    remedies += [f"try --recipe {better}"] if better else []
    return f"{_judgement(found)}{missed}; {floating}; {', or '.join(remedies)}"


def _judgement(found: AgreementSection) -> str:
    images = f"{found.judged} images that the search did not see"
    if found.top1 is None:
        (low, high), share = found.interval, f"agreement: {found.agreement:.3f} of {images}"
        return f"{share} ({low:.3f} to {high:.3f}) where {found.asked:g} is asked for"
    (low, high), top1 = found.top1.interval, found.top1
    return (
        f"top-1 drop: {top1.lost} of {images} are lost ({low:.3f} to {high:.3f} of all) where at "
        f"most {found.asked:g} may be"
    )
