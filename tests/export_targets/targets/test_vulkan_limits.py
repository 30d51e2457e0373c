"""What phones cannot hold is reported."""

import pytest
import torch

from export_targets.interpret.vk.graph import Call, Graph, TensorValue
from export_targets.lowering.vulkan.limits import MOST_TRACED, beyond_limits, extents

CHANNELS, WIDTH, HEIGHT = (f"TENSOR_{axis}_PACKED" for axis in ("CHANNELS", "WIDTH", "HEIGHT"))


def of(shape: tuple[int, ...], storage: str, layout: str = WIDTH) -> TensorValue:
    return TensorValue(torch.float32, shape, None, storage, layout)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [(CHANNELS, (7, 5, 2 * 3)), (WIDTH, (2, 5, 2 * 10)), (HEIGHT, (7, 2, 2 * 10))],
)
def test_four_numbers_of_the_packed_axis_are_one_texel(
    layout: str, expected: tuple[int, int, int]
) -> None:
    assert extents(of((2, 10, 5, 7), "TEXTURE_3D", layout)) == expected


BEYOND = {
    "3-D image of 2049 x 1 x 1": of((1, 1, 1, 2049), "TEXTURE_3D", CHANNELS),
    "3-D image of 1 x 1 x 2049": of((2049, 1, 4), "TEXTURE_3D"),
    "2-D image of 1 x 16385": of((5, 3277, 4), "TEXTURE_2D"),
    "buffer of 134217732 bytes": of((2**25 + 1,), "BUFFER"),
}
WITHIN = (
    of((1, 1, 1, 2048), "TEXTURE_3D", CHANNELS),
    of((2048 * 4,), "TEXTURE_3D"),
    of((4, 4096, 4), "TEXTURE_2D"),
    of((2**25,), "BUFFER"),
)


@pytest.mark.parametrize("said", BEYOND)
def test_a_tensor_beyond_a_limit_is_named_once(said: str) -> None:
    value = BEYOND[said]
    (line,) = beyond_limits(Graph((3, value, *WITHIN, value), (), (), ()))
    assert said in line
    assert str(value.shape) in line


def test_more_calls_than_a_tracer_holds_are_said() -> None:
    call = Call("aten.relu.default", (0,), 0)
    assert beyond_limits(Graph(WITHIN, (call,) * MOST_TRACED, (), ())) == ()
    (line,) = beyond_limits(Graph(WITHIN, (call,) * (MOST_TRACED + 1), (), ()))
    assert "2001 calls" in line


def test_what_fits_is_not() -> None:
    assert beyond_limits(Graph(WITHIN, (), (), ())) == ()
