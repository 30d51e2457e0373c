"""Moving numbers without computing any."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError


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


def slice_copy(x: Tensor, dim: int, start: float | None, end: float | None, step: int) -> Tensor:
    first = 0 if start is None else int(start)
    last = x.shape[dim] if end is None else int(end)
    if first < 0 or last < 0:
        raise RefusedError("counts from the end of the axis, which this interpreter does not know")
    return x.narrow(dim, first, min(last, x.shape[dim]) - first)[_every(x, dim, int(step))]


def _every(x: Tensor, dim: int, step: int) -> tuple[slice, ...]:
    places = [slice(None)] * x.dim()
    places[dim] = slice(None, None, step)
    return tuple(places)


def select_copy(x: Tensor, dim: int, index: float) -> Tensor:
    return x.select(int(dim), int(index))


def cat(tensors: Sequence[Tensor], dim: float) -> Tensor:
    return torch.cat(list(tensors), int(dim))


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
}
