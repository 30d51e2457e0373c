"""What a tune tried and which file it chose: ``tune.json`` in the folder of its builds."""

from typing import Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt, model_validator

TUNING = "tune.json"


class Agreement(BaseModel):
    """Of ``judged`` images, ``agreeing`` have the FP32 reference's top-1; ``interval`` is Wilson's
    of their share. ``images`` is the digest of their pixels.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    images: str
    judged: PositiveInt
    agreeing: int
    interval: tuple[FiniteFloat, FiniteFloat]

    @property
    def share(self) -> float:
        """Of the images that agree, in [0, 1]."""
        return self.agreeing / self.judged


class Candidate(BaseModel):
    """A file that was tried, ``asked`` by which agreement it was searched for, None for a plain
    recipe. Where it is not ``passed``, ``problems`` say why and nothing is measured. ``int8_share``
    is of the multiply-accumulates, None where the artifact does not say; ``p50_ms`` is None where
    nothing here could time it. ``meets``: it agrees as the tune asks.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    folder: str
    target: str
    recipe: str
    asked: FiniteFloat | None
    passed: bool
    problems: tuple[str, ...] = ()
    megabytes: FiniteFloat | None = None
    agreement: Agreement | None = None
    int8_share: FiniteFloat | None = None
    p50_ms: FiniteFloat | None = None
    meets: bool = False
    on_front: bool = False

    @model_validator(mode="after")
    def _measured_where_it_passed(self) -> Self:
        measured = self.megabytes is not None and self.agreement is not None
        if self.passed != measured:
            raise ValueError("a file is measured where its gates held, and nowhere else")
        if not self.passed and (self.meets or self.on_front):
            raise ValueError("a file whose gates failed is not on the front")
        return self


class Tuning(BaseModel):
    """``images``: what the files were judged on; ``at_least``: the agreement that the chosen one
    must reach; ``runner`` and ``device``: where times were taken, None where none were;
    ``untimed`` says of each target without times why. ``chosen`` is a candidate's name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: str = "1.0"
    model: str
    images: str
    at_least: FiniteFloat
    runner: str
    device: str | None
    untimed: dict[str, str]
    candidates: tuple[Candidate, ...]
    chosen: str | None

    @property
    def timed(self) -> bool:
        """Whether times were taken of every file whose gates held."""
        return all(one.p50_ms is not None for one in self.candidates if one.passed)

    @model_validator(mode="after")
    def _chosen_meets(self) -> Self:
        able = [one.name for one in self.candidates if one.meets]
        if self.chosen is not None and self.chosen not in able:
            raise ValueError(f"the chosen {self.chosen} is none of those that agree as asked")
        return self
