"""What INT8 costs, module by module: a report beside the manifest that may be made anew."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, FiniteFloat

from edge_models.errors import InputError
from export_targets.artifact.folder import (
    MAX_MANIFEST_BYTES,
    SENSITIVITY,
    Artifact,
    first_problem,
    inside,
)
from export_targets.artifact.manifest import to_json


class Cost(BaseModel):
    """The quantized graph against the float one on the same images: SQNR in dB as ``Metrics``
    defines it, of several outputs the worst, and the share of equal top-1, None for tensors.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sqnr_db: FiniteFloat | None
    agreement: FiniteFloat | None


class ModuleCost(BaseModel):
    """A module's INT8 ``layers``, with the multiply-accumulates of one input: ``in_float`` is the
    network with them alone in float, ``alone`` with them alone in INT8, None where a build's search
    did not need it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    module: str
    layers: int
    macs: int
    in_float: Cost
    alone: Cost | None


class Sensitivity(BaseModel):
    """``whole``: all in INT8 that the recipe quantizes; ``modules`` in the order of the graph."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: str = "1.0"
    artifact: str
    images: str
    samples: int
    whole: Cost
    modules: tuple[ModuleCost, ...]


def write_sensitivity(folder: Path, found: Sensitivity) -> None:
    """Write ``sensitivity.json``, replacing the old one in one step."""
    temporary = folder / f".{SENSITIVITY}"
    temporary.write_text(to_json(found.model_dump(mode="json")), encoding="utf-8")
    temporary.replace(folder / SENSITIVITY)


def read_sensitivity(artifact: Artifact) -> Sensitivity | None:
    """What was measured of an artifact, None where nothing was. Raises InputError for a report that
    is damaged or of another artifact.
    """
    path = inside(artifact.folder, SENSITIVITY)
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MAX_MANIFEST_BYTES} bytes")
        found = Sensitivity.model_validate_json(path.read_bytes())
        if found.artifact != artifact.manifest.name:
            raise ValueError(f"it is of {found.artifact}, not of {artifact.manifest.name}")
    except (ValueError, OSError) as error:
        raise InputError(
            f"The report {path} is damaged: {first_problem(error)}", "Run edgeform sensitivity."
        ) from error
    return found
