"""A user's file: functions that return a network, each with one mistake. Not imported by tests."""

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Body(nn.Module):
    """Images -> four scores, with what is done to the map and to the scores in between."""

    def __init__(self, gate: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.gate = gate or nn.Identity()
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gate(self.conv(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(x)


@torch.library.custom_op("own_mistakes::double", mutates_args=())
def double(x: Tensor) -> Tensor:
    return x * 2


@double.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def gated(function: Callable[[Tensor], object]) -> nn.Module:
    return Body(Call(function)).eval()


def returning(function: Callable[[Tensor], object]) -> nn.Module:
    return nn.Sequential(Body(), Call(function)).eval()


def needs_arguments(width: int) -> nn.Module:
    return Body()


def raises() -> nn.Module:
    raise RuntimeError("there are no weights here")


def ends_the_program() -> nn.Module:
    sys.exit("see --help")


def returns_a_state_dict() -> dict[str, Tensor]:
    return Body().state_dict()


def in_training_mode() -> nn.Module:
    return Body()


def partly_in_training_mode() -> nn.Module:
    network = Body().eval()
    network.gate.train()
    return network


def trains_in_place() -> nn.Module:
    class Counting(Body):
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.seen += 1
            return super().forward(x)

    return Counting().eval()


def normalizes_in_place() -> nn.Module:
    return nn.Sequential(Call(lambda x: x.sub_(0.5)), Body()).eval()


def two_inputs() -> nn.Module:
    class Masked(nn.Module):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return image * mask

    return Masked().eval()


def in_half_precision() -> nn.Module:
    return Body().half().eval()


def of_lazy_layers() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(8, 3)).eval()


def of_grey_images() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3)).eval()


def on_a_gpu() -> nn.Module:
    return gated(lambda x: x.cuda())


def with_a_custom_operator() -> nn.Module:
    return gated(lambda x: double(x))


def cannot_be_copied() -> nn.Module:
    network = Body().eval()
    network.register_buffer("scale", network.conv.weight * 2)
    return network


def branches_by_values() -> nn.Module:
    return gated(lambda x: x * 2 if x.sum() > 0 else x)


def with_a_condition() -> nn.Module:
    return gated(lambda x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)))


def under_autocast() -> nn.Module:
    def scaled(x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return x * 2

    return gated(scaled)


def counts_by_values() -> nn.Module:
    return gated(lambda x: x * x[x > 0].shape[0])


def returns_a_varying_shape() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), Call(lambda x: x[x > 0])).eval()


def drops_out() -> nn.Module:
    return gated(nn.functional.dropout)


def returns_classes() -> nn.Module:
    return returning(lambda x: x.argmax(1))


def returns_a_scalar() -> nn.Module:
    return returning(lambda x: x.sum())


def returns_five_axes() -> nn.Module:
    return returning(lambda x: x[:, :, None, None, None])


def returns_nested() -> nn.Module:
    return returning(lambda x: {"maps": [x * 2, x * 3]})


def returns_a_number() -> nn.Module:
    return returning(lambda x: {"scores": x, "stride": 8})


def returns_nothing() -> nn.Module:
    return returning(lambda x: ())


def returns_text() -> nn.Module:
    return returning(lambda x: "cat")


def returns_one_twice() -> nn.Module:
    return returning(lambda x: (x, x))


def returns_two_of_one_name() -> nn.Module:
    return returning(lambda x: {"a b": x, "a-b": x * 2})


network = Body().eval()
