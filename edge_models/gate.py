"""Gate: what the comparison of two programs must reach."""

from pydantic import BaseModel, ConfigDict, FiniteFloat


class Gate(BaseModel):
    """What a hop must reach: signal-to-quantization-noise ratio in dB, agreement in [0, 1].

    An agreement of 1 asks it of every sample; less is a claim about all images, and holds where the
    lower end of the share's Wilson interval reaches it, or every sample agrees: of few samples that
    is all they can say. It is judged only where a constant answer would not reach it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    min_sqnr_db: FiniteFloat
    min_top1_agreement: FiniteFloat
