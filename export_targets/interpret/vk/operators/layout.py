"""Moving numbers without computing any."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def prepack(constant: Tensor) -> Tensor:
    """To the device: the numbers stay."""
    return constant


def clone(x: Tensor, _: None) -> Tensor:
    """To another memory layout: the numbers stay."""
    return x


def view_copy(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape(list(shape))


def permute_copy(x: Tensor, order: Sequence[int]) -> Tensor:
    return x.permute(list(order)).contiguous()


def squeeze_copy(x: Tensor, dims: Sequence[int]) -> Tensor:
    return x.squeeze(tuple(dims))


def unsqueeze_copy(x: Tensor, dim: int) -> Tensor:
    return x.unsqueeze(dim)


def expand_copy(x: Tensor, shape: Sequence[int], _: bool) -> Tensor:
    return x.expand(list(shape)).contiguous()


def slice_copy(x: Tensor, dim: int, start: int | None, end: int | None, step: int) -> Tensor:
    places = [slice(None)] * x.dim()
    places[dim] = slice(start, end, step)
    return x[tuple(places)].contiguous()


def select_copy(x: Tensor, dim: int, index: int) -> Tensor:
    return x.select(dim, index)


def cat(tensors: Sequence[Tensor], dim: int) -> Tensor:
    return torch.cat(list(tensors), dim)


def constant_pad_nd(x: Tensor, pad: Sequence[int], value: float) -> Tensor:
    return torch.nn.functional.pad(x, list(pad), value=value)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "et_vk.prepack.default": prepack,
    "aten.clone.default": clone,
    "aten.view_copy.default": view_copy,
    "aten.permute_copy.default": permute_copy,
    "aten.squeeze_copy.dims": squeeze_copy,
    "aten.unsqueeze_copy.default": unsqueeze_copy,
    "aten.expand_copy.default": expand_copy,
    "aten.slice_copy.Tensor": slice_copy,
    "aten.select_copy.int": select_copy,
    "aten.cat.default": cat,
    "aten.constant_pad_nd.default": constant_pad_nd,
}
