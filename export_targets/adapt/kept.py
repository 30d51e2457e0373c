"""The files of a learning: the checkpoint that it writes, and beside it where it was stopped."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from edge_models.errors import InputError
from export_targets.adapt.learning import Score, State, Tensors

ENDING = ".learning"
IDENTITY, PLACE = "edgeform.adapt", "edgeform.adapt.place"  # keys of the files' metadata


@dataclass(frozen=True)
class Kept:
    """``place``: of the checkpoint. ``identity``: of what is learned from what."""

    place: Path
    identity: str

    @property
    def stopped(self) -> Path:
        """The file that says where the learning is."""
        return self.place.with_name(self.place.name + ENDING)

    def check_replaceable(self, force: bool) -> None:
        """Raises InputError for a checkpoint that another command wrote."""
        if not force and self.place.exists() and _facts(self.place).get(IDENTITY) != self.identity:
            raise InputError(
                f"{self.place} is there, and not from this model, recipe and images.",
                "Choose another --out, or say --force.",
            )

    def write(self, state: State) -> None:
        """Keep a state, for the same command to go on from."""
        place = {key: value for key, value in vars(state).items() if key != "tensors"}
        facts = json.dumps(place | {"best": asdict(state.best)})
        self._write(self.stopped, state.tensors, {PLACE: facts})

    def read(self) -> State | None:
        """What the same command kept; None where there is none. Raises InputError for a damaged
        file.
        """
        path = self.stopped
        facts = _facts(path) if path.exists() else {}
        if facts.get(IDENTITY) != self.identity:
            return None
        try:
            place = json.loads(facts[PLACE])
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return State(**place | {"best": Score(**place["best"])}, tensors=tensors)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error

    def end(self, weights: Tensors | None, ended: bool) -> None:
        """Write the checkpoint; of a learning that ``ended`` by itself, nothing else is kept."""
        if weights is not None:
            self._write(self.place, weights, {})
        if ended:
            self.stopped.unlink(missing_ok=True)

    def _write(self, path: Path, tensors: Tensors, facts: dict[str, str]) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        apart = {name: value.clone().contiguous() for name, value in tensors.items()}
        try:
            save_file(apart, partial, facts | {IDENTITY: self.identity})
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _facts(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read: {error}", "Move it away, or choose another --out.")
