"""The residual stream in both forms."""

import pytest
import torch
from torch import Tensor

from edge_models.edge.forms.residual import ChainedSum, GatheredSum
from export_targets.interpret.vk.rounding import stored_float16

FORMS: tuple[type[ChainedSum] | type[GatheredSum], ...] = (ChainedSum, GatheredSum)
BLOCKS, PARTS = 12, 3


class Half(torch.Tensor):
    """A tensor whose sums are stored as float16, rounded toward zero."""

    def __add__(self, other: object) -> "Half":
        assert isinstance(other, Tensor)
        total = self.as_subclass(Tensor) + other.as_subclass(Tensor)
        return stored_float16(total, "toward zero").as_subclass(Half)


def parts() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(500, generator=generator).half().float() for _ in range(BLOCKS * PARTS + 1)]


def summed(form: type[ChainedSum] | type[GatheredSum], kind: type[Tensor]) -> Tensor:
    """What blocks of three parts each leave in the stream."""
    first, *rest = (part.as_subclass(kind) for part in parts())
    stream: ChainedSum | GatheredSum = form(first)
    for block in range(BLOCKS):
        for part in rest[block * PARTS : (block + 1) * PARTS]:
            stream = stream.plus(part)
        stream = stream.settled()
    return stream.total.as_subclass(Tensor)


@pytest.mark.parametrize("form", FORMS)
def test_the_stream_is_the_sum_of_all_parts(
    form: type[ChainedSum] | type[GatheredSum],
) -> None:
    torch.testing.assert_close(summed(form, Tensor), torch.stack(parts()).sum(0))


def test_what_is_gathered_shrinks_less_where_sums_are_rounded_toward_zero() -> None:
    exact = torch.stack(parts()).double().sum(0)
    chained, gathered = ((summed(form, Half) - exact).square().sum() for form in FORMS)
    assert gathered < 0.5 * chained
