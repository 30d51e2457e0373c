"""The catalog of models: every ``SPECS`` of every module in ``edge_models/specs``."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from edge_models import specs
from edge_models.registry import collect, named
from edge_models.spec import ModelSpec


@cache
def model_specs() -> dict[str, ModelSpec]:
    """Every published model by its name."""
    return collect(specs, "SPECS")


def model_spec(name: str) -> ModelSpec:
    """One model by name. Raises InputError that lists the names there are."""
    return named(model_specs(), "model", name)


def embedded_weights(spec: ModelSpec) -> Path | None:
    """The trained weights that ship with the package, for the models that have them."""
    if spec.embedded is None:
        return None
    return Path(str(files("edge_models") / "weights" / spec.embedded))
