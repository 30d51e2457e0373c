"""Recipes: data, unique by name."""

from dataclasses import FrozenInstanceError, replace

import pytest

from edge_models.errors import InputError
from quantize.recipe import Activations, Recipe, all_recipes, recipe_named
from quantize.recipes import fp32, int8


def test_every_recipe_is_found_by_its_name_and_says_what_it_is() -> None:
    assert {"fp32", "int8", "int8_mixed", "int8_dynamic"} <= all_recipes().keys()
    for name, recipe in all_recipes().items():
        assert recipe_named(name) is recipe
        assert recipe.name == name
        assert recipe.summary
    assert len({recipe.summary for recipe in all_recipes().values()}) == len(all_recipes())


def test_unknown_name_lists_the_recipes() -> None:
    with pytest.raises(InputError) as error:
        recipe_named("int7")
    assert "'int7'" in error.value.what
    assert all(name in error.value.remedy for name in all_recipes())


def test_two_recipes_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "RECIPE", replace(int8.RECIPE, name=fp32.RECIPE.name))
    with pytest.raises(ValueError, match=r"two entries of quantize\.recipes are named fp32"):
        all_recipes.__wrapped__()


@pytest.mark.parametrize(
    ("convolution", "linear", "quantized", "needs_calibration"),
    [
        (None, None, False, False),
        ("static", "static", True, True),
        ("static", "dynamic", True, True),
        ("dynamic", "dynamic", True, False),
        (None, "dynamic", True, False),
        (None, "static", True, True),
    ],
)
def test_static_ranges_need_calibration(
    convolution: Activations | None,
    linear: Activations | None,
    quantized: bool,
    needs_calibration: bool,
) -> None:
    recipe = Recipe("some", "summary", convolution=convolution, linear=linear)
    assert recipe.quantized == quantized
    assert recipe.needs_calibration == needs_calibration


@pytest.mark.parametrize(
    ("name", "needs", "takes"),
    [
        ("fp32", False, False),
        ("int8", True, True),
        ("int8_mixed", True, True),
        ("int8_dynamic", False, False),
        ("int8_weight_only", False, False),
        ("palettized_4bit", False, True),
        ("palettized_mixed", True, True),
    ],
)
def test_which_recipes_need_images_and_which_take_them(name: str, needs: bool, takes: bool) -> None:
    recipe = recipe_named(name)
    assert (recipe.needs_calibration, recipe.takes_calibration) == (needs, takes)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        recipe_named("fp32").storage = "float16"  # type: ignore[misc]
