"""INT8 operators with their runtime's integer arithmetic.

A number x stands for the integer q = round(x / scale) + zero point, in -128 to 127. Products are
summed up as integers, without rounding, in a type of float that holds these sums exactly.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.refusal import RefusedError

SMALLEST, LARGEST = -128, 127
EXACT_IN_FLOAT32 = 2**24  # integers up to it
Pair = Sequence[int]


def quantize(x: Tensor, scale: float, zero_point: int) -> Tensor:
    """round(x * (1 / scale)) + zero point, clamped: in float32, halves to the even integer."""
    inverse = torch.tensor(1.0, dtype=torch.float32) / torch.tensor(scale, dtype=torch.float32)
    rounded = (x.float() * inverse).round_().add_(zero_point)
    return rounded.clamp_(SMALLEST, LARGEST).to(torch.int8)


def dequantize(q: Tensor, scale: float, zero_point: int) -> Tensor:
    return (q.to(torch.int32) - zero_point).float() * scale


def quantize_per_tensor(
    x: Tensor, scale: float, zero_point: int, smallest: int, largest: int, _: None
) -> Tensor:
    _check_range(smallest, largest)
    return quantize(x, scale, zero_point)


def dequantize_per_tensor(
    q: Tensor, scale: float, zero_point: int, smallest: int, largest: int, *_: None
) -> Tensor:
    _check_range(smallest, largest)
    return dequantize(q, scale, zero_point)


def _check_range(smallest: int, largest: int) -> None:
    if (smallest, largest) != (SMALLEST, LARGEST):
        raise RefusedError(f"has integers from {smallest} to {largest}, not of a whole byte")


def q8ta_add(
    first: Tensor,
    second: Tensor,
    first_scale: float,
    first_zero_point: int,
    second_scale: float,
    second_zero_point: int,
    scale: float,
    zero_point: int,
    alpha: float,
) -> Tensor:
    left = dequantize(first, first_scale, first_zero_point)
    right = dequantize(second, second_scale, second_zero_point)
    return quantize(left + alpha * right, scale, zero_point)


def q8ta_linear(
    q: Tensor,
    in_scale: float,
    in_zero_point: int,
    weight: Tensor,
    sums: Tensor,
    scales: Tensor,
    scale: float,
    zero_point: int,
    bias: Tensor | None,
    activation: str,
) -> Tensor:
    """Weight (outputs, inputs); its scales, sums and bias are padded to whole groups of four."""
    outputs = len(weight)
    _check_sums(weight, sums)
    dtype = _exact(weight)
    products = F.linear(q.to(dtype), weight.to(dtype)).double() - in_zero_point * sums[:outputs]
    real = products.float() * (scales[:outputs] * in_scale)
    return _requantize(real, bias, outputs, (-1,), activation, scale, zero_point)


def q8ta_conv2d(
    q: Tensor,
    in_scale: float,
    in_zero_point: int,
    weight: Tensor,
    sums: Tensor,
    scales: Tensor,
    scale: float,
    zero_point: int,
    bias: Tensor | None,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    activation: str,
) -> Tensor:
    """Weight (outputs, rows * columns * inputs of a group), each row padded to groups of four."""
    outputs, inputs = len(weight), q.shape[1] // groups
    rows, columns = kernel
    used = rows * columns * inputs
    _check_sums(weight, sums)
    shaped = weight[:, :used].reshape(outputs, rows, columns, inputs).permute(0, 3, 1, 2)
    return _convolve(
        *(q, in_scale, in_zero_point, shaped, scales, scale, zero_point, bias),
        *(stride, padding, dilation, groups, activation),
    )


def _convolve(
    q: Tensor,
    in_scale: float,
    in_zero_point: int,
    weight: Tensor,
    scales: Tensor,
    scale: float,
    zero_point: int,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    activation: str,
) -> Tensor:
    """Zeros around the map stand for the number 0, so for the zero point among the integers."""
    dtype = _exact(weight)
    products = F.conv2d(
        q.to(dtype) - in_zero_point,
        weight.to(dtype),
        None,
        list(stride),
        list(padding),
        list(dilation),
        groups=groups,
    )
    channels = (-1, 1, 1)
    real = products.float() * (scales[: len(weight)] * in_scale).view(channels)
    return _requantize(real, bias, len(weight), channels, activation, scale, zero_point)


def _requantize(
    real: Tensor,
    bias: Tensor | None,
    outputs: int,
    axis: Sequence[int],
    activation: str,
    scale: float,
    zero_point: int,
) -> Tensor:
    if bias is not None:
        real = real + bias[:outputs].view(list(axis))
    if activation not in ("none", "relu"):
        raise RefusedError(f"has the activation {activation}, which this interpreter does not know")
    if activation == "relu":
        real = torch.relu(real)
    return quantize(real, scale, zero_point)


def _exact(weight: Tensor) -> torch.dtype:
    """The type in which every sum of products with a row of the weights is exact, in any order."""
    rows = weight.flatten(1).to(torch.int16).abs().sum(1, dtype=torch.int32)
    largest = int(rows.max()) * (LARGEST - SMALLEST)
    return torch.float32 if largest < EXACT_IN_FLOAT32 else torch.float64


def _check_sums(weight: Tensor, sums: Tensor) -> None:
    """The runtime takes the zero point's share of a product from sums that the file holds."""
    if not torch.equal(weight.sum(1, dtype=torch.int32), sums[: len(weight)]):
        raise RefusedError("holds sums that are not of its weights")


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "quantized_decomposed.quantize_per_tensor.default": quantize_per_tensor,
    "quantized_decomposed.dequantize_per_tensor.default": dequantize_per_tensor,
    "et_vk.q8ta_add.default": q8ta_add,
    "et_vk.q8ta_linear.default": q8ta_linear,
    "et_vk.q8ta_linear_gemv.default": q8ta_linear,  # of one row
    "et_vk.q8ta_conv2d.default": q8ta_conv2d,
    "et_vk.q8ta_conv2d_pw.default": q8ta_conv2d,
}
