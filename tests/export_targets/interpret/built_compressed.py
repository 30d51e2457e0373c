"""Quantized and compressed numbers: programs of MIL's own builder."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.export_targets.interpret.built import Built

INT8 = np.random.default_rng(0).integers(-127, 128, (4, 6)).astype(np.int8)
UINT8 = np.random.default_rng(1).integers(0, 256, (4, 6)).astype(np.uint8)
SCALES = np.array([0.5, 0.25, 0.125, 2.0], np.float32)
SHIFTS = np.array([3, -4, 0, 100], np.int8)
TABLE = np.linspace(-1, 1, 64).astype(np.float32)


def quantized(x: Tensor) -> Tensor:
    return torch.round(x / 0.03 + 0.0).add(-7).clamp(-128, 127)


def by_row(values: Any) -> Tensor:
    return torch.tensor(values).float()[:, None]


def packed(indices: Any, bits: int) -> Any:
    """Indices as bytes, the lowest bits first."""
    each = (indices.astype(np.uint8).reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(each.reshape(-1).astype(np.uint8), bitorder="little")


COMPRESSED = (
    Built(
        "quantize",
        lambda mb, x: mb.cast(
            x=mb.quantize(input=x, scale=0.03, zero_point=np.int8(-7), output_dtype="int8"),
            dtype="fp32",
        ),
        quantized,
    ),
    Built(
        "dequantize",
        lambda mb, x: mb.dequantize(
            input=mb.quantize(
                input=x, scale=SCALES / 9, zero_point=SHIFTS, axis=1, output_dtype="int8"
            ),
            scale=SCALES,
            zero_point=SHIFTS,
            axis=1,
        ),
        lambda x: (
            (
                (
                    torch.round(x / torch.tensor(SCALES / 9)[:, None, None])
                    + torch.tensor(SHIFTS)[:, None, None]
                ).clamp(-128, 127)
                - torch.tensor(SHIFTS)[:, None, None]
            )
            * torch.tensor(SCALES)[:, None, None]
        ),
    ),
    Built(
        "quantize",
        lambda mb, x: mb.dequantize(
            input=mb.quantize(input=x, scale=0.02, zero_point=np.uint8(130), output_dtype="uint8"),
            scale=0.02,
            zero_point=np.uint8(130),
        ),
        lambda x: ((torch.round(x / 0.02) + 130).clamp(0, 255) - 130) * 0.02,
    ),
    Built(
        "constexpr_affine_dequantize",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_affine_dequantize(
                quantized_data=INT8, zero_point=SHIFTS, scale=SCALES, axis=0
            ),
        ),
        lambda x: x + (torch.tensor(INT8).float() - by_row(SHIFTS)) * by_row(SCALES),
        (4, 6),
    ),
    Built(
        "constexpr_affine_dequantize",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_affine_dequantize(
                quantized_data=UINT8, zero_point=np.uint8(9), scale=np.float32(0.5), axis=0
            ),
        ),
        lambda x: x + (torch.tensor(UINT8).float() - 9) * 0.5,
        (4, 6),
    ),
    *(
        Built(
            "constexpr_lut_to_dense",
            lambda mb, x, bits=bits: mb.add(
                x=x,
                y=mb.constexpr_lut_to_dense(
                    indices=packed(UINT8 % 2**bits, bits),
                    lut=TABLE[: 2**bits],
                    shape=np.array([4, 6], np.uint32),
                ),
            ),
            lambda x, bits=bits: x + torch.tensor(TABLE[UINT8 % 2**bits]),
            (4, 6),
        )
        for bits in (1, 4, 6)
    ),
    Built(
        "constexpr_lut_to_dense",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_lut_to_dense(
                indices=_uint(UINT8 % 16, 4), lut=TABLE[:32].reshape(2, 1, 16, 1)
            ),
        ),
        lambda x: (
            x
            + torch.cat(
                [
                    torch.tensor(TABLE[:16][UINT8[:2] % 16]),
                    torch.tensor(TABLE[16:32][UINT8[2:] % 16]),
                ]
            )
        ),
        (4, 6),
        "iOS18",
    ),
    Built(
        "constexpr_blockwise_shift_scale",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_blockwise_shift_scale(
                data=INT8,
                scale=SCALES.reshape(2, 2),
                offset=np.array([[1, 2], [3, 4]], np.int8),
            ),
        ),
        lambda x: (
            x
            + (
                torch.tensor(INT8).float()
                - torch.tensor([[1.0, 2], [3, 4]]).repeat_interleave(2, 0).repeat_interleave(3, 1)
            )
            * torch.tensor(SCALES).view(2, 2).repeat_interleave(2, 0).repeat_interleave(3, 1)
        ),
        (4, 6),
        "iOS18",
    ),
    Built(
        "constexpr_sparse_to_dense",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_sparse_to_dense(
                nonzero_data=TABLE[: int((UINT8 > 99).sum())],
                mask=packed(UINT8 > 99, 1),
                shape=np.array([4, 6], np.uint32),
            ),
        ),
        lambda x: (
            x.masked_scatter(
                torch.tensor(UINT8 > 99), torch.tensor(TABLE[: int((UINT8 > 99).sum())])
            )
            + torch.where(torch.tensor(UINT8 > 99), x, 0)
        ),
        (4, 6),
    ),
    Built(
        "constexpr_cast",
        lambda mb, x: mb.add(
            x=x,
            y=mb.constexpr_cast(source_val=TABLE[:6].astype(np.float16), output_dtype="fp32"),
        ),
        lambda x: x + torch.tensor(TABLE[:6].astype(np.float16)).float(),
        (4, 6),
    ),
)


def _uint(values: Any, bits: int) -> Any:
    from coremltools.converters.mil.mil import types

    return values.astype(types.nptype_from_builtin(getattr(types, f"uint{bits}")))
