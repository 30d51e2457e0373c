"""What a search for modules that stay float must reach."""

from dataclasses import dataclass

from edge_models.errors import InputError
from edge_models.spec import ModelSpec
from export_targets.artifact.manifest import GoalKind
from export_targets.request import BuildRequest
from quantize.recipe import Recipe

OPTIONS: dict[GoalKind, str] = {"agreement": "--agreement", "top1_drop": "--top1-drop"}


@dataclass(frozen=True)
class Goal:
    """An agreement of so much, or a fall of top-1 by at most so much."""

    kind: GoalKind
    asked: float

    @property
    def option(self) -> str:
        """How it was asked for on the command line."""
        return f"{OPTIONS[self.kind]} {self.asked:g}"

    @property
    def kept(self) -> float:
        """The share of images that keep FP32's answer; of a fall of top-1, that lose no right one:
        as many as it may fall by may lose theirs, whatever others gain.
        """
        return self.asked if self.kind == "agreement" else 1 - self.asked


def goal_of(request: BuildRequest, spec: ModelSpec, recipe: Recipe) -> Goal | None:
    """What a request asks for. Raises InputError for what cannot be searched for."""
    given = {"agreement": request.agreement, "top1_drop": request.top1_drop}
    goals = [Goal(kind, asked) for kind in OPTIONS if (asked := given[kind]) is not None]
    if len(goals) > 1:
        raise InputError(
            f"{goals[0].option} and {goals[1].option} are two goals, and a search has one.",
            "Leave one of them away.",
        )
    goal = goals[0] if goals else None
    if request.class_order is not None and (goal is None or goal.kind == "agreement"):
        raise InputError(
            "An order of classes is of labelled images.",
            "Say --top1-drop D, or leave --class-order away.",
        )
    if goal is None:
        if request.images is not None:
            raise InputError(
                "Images to agree on are of no use without an agreement.",
                "Say --agreement A or --top1-drop D, or leave --images away.",
            )
        return None
    _check(goal, request, spec, recipe)
    return goal


def _check(goal: Goal, request: BuildRequest, spec: ModelSpec, recipe: Recipe) -> None:
    if goal.kind == "agreement" and not 0 < goal.asked <= 1:
        raise InputError(
            f"An agreement of {goal.asked:g} is no share of images.",
            "Give a number up to 1, as --agreement 0.99.",
        )
    if goal.kind == "top1_drop" and not 0 <= goal.asked < 1:
        raise InputError(
            f"A fall of top-1 by {goal.asked:g} is no share of images.",
            "Give a number from 0, as --top1-drop 0.01.",
        )
    leave = f"Leave {OPTIONS[goal.kind]} away"
    if not recipe.quantized:
        raise InputError(
            f"The recipe {recipe.name} has no INT8 to leave modules out of.",
            f"{leave}, or say --recipe int8.",
        )
    if request.form == "published":
        raise InputError(
            f"What stays float for {goal.option} is searched for in the edge form.",
            f"Leave --form published or {OPTIONS[goal.kind]} away.",
        )
    if spec.own and spec.own.kind == "tensors":
        raise InputError(f"{spec.name} gives tensors, not logits of classes.", f"{leave}.")
    if request.images is None and not spec.digits:
        kind = "images" if goal.kind == "agreement" else "labelled images"
        raise InputError(
            f"What stays float for {goal.option} is searched for on {kind}.",
            "Give a folder of them: --images DIR.",
        )
