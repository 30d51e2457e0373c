"""Target: one runtime format, as data and a few functions. See ``targets/`` for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from edge_models.errors import InputError
from edge_models.gate import Gate
from edge_models.registry import collect, named
from edge_models.spec import FloatRule, InputSpec, ModelSpec
from export_targets import targets
from quantize.recipe import Recipe, all_recipes

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torchao.quantization.pt2e.quantizer import Quantizer

    from edge_models.edge.forms import Forms
    from export_targets.artifact.manifest import Delegation, FloatModule


@dataclass(frozen=True)
class Gates:
    """What each hop must reach for one recipe; ``quantize`` only where the recipe changes the
    program's numbers, ``others`` of the saved file under another arithmetic by its name,
    ``device`` only where other runners than the target's own execute its files.
    """

    edge: Gate
    quantize: Gate | None
    lower: Gate
    chain: Gate
    device: Gate | None = None
    others: Mapping[str, Gate] = field(default_factory=dict)

    @property
    def self_test(self) -> Gate:
        """The pass mark of an app's self-test, which compares the same file on two devices: the
        device gate; where no other runtime was ever seen, what the file may differ by from its
        graph.
        """
        return self.device or self.lower


@dataclass(frozen=True)
class DelegatedOperator:
    """An operator inside a delegate: what a profiler needs to name it by its source module, and its
    multiply-accumulates for one input, 0 where it is no product.
    """

    operator: str
    module: str
    debug_handle: int
    macs: int = 0


@dataclass(frozen=True)
class Lowered:
    """What a lowering did: what was delegated, the delegated operators in their order, the
    parameters by name as the file holds them where it compresses them, what the user should know
    about the file, a line each, and the modules that the lowering left float.
    """

    delegation: "Delegation"
    operators: tuple[DelegatedOperator, ...]
    weights: Mapping[str, "Tensor"] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    float_modules: tuple["FloatModule", ...] = ()


@dataclass(frozen=True)
class Lowering:
    """How a program is lowered: the recipe, the model's input, the target's ``options`` by name,
    the class names where they are known, ``facts`` that a format can carry for its reader, and the
    names of the outputs where they are no logits.
    """

    recipe: Recipe
    input: InputSpec
    options: Mapping[str, str]
    labels: tuple[str, ...]
    facts: Mapping[str, str]
    tensors: tuple[str, ...] = ()


GOLDEN_SAMPLES = 16  # that an artifact keeps


@dataclass(frozen=True)
class Target:
    """One runtime format.

    ``file`` is the model's name in the artifact. ``forms()`` and ``float_rules()`` name classes of
    the edge models: functions, so that the catalog of targets needs no torch. ``gates`` has an
    entry for each recipe that the target can do. ``lowering`` names the module in
    ``export_targets/lowering`` with this target's ``quantizer``, ``lower`` and ``inspect``: it
    imports the compilers, and is imported when one of them is called. ``runner`` names the runner
    that verifies the saved file, on so many ``samples`` of a build, ``other_runners`` those with
    another arithmetic, by the names that gates ask for; ``packages`` the backends that lowering
    imports; ``options`` what else can be chosen: the values of each option by its name, the default
    first; ``excluded`` which of them (recipe, option, value) do not go together; ``int8_operators``
    says what INT8 is for here; ``float_costs`` what a multiply-accumulate takes longer in float, by
    operator, in any unit; ``float_bytes`` how many a weight takes that a recipe for INT8 leaves
    float.
    """

    name: str
    summary: str
    file: str
    runner: str
    default_recipe: str
    forms: Callable[[], "Forms"]
    float_rules: Callable[[], tuple[FloatRule, ...]]
    gates: Mapping[str, Gates]
    lowering: str
    packages: tuple[str, ...] = ("executorch",)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: tuple[tuple[str, str, str], ...] = ()
    other_runners: Mapping[str, str] = field(default_factory=dict)
    int8_operators: str = ""
    samples: int = GOLDEN_SAMPLES
    float_costs: Mapping[str, float] = field(default_factory=dict)
    float_bytes: int = 4

    @property
    def runners(self) -> tuple[str, ...]:
        """The names of the runners that judge its files."""
        return (self.runner, *self.other_runners.values())

    def quantizer(self, recipe: Recipe, rules: tuple[FloatRule, ...]) -> "Quantizer":
        """What a recipe means here when some modules stay float."""
        quantizer: Quantizer = self._compiler().quantizer(recipe, rules)
        return quantizer

    def lower(self, program: "ExportedProgram", lowering: Lowering, path: Path) -> Lowered:
        """Write the model file at ``path`` and say what was delegated."""
        lowered: Lowered = self._compiler().lower(program, lowering, path)
        return lowered

    def inspect(self, path: Path) -> tuple[int | None, dict[str, int]]:
        """The delegates of a saved file, None where its format has none, and {operator: calls}
        outside them.
        """
        held: tuple[int | None, dict[str, int]] = self._compiler().inspect(path)
        return held

    def _compiler(self) -> ModuleType:
        return import_module(f"export_targets.lowering.{self.lowering}")

    def check(self, recipe: Recipe) -> None:
        """Raises InputError for a recipe that this target cannot do."""
        if recipe.name not in self.gates:
            raise InputError(
                f"The target {self.name} cannot do the recipe {recipe.name}.",
                f"It can do {', '.join(self.gates)}.",
            )

    def choose(self, recipe: Recipe, wanted: Mapping[str, str]) -> dict[str, str]:
        """Every option with the value wanted or its default. Raises InputError for another, or one
        that the recipe excludes.
        """
        for name, value in wanted.items():
            if name not in self.options:
                raise InputError(
                    f"The target {self.name} has no option {name}.",
                    f"It has {', '.join(self.options) or 'none'}.",
                )
            named(dict.fromkeys(self.options[name]), f"choice of {name}", value)
            if (recipe.name, name, value) in self.excluded:
                raise InputError(
                    f"The recipe {recipe.name} is not possible with {name} {value}.",
                    f"Choose another {name} or recipe.",
                )
        return {name: wanted.get(name, values[0]) for name, values in self.options.items()}

    def rules(self, spec: ModelSpec, recipe: Recipe) -> tuple[FloatRule, ...]:
        """What stays float in a model with a recipe: this target's rules and the model's."""
        rules = self.float_rules() + spec.float_rules
        return tuple(rule for rule in rules if not rule.recipes or recipe.name in rule.recipes)


@cache
def all_targets() -> dict[str, Target]:
    """Every ``TARGET`` of every module in ``export_targets/targets``, by name."""
    return collect(targets, "TARGET")


def target_named(name: str) -> Target:
    """One target by name. Raises InputError that lists the names there are."""
    return named(all_targets(), "target", name)


def targets_of(recipe: Recipe) -> list[str]:
    """The names of the targets that can do a recipe."""
    return [target.name for target in all_targets().values() if recipe.name in target.gates]


def recipes_of(target: Target) -> list[str]:
    """The names of the recipes that a target can do."""
    return [name for name in all_recipes() if name in target.gates]
