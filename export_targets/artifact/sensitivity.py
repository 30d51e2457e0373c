"""What INT8 costs, module by module: a report beside the manifest that may be made anew."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, FiniteFloat

from export_targets.artifact.folder import SENSITIVITY, Artifact, read_report, write_report


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
    """Write ``sensitivity.json`` beside the manifest."""
    write_report(folder, SENSITIVITY, found)


def read_sensitivity(artifact: Artifact) -> Sensitivity | None:
    """What was measured of an artifact, None where nothing was. Raises InputError for a report that
    is damaged or of another artifact.
    """
    remedy = "Run edgeform sensitivity."
    return read_report(artifact.folder, artifact.manifest, SENSITIVITY, Sensitivity, remedy)
