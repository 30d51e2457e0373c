"""What ``edgeform list`` lists."""

from edge_models.catalog import model_specs
from export_targets.target import all_targets, recipes_of, targets_of
from quantize.recipe import all_recipes

KINDS = ("models", "recipes", "targets")


def catalogs() -> dict[str, list[dict[str, str]]]:
    """The rows of each list by its kind."""
    models = [
        {
            "name": spec.name,
            "family": spec.family,
            "size": "x".join(str(side) for side in spec.input.size),
            "weights": "embedded" if spec.embedded else "checkpoint",
        }
        for spec in model_specs().values()
    ]
    recipes = [
        {"name": recipe.name, "summary": recipe.summary, "targets": ", ".join(targets_of(recipe))}
        for recipe in all_recipes().values()
    ]
    targets = [
        {
            "name": target.name,
            "summary": target.summary,
            "recipes": ", ".join(recipes_of(target)),
            "default": target.default_recipe,
        }
        for target in all_targets().values()
    ]
    return dict(zip(KINDS, (models, recipes, targets), strict=True))
