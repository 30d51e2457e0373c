"""What a tune is asked for, and the builds that it tries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from edge_models.errors import InputError
from export_targets.matrix.cell import Cell
from export_targets.matrix.plan import gigabytes
from export_targets.plan import Plan, resolve
from export_targets.request import BuildRequest
from export_targets.target import recipes_of, target_named
from export_targets.tune.options import build_options
from quantize.recipe import recipe_named

SEARCHED = "int8"  # the recipe that modules are left out of, where none of those tried has any


@dataclass(frozen=True)
class Asked:
    """``request``: what all builds have in common, and the ``images`` to agree on. Each of
    ``targets`` is built with each of ``recipes`` that it can do (none: all of its own), and with
    those in INT8 there is a search for each of ``agreements``; the chosen file agrees on
    ``at_least``. ``runner`` takes the times, None: this machine.
    """

    request: BuildRequest
    targets: tuple[str, ...]
    recipes: tuple[str, ...]
    agreements: tuple[float, ...]
    at_least: float
    runner: str | None = None
    threads: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Attempt:
    """A build that is tried: its ``plan``, checked, and the ``cell`` that builds it."""

    plan: Plan
    cell: Cell


def attempts(asked: Asked) -> tuple[Attempt, ...]:
    """Every build, in the order of targets and recipes. Raises InputError for what cannot be
    built, before anything is.
    """
    if not 0 < asked.at_least <= 1:
        raise InputError(
            f"An agreement of {asked.at_least:g} is no share of images.",
            "Give a number up to 1, as --at-least 0.98.",
        )
    targets = [target_named(name) for name in asked.targets]
    for recipe in asked.recipes:
        if not any(recipe in recipes_of(target) for target in targets):
            targets[0].check(recipe_named(recipe))
    found = tuple(_attempts(asked))
    own = found[0].plan.spec.own
    if own is not None and own.kind == "tensors":
        raise InputError(
            f"{asked.request.model} gives tensors, not logits of classes that could agree.",
            "Build it by `edgeform build`, which judges tensors by their SQNR.",
        )
    if asked.request.images is None and not found[0].plan.spec.digits:
        raise InputError(
            "What the files answer is compared with FP32 on images.",
            "Give a folder of them that are not calibrated on: --images DIR.",
        )
    return found


def _attempts(asked: Asked) -> Iterator[Attempt]:
    options = build_options(asked.request)
    for name in asked.targets:
        target = target_named(name)
        able = recipes_of(target)
        tried = [recipe for recipe in asked.recipes or able if recipe in able]
        quantized = [recipe for recipe in tried if recipe_named(recipe).quantized] or [SEARCHED]
        for recipe, agreement in (
            *((recipe, None) for recipe in tried),
            *product(quantized, asked.agreements),
        ):
            images = None if agreement is None else asked.request.images
            request = replace(
                asked.request, target=name, recipe=recipe, agreement=agreement, images=images
            )
            yield Attempt(plan := resolve(request), _cell(plan, options))


def _cell(plan: Plan, options: Mapping[str, str]) -> Cell:
    request, suffix = plan.request, ""
    if request.agreement is not None:
        suffix = f"-{request.agreement:g}"
        options = {**options, "agreement": str(request.agreement)}
        if request.images is not None:
            options["images"] = str(request.images)
    return Cell(
        name=f"{plan.target.name}-{plan.recipe.name}{suffix}",
        model=request.model,
        target=plan.target.name,
        recipe=plan.recipe.name,
        options=options,
        gigabytes=gigabytes(max(plan.size)),
    )
