"""The plan of a matrix: a TOML file of models, targets and recipes, as cells."""

import tomllib
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_models.catalog import model_spec
from edge_models.errors import InputError
from edge_models.image_folder import is_address, path_at
from export_targets.matrix.cell import Cell
from export_targets.target import recipes_of, target_named
from quantize.calibration import SYNTHETIC
from quantize.recipe import recipe_named

SMALL_SIDE = 128  # pixels; larger inputs take the memory of a real-size build
SMALL_GIGABYTES, LARGE_GIGABYTES = 2.0, 6.0
EXAMPLE = "As in docs/matrix.md: targets = [...], recipes = [...], and [[models]] with a name."


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt one would be passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelEntry(Strict):
    """A model of the plan: the options of ``build`` and ``evaluate``; ``called`` tells two entries
    of one model apart. Paths are relative to the plan's folder; ``images`` may be an address.
    """

    name: str
    called: str | None = None
    checkpoint: str | None = None
    weights: str | None = None
    size: str | None = None
    labels: str | None = None
    calibration: str | None = None
    agree_on: str | None = None
    images: str | None = None
    limit: int | None = None


class MatrixPlan(Strict):
    """Every model with every target and every recipe that the target can do; INT8 also with a
    search for each of ``agreements`` and each of ``top1_drops``, on the images of ``agree_on``.
    """

    targets: tuple[str, ...]
    recipes: tuple[str, ...]
    models: tuple[ModelEntry, ...]
    agreements: tuple[float, ...] = ()
    top1_drops: tuple[float, ...] = ()
    agree_on: str | None = None
    calibration: str | None = None
    images: str | None = None
    limit: int | None = None


def read_plan(path: Path) -> MatrixPlan:
    """Raises InputError for a file that is no plan, and for names that do not exist."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        plan = MatrixPlan.model_validate(document)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The plan {path} cannot be read: {error}", EXAMPLE) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"The plan {path} is wrong at {place}: {first['msg']}", EXAMPLE) from error
    for name in plan.targets:
        target_named(name)
    for name in plan.recipes:
        recipe_named(name)
    return plan


def cells_of(plan: MatrixPlan, folder: Path) -> tuple[Cell, ...]:
    """The cells of a plan in ``folder``. Raises InputError where two have one name, none is left,
    or an address cannot be read for want of a package.
    """
    cells = tuple(_cells(plan, folder))
    names = [cell.name for cell in cells]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"Two cells of the plan are named {twice[0]}.", "Tell the models apart: called = ..."
        )
    if not cells:
        raise InputError("The plan has no cell: no target can do one of its recipes.", EXAMPLE)
    return cells


def _cells(plan: MatrixPlan, folder: Path) -> Iterator[Cell]:
    agreements = [("agreement", asked, f"-{asked:g}") for asked in plan.agreements]
    drops = [("top1-drop", asked, f"-drop{asked:g}") for asked in plan.top1_drops]
    goals = (None, *agreements, *drops)
    for entry, name, recipe, goal in product(plan.models, plan.targets, plan.recipes, goals):
        target = target_named(name)
        if recipe not in recipes_of(target):
            continue
        if goal is not None and not recipe_named(recipe).quantized:
            continue
        spec = model_spec(entry.name)
        side = max(map(int, entry.size.split("x"))) if entry.size else max(spec.input.size)
        path = partial(_path, folder)
        options: dict[str, Any] = {
            "checkpoint": path(entry.checkpoint),
            "weights": entry.weights,
            "size": entry.size,
            "labels": path(entry.labels),
            "calibration": _calibration(folder, entry.calibration or plan.calibration),
        }
        suffix = ""
        if goal is not None:
            option, asked, suffix = goal
            options |= {option: str(asked), "images": path(entry.agree_on or plan.agree_on)}
        yield Cell(
            name=f"{entry.called or entry.name}-{name}-{recipe}{suffix}",
            model=entry.name,
            target=name,
            recipe=recipe,
            options={key: value for key, value in options.items() if value is not None},
            images=_images(folder, entry.images or plan.images),
            limit=entry.limit or plan.limit,
            gigabytes=gigabytes(side),
        )


def gigabytes(side: int) -> float:
    """What a build takes whose input's longer side has so many pixels."""
    return SMALL_GIGABYTES if side <= SMALL_SIDE else LARGE_GIGABYTES


def _path(folder: Path, text: str | None) -> str | None:
    return None if text is None else str(folder / text)


def _calibration(folder: Path, text: str | None) -> str | None:
    """A folder, or the word for made-up images."""
    return text if text == SYNTHETIC else _path(folder, text)


def _images(folder: Path, text: str | None) -> str | None:
    """A folder, or the address of one."""
    if text is None or not is_address(text):
        return _path(folder, text)
    path_at(text)  # a missing package is said before anything is built
    return text
