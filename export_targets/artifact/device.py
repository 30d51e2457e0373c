"""What ran a file, as a LatencyReport names it: the device, the runtime and its chip's units."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

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


class ComputePlan(Part):
    """Where Core ML means to run a model's operators, how many on each unit of the chip;
    ``requested``: what it was allowed to use.
    """

    requested: Literal["all", "cpu_and_ne", "cpu_and_gpu", "cpu"]
    cpu: NonNegativeInt
    gpu: NonNegativeInt
    neural_engine: NonNegativeInt

    def __str__(self) -> str:
        return (
            f"{self.neural_engine} on the Neural Engine, {self.gpu} on the GPU, {self.cpu} on the "
            f"CPU (allowed: {self.requested})"
        )


class Thermal(Part):
    """The platform's own words for its thermal state, before the first and after the last run."""

    start: Text
    end: Text
