"""Compressed constants: what a device unpacks when it loads the program."""

import torch
from torch import Tensor

from export_targets.interpret.mil.broadcast import along
from export_targets.interpret.mil.types import integers
from export_targets.interpret.refusal import RefusedError


def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor
) -> Tensor:
    """scale * (quantized_data - zero_point), each a scalar or a vector along the axis."""
    shift = along(zero_point, quantized_data, axis)
    return (quantized_data.float() - shift.float()) * along(scale, quantized_data, axis)


def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """scale * (data - offset); each entry of scale and offset is of a block of data."""
    steps = data.float()
    if offset is not None:
        steps = steps - _over_blocks(offset.float(), data)
    return steps * _over_blocks(scale, data)


def _over_blocks(parameter: Tensor, data: Tensor) -> Tensor:
    for axis, (many, few) in enumerate(zip(data.shape, parameter.shape, strict=True)):
        if few == 0 or many % few:
            raise RefusedError(f"{few} blocks do not fit an axis of {many}")
        parameter = parameter.repeat_interleave(many // few, dim=axis)
    return parameter


def constexpr_lut_to_dense(
    indices: Tensor,
    lut: Tensor,
    shape: Tensor | None = None,
    vector_axis: Tensor | None = None,
) -> Tensor:
    """Each index replaced by its entry of a table.

    Before iOS 18: ``indices`` is packed, log2(entries) bits each, the lowest bits of a byte first,
    and ``shape`` is the result's. From iOS 18: ``indices`` has the result's shape and ``lut`` one
    table of single numbers for each block of it, (*blocks, entries, 1).
    """
    if shape is not None:
        bits = (lut.numel() - 1).bit_length()
        if 2**bits != lut.numel():
            raise RefusedError(f"a table of {lut.numel()} entries is not known")
        sizes = integers(shape)
        return lut[_unpacked(indices, bits, int(torch.tensor(sizes).prod()))].reshape(sizes)
    if vector_axis is not None and lut.shape[-1] != 1:
        raise RefusedError("a table of vectors (vector_axis) is not known")
    table = lut.squeeze(-1)  # (*blocks, entries)
    repeats = [many // few for many, few in zip(indices.shape, table.shape[:-1], strict=True)]
    for axis, repeat in enumerate(repeats):
        table = table.repeat_interleave(repeat, dim=axis)
    if table.shape[:-1] != indices.shape:
        raise RefusedError(f"the tables {list(lut.shape)} do not fit {list(indices.shape)}")
    return table.gather(-1, indices.long().unsqueeze(-1)).squeeze(-1)


def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Tensor) -> Tensor:
    """``mask`` has a bit a number of the result, the lowest bit of a byte first."""
    sizes = integers(shape)
    present = _unpacked(mask, 1, int(torch.tensor(sizes).prod())).bool()
    result = torch.zeros(len(present), dtype=nonzero_data.dtype)
    result[present] = nonzero_data
    return result.reshape(sizes)


def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """From float16 to float32: the same numbers."""
    if output_dtype != "fp32":
        raise RefusedError(f"constexpr_cast to {output_dtype!r} is not known")
    return source_val


def _unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """``count`` integers of ``bits`` bits each, from bytes whose lowest bits come first."""
    if packed.numel() != -(-bits * count // 8):
        raise RefusedError(f"{packed.numel()} bytes do not hold {count} numbers of {bits} bits")
    each = (packed.long()[:, None] >> torch.arange(8)) & 1
    each = each.flatten()[: bits * count].view(count, bits)
    return (each << torch.arange(bits)).sum(1)
