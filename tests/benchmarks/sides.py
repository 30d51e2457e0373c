"""The sides of a comparison: each form of ours and each peer, in each recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from export_targets.request import Form
from tests.benchmarks import peers
from tests.benchmarks.subject import Subject

FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Side:
    """A file that a runtime executes; ``form`` is ours or the peer's name."""

    engine: str
    form: str
    recipe: str
    path: Path

    @property
    def megabytes(self) -> float:
        """What is deployed; OpenVINO keeps the weights in a file of their own."""
        weights = self.path.with_suffix(".bin")
        files = [self.path, weights] if self.path.suffix == ".xml" else [self.path]
        return sum(file.stat().st_size for file in files) / 1e6


def sides_of(subject: Subject, recipes: Sequence[str]) -> list[Side]:
    """Every side of a subject; without the peers where they are not installed."""
    ours = [
        Side("executorch", form, recipe, subject.artifact(recipe, form).model)
        for recipe in recipes
        for form in FORMS
    ]
    if peers.absent():
        return ours
    made = peers.files(subject).items()
    return ours + [
        Side(engine, engine, recipe, path) for (engine, recipe), path in made if recipe in recipes
    ]
