"""``demo``: the embedded models with real images through every target that exists."""

from edge_models.catalog import model_specs
from export_targets.matrix.cell import Cell
from export_targets.matrix.plan import SMALL_GIGABYTES
from export_targets.target import all_targets, recipes_of


def demo_cells() -> tuple[Cell, ...]:
    """Each embedded model for each target, by the target's default recipe and in INT8."""
    return tuple(
        Cell(
            name=f"{spec.name}-{target.name}-{recipe}",
            model=spec.name,
            target=target.name,
            recipe=recipe,
            options={},
            gigabytes=SMALL_GIGABYTES,
        )
        for spec in model_specs().values()
        if spec.embedded
        for target in all_targets().values()
        for recipe in recipes_of(target)
        if recipe in (target.default_recipe, "int8")
    )
