"""The manifest: all that an app or a person needs to run an artifact, and its JSON Schema.

A reader ignores fields that it does not know and refuses a newer major version.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import FiniteFloat, PositiveInt

from edge_models.own_network import FAMILY
from export_targets.artifact.interface import InputSection, OutputSection, Section

SCHEMA_VERSION = "1.0"
GoalKind = Literal["agreement", "top1_drop"]


class ModelSection(Section):
    """``macs``: multiply-accumulates of convolutions and matrix products for one input."""

    name: str
    family: str
    parameters: int
    macs: int
    classes: int


class WeightsSection(Section):
    """``source`` is a file name, "embedded", "random" or "network", where one's own had them;
    ``seed`` is of random weights; ``key`` is where in the file they lay, null for a bare state
    dict.
    """

    source: str
    sha256: str
    format: str
    seed: int | None
    key: str | None = None


class TargetSection(Section):
    name: str
    options: dict[str, str]


class FloatModule(Section):
    """Operators of a module that compute in float at INT8, or whose weights stay float where a
    recipe compresses them, and the rule that says so.
    """

    module: str
    operators: dict[str, int]
    rule: str


class Undelegated(Section):
    """An operator that the backend did not take, the module it comes from, and why."""

    operator: str
    module: str
    why: str


class Delegation(Section):
    """What the backend took and what fell out of it. ``dispatches`` is how many operators the saved
    file itself calls, for backends whose speed hangs on it.

    ``delegates`` is None where the format has none: a Core ML package does not say which processor
    takes an operator, the device decides that when it loads the model.
    """

    delegates: int | None
    delegated_ops: int
    dispatches: int | None = None
    undelegated: dict[str, int]
    fallen: tuple[Undelegated, ...]

    @property
    def whole(self) -> bool:
        """One delegate and nothing outside it, or a format without delegates: not judged."""
        return self.delegates in (1, None) and not self.undelegated


class CalibrationSection(Section):
    source: str
    samples: int
    sha256: str
    unreadable: int


class GoldenSection(Section):
    """How many inputs stand in ``golden/`` and where their images come from."""

    samples: PositiveInt
    source: str


class Top1Section(Section):
    """By the labels of the judged images: the top-1 of the FP32 ``reference`` and of the saved
    ``file``, how many images the reference alone has right (``lost``), with the Wilson interval of
    their share, and how many the file alone (``gained``).
    """

    reference: FiniteFloat
    file: FiniteFloat
    lost: int
    gained: int
    interval: tuple[FiniteFloat, FiniteFloat]


class AgreementSection(Section):
    """An agreement that was ``asked`` for, or, of the ``kind`` top1_drop, by how much top-1 might
    fall: the ``modules`` that a search on ``searched`` images left float for it, and the share of
    ``judged`` other ones on which the saved file's top-1 is the FP32 reference's, with its Wilson
    interval. ``top1`` is there where top-1 was asked for. ``int8_share`` is of the
    multiply-accumulates.
    """

    kind: GoalKind = "agreement"
    asked: FiniteFloat
    images: str
    searched: int
    judged: int
    agreement: FiniteFloat
    interval: tuple[FiniteFloat, FiniteFloat]
    int8_share: FiniteFloat
    modules: tuple[str, ...]
    top1: Top1Section | None = None


class RecognizedModule(Section):
    """A module of a network of one's own: the known layer as which it was replaced, null where it
    stays, with the reason; and the SQNR in dB of that layer's edge form against the module itself.
    """

    module: str
    kind: str | None
    why: str
    sqnr_db: FiniteFloat | None


class SelfTest(Section):
    """The pass mark of an app's run of the golden inputs against ``expected_<i>.f32``."""

    sqnr_db: FiniteFloat
    top1: FiniteFloat


class FileEntry(Section):
    """A file of the artifact; an app takes those with ``deploy`` only."""

    path: str
    bytes: int
    sha256: str
    deploy: bool


@dataclass(frozen=True)
class Identity:
    """What makes two artifacts the same thing built twice."""

    model: str
    weights: str
    target: str
    options: Mapping[str, str]
    recipe: str
    form: str
    input: tuple[int, ...]
    preprocessing: str
    heads: str

    def differing(self, other: "Identity") -> list[str]:
        """The fields in which another artifact is another thing."""
        theirs = asdict(other)
        return [name for name, value in asdict(self).items() if theirs[name] != value]


class Manifest(Section):
    """The content of ``manifest.json``."""

    schema_version: str = SCHEMA_VERSION
    name: str
    form: Literal["edge", "published"]
    model: ModelSection
    weights: WeightsSection
    input: InputSection
    output: OutputSection
    recipe: str
    target: TargetSection
    float_modules: tuple[FloatModule, ...]
    delegation: Delegation
    recognized: tuple[RecognizedModule, ...] | None = None  # of the edge form of one's own network
    calibration: CalibrationSection | None
    agreement: AgreementSection | None = None  # where one was asked for
    golden: GoldenSection
    selftest: SelfTest
    files: tuple[FileEntry, ...]
    toolchain: dict[str, str]
    created: str

    @property
    def own(self) -> bool:
        """Whether it is of a network that is in no catalog."""
        return self.model.family == FAMILY

    @property
    def deployed_bytes(self) -> int:
        """What an app takes."""
        return sum(entry.bytes for entry in self.files if entry.deploy)

    @property
    def sound(self) -> bool:
        """Whether as much is in the delegate as has to be. Of the catalog's models it is all; a
        network of one's own may hold what a runtime computes outside, and the published form is
        for comparison.
        """
        return self.own or self.form == "published" or self.delegation.whole

    @property
    def identity(self) -> Identity:
        """Of the artifact that this describes."""
        return Identity(
            model=self.model.name,
            weights=self.weights.sha256,
            target=self.target.name,
            options=self.target.options,
            recipe=self.recipe,
            form=self.form,
            input=self.input.shape,
            preprocessing=self.input.preprocessing(),
            heads=self.output.heads,
        )


def artifact_name(
    model: str, target: str, recipe: str, size: tuple[int, int], batch: int, form: str
) -> str:
    """``<model>-<target>-<recipe>-<HxW>``, with batch and form where they are not the default."""
    name = f"{model}-{target}-{recipe}-{size[0]}x{size[1]}"
    if batch != 1:
        name += f"-b{batch}"
    return name if form == "edge" else f"{name}-{form}"


def json_schema() -> str:
    """The JSON Schema of the manifest, as text."""
    return json.dumps(Manifest.model_json_schema(), indent=1, sort_keys=True) + "\n"


def toolchain(backends: Iterable[str]) -> dict[str, str]:
    """The versions of everything that shaped the files; ``backends`` are a target's packages."""
    from importlib.metadata import version

    packages = ("edgeform", "torch", "torchao", *backends, "numpy", "pillow")
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}


def to_json(content: Mapping[str, Any]) -> str:
    """Stable, readable JSON without NaN."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
