"""What ran a file, as a LatencyReport names it: the device, the runtime and its chip's units."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from edge_models.registry import named

NAMELESS = ("unknown", "generic", "none", "null", "n/a", "localhost")
EMULATED = re.compile(r"emulat|simulator|qemu|sdk_gphone|android sdk built for", re.IGNORECASE)

Text = Annotated[str, Field(min_length=1, max_length=200)]


class Part(BaseModel):
    """A part of the report: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _device_name(name: str) -> str:
    if name.strip().lower() in ("", *NAMELESS) or not name.isprintable():
        raise ValueError("a device has a name that tells it from others")
    if EMULATED.search(name):
        raise ValueError("an emulated device says nothing of a real one's times")
    return name


class Device(Part):
    """What ran the file. ``isa``: the instruction sets that matter to the kernels, as in "avx2",
    "avx512_vnni", "neon", "dotprod", "i8mm".
    """

    name: Annotated[Text, AfterValidator(_device_name)]
    os: Text
    soc: Text
    cores: PositiveInt
    abi: Literal["x86_64", "arm64-v8a", "arm64"]
    isa: tuple[Text, ...]


class Runtime(Part):
    """``backend``: what computed, as in "xnnpack"; ``version``: of the runtime around it;
    ``threads`` is None where the runtime does not tell.
    """

    backend: Text
    version: Text
    threads: PositiveInt | None

    @property
    def on_threads(self) -> str:
        """As in "4 threads"."""
        if self.threads is None:
            return "threads of its own choice"
        return f"{self.threads} thread{'s' * (self.threads > 1)}"


Unit = Literal["cpu", "gpu", "neural_engine"]
Requested = Literal["all", "cpu_and_ne", "cpu_and_gpu", "cpu"]
# What each choice of compute units is made for beside the CPU.
ACCELERATORS: Mapping[Requested, Unit] = {
    "all": "neural_engine",
    "cpu_and_ne": "neural_engine",
    "cpu_and_gpu": "gpu",
}
UNIT_NAMES: Mapping[Unit, str] = {
    "cpu": "the CPU",
    "gpu": "the GPU",
    "neural_engine": "the Neural Engine",
}


class PlannedOperator(Part):
    """An operator of a Core ML program: its name as in "ios17.conv", that of its first output, the
    unit that Core ML prefers for it, those that could take it, and Core ML's own estimate of its
    share of an inference, None where it gives none.
    """

    operator: Text
    output: Text
    unit: Unit
    supported: tuple[Unit, ...]
    cost: Annotated[FiniteFloat, Field(ge=0)] | None


class ComputePlan(Part):
    """Where Core ML means to run a model's operators, how many on each unit of the chip;
    ``requested``: what it was allowed to use; ``operators`` in the order of the program, empty
    where who wrote the report only counted them.
    """

    requested: Requested
    cpu: NonNegativeInt
    gpu: NonNegativeInt
    neural_engine: NonNegativeInt
    operators: tuple[PlannedOperator, ...] = ()

    @classmethod
    def of(cls, requested: Requested, operators: Sequence[PlannedOperator]) -> Self:
        """A plan from its operators."""
        return cls(requested=requested, **_counts(operators), operators=tuple(operators))

    @model_validator(mode="after")
    def _counts_its_operators(self) -> Self:
        if self.operators:
            for unit, count in _counts(self.operators).items():
                if getattr(self, unit) != count:
                    raise ValueError(f"{unit} is not {count}, as the operators have it")
        return self

    def fallen(self) -> tuple[PlannedOperator, ...]:
        """The operators that the chosen accelerator cannot take although it takes others before and
        after them: there an inference leaves it and comes back. Operators at the ends (conversions
        of the input, names of classes) are no such fault, nor is a plan in which it takes none.
        """
        accelerator = ACCELERATORS.get(self.requested)
        taken = [accelerator in operator.supported for operator in self.operators]
        if True not in taken:
            return ()
        first, last = taken.index(True), len(taken) - taken[::-1].index(True)
        inner = zip(self.operators[first:last], taken[first:last], strict=True)
        return tuple(operator for operator, able in inner if not able)

    def __str__(self) -> str:
        return (
            f"{self.neural_engine} on the Neural Engine, {self.gpu} on the GPU, {self.cpu} on the "
            f"CPU (allowed: {self.requested})"
        )


class Thermal(Part):
    """The platform's own words for its thermal state, before the first and after the last run."""

    start: Text
    end: Text


def requested_units(name: str) -> Requested:
    """A choice of compute units by its name. Raises InputError that lists the names there are."""
    choices: dict[str, Requested] = {choice: choice for choice in get_args(Requested)}
    return named(choices, "choice of compute units", name)


def _counts(operators: Sequence[PlannedOperator]) -> dict[str, int]:
    return {unit: sum(operator.unit == unit for operator in operators) for unit in get_args(Unit)}
