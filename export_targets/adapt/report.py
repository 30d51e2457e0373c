"""AdaptReport: what a learning gained, on images that it did not see."""

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt


class Agreeing(BaseModel):
    """Of ``judged`` images the top-1 of ``agreement`` is the published model's, with Wilson's
    interval, 95 %; ``median_sqnr_db`` is of the single images.
    """

    model_config = ConfigDict(frozen=True)

    judged: PositiveInt
    agreement: FiniteFloat
    interval: tuple[FiniteFloat, FiniteFloat]
    median_sqnr_db: FiniteFloat


class AdaptReport(BaseModel):
    """``before`` and ``after``: the model in the recipe's numbers, without and with what was
    learned, and ``floating`` the learned weights in FP32, each beside the published model in FP32.
    ``checkpoint`` is None where nothing was gained on the held-out images. ``ended``: by itself,
    as it did not help any more, not by the time that it was given.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: str = "1.0"
    model: str
    target: str
    recipe: str
    checkpoint: str | None
    images: str
    learned_from: PositiveInt
    held_out: PositiveInt
    steps: int
    ended: bool
    before: Agreeing
    after: Agreeing
    floating: Agreeing
