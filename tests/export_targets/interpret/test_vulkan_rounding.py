"""How float16 results are stored."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Call, Graph, TensorValue, Values
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


def test_a_group_norm_reads_its_statistics_as_they_are_stored() -> None:
    sizes, groups, eps = (1, 8, 6, 6), 2, 1e-5
    affine = [
        TensorValue(torch.float16, (8,), fill(8).half()) for fill in (torch.ones, torch.zeros)
    ]
    held = [TensorValue(torch.float16, shape) for shape in (sizes, (1, groups), (1, groups))]
    values = (held[0], *affine, 1, 8, 36, groups, eps, *held, Values((8, 9, 10)))
    call = Call("aten.native_group_norm.default", tuple(range(8)), 11)
    graph = Graph(values, (call,), (0,), (8, 9, 10))
    x = (torch.randn(sizes, generator=torch.Generator().manual_seed(3)) + 3).half().float()
    found, mean, reciprocal = execute(graph, [x], "toward zero")

    of_groups = x.view(groups, -1)
    exact = torch.rsqrt(of_groups.var(1, correction=0) + eps)
    torch.testing.assert_close(mean[0], stored_float16(of_groups.mean(1), "toward zero"))
    torch.testing.assert_close(reciprocal[0], stored_float16(exact, "toward zero"))
    assert not torch.allclose(reciprocal[0], exact, rtol=1e-6, atol=0)
    normalized = (of_groups - mean.T) * reciprocal.T
    expected = stored_float16(normalized.view(sizes), "toward zero")
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
