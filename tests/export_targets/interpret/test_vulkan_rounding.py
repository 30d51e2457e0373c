"""How float16 results are stored."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from export_targets.interpret.vk.rounding import SMALLEST_NORMAL, stored_float16

NUMBERS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50).map(torch.tensor)
LARGEST = 65_504.0


def test_a_sum_that_was_seen_on_the_runtime() -> None:
    x = torch.tensor([1.0 + 0.0009])
    assert stored_float16(x, "toward zero").item() == 1.0
    assert stored_float16(x, "nearest").item() == 1.0009765625


def test_toward_zero_at_the_ends() -> None:
    x = torch.tensor([-1.0009, 70_000.0, 4e-8, -5e-8, 0.0, 1.5, torch.inf])
    expected = [-1.0, LARGEST, 0.0, 0.0, 0.0, 1.5, torch.inf]
    assert stored_float16(x, "toward zero").tolist() == expected


@given(NUMBERS)
def test_toward_zero_never_grows_and_is_within_one_step(x: Tensor) -> None:
    found, inside = stored_float16(x, "toward zero"), x.isfinite()
    assert (found.abs() <= x.abs()).all()
    step = torch.nextafter(found.half().abs(), torch.tensor(torch.inf).half()).float()
    assert (step > x.abs())[inside].all()
    exact = x.half().float() == x
    assert torch.equal(found[exact], x[exact])


@given(NUMBERS)
def test_flushed_is_nearest_without_subnormals(x: Tensor) -> None:
    found, nearest = stored_float16(x, "flushed"), x.half().float()
    normal = nearest.abs() >= SMALLEST_NORMAL
    assert torch.equal(found[normal], nearest[normal])
    assert (found[~normal] == 0).all()
