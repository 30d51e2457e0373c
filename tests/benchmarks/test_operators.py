"""Events of the runtime, summed by kind of operator."""

import pytest

from tests.benchmarks.operators import Kind, by_kind, outside

EVENTS = [
    ("Method::execute", 9.0),
    ("DELEGATE_CALL", 8.0),
    ("OPERATOR_CALL", 1.0),
    ("Convolution (NHWC, QC8) IGEMM #1", 2.0),
    ("Convolution (NHWC, QC8) IGEMM #2", 3.0),
    ("Add (ND) #1", 0.5),
    ("native_call_native_layer_norm.out", 1.0),
]


def test_events_are_summed_by_kind_and_the_slowest_comes_first() -> None:
    assert by_kind(EVENTS) == [
        Kind("Convolution (NHWC, QC8) IGEMM", 2, 5.0),
        Kind("native_call_native_layer_norm.out", 1, 1.0),
        Kind("Add (ND)", 1, 0.5),
    ]


def test_outside_are_the_operators_that_are_no_product() -> None:
    assert outside(by_kind(EVENTS)) == 1.5


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("Fully Connected (NC, QS8, QC8W) GEMM", True),
        ("Batch Matrix Multiply (NC, F32) GEMM", True),
        ("Deconvolution (NHWC, F32)", True),
        ("Average Pooling (NHWC, F32) Average Pooling", False),
        ("Multiply (ND)", False),
    ],
)
def test_products(name: str, product: bool) -> None:
    assert Kind(name, 1, 1.0).product is product
