"""Conditions on the arguments of an operator, each with how it is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from export_targets.interpret.vk.graph import Scalar, TensorValue

# An argument: a list of tensors stands as a tuple.
Argument = TensorValue | Scalar | tuple[TensorValue | int | float, ...]
Arguments = Mapping[str, Argument]

# How it is known that the runtime takes something. The first three stand in ExecuTorch 1.5.1's own
# package, in backends/vulkan; the last was run with files of this program and others.
CASES = "test case"  # test/op_tests/cases.py
TESTS = "delegate test"  # test/test_vulkan_delegate.py
REGISTRY = "registry"  # op_registry.py
SEEN = "seen on the runtime"  # its source of August 2026, on Mesa's software device

HIGHEST_RANK = 4  # that an image holds; beyond it are buffers


@dataclass(frozen=True)
class Condition:
    """What is taken of ``argument``, in words, whether given arguments are that, and the
    evidence. A damaged file's argument of another kind may make ``holds`` raise.
    """

    argument: str
    taken: str
    holds: Callable[[Arguments], bool]
    evidence: str


def one(
    argument: str, taken: str, holds: Callable[[Argument], bool], evidence: str = CASES
) -> Condition:
    """A condition on one argument alone."""
    return Condition(argument, taken, lambda given: holds(given[argument]), evidence)


def floats(
    argument: str, ranks: Sequence[int], evidence: str = CASES, buffers: int = HIGHEST_RANK
) -> Condition:
    """A float tensor of one of these ranks, or in a buffer up to the rank ``buffers``."""

    def holds(value: Argument) -> bool:
        tensor = a_float(value)
        rank = len(tensor.shape)
        return rank in ranks or (HIGHEST_RANK < rank <= buffers and tensor.storage in BUFFERS)

    said = f"rank {_in_words(ranks)}"
    more = f", to {buffers} in buffers" if buffers > HIGHEST_RANK else ""
    return one(argument, f"float, {said}{more}", holds, evidence)


def _in_words(ranks: Sequence[int]) -> str:
    if len(ranks) == 1 or ranks[-1] - ranks[0] != len(ranks) - 1:
        return " or ".join(map(str, ranks))
    return f"{ranks[0]} to {ranks[-1]}"


BUFFERS = ("BUFFER", "DEFAULT_STORAGE")  # the second: not chosen yet


def constant(argument: str, rank: int, optional: bool = False, evidence: str = CASES) -> Condition:
    """A float tensor whose numbers the file holds."""

    def holds(value: Argument) -> bool:
        if value is None:
            return optional
        tensor = a_float(value)
        return tensor.constant is not None and len(tensor.shape) == rank

    none = ", or none" if optional else ""
    return one(argument, f"constant float, rank {rank}{none}", holds, evidence)


def bytes_of(argument: str, *ranks: int, held: bool = False) -> Condition:
    """An int8 tensor of one of these ranks, whose numbers the file holds where ``held``."""

    def holds(value: Argument) -> bool:
        tensor = a_tensor(value)
        return (
            tensor.dtype == torch.int8
            and len(tensor.shape) in ranks
            and (tensor.constant is not None) == held
        )

    kind = f"{'constant ' if held else ''}int8"
    return one(argument, f"{kind}, rank {_in_words(ranks)}", holds, SEEN)


def number(argument: str, evidence: str = CASES) -> Condition:
    """Any number."""
    return one(argument, "a number", is_number, evidence)


def flag(argument: str, evidence: str = CASES) -> Condition:
    """True or false."""
    return one(argument, "true or false", lambda value: isinstance(value, bool), evidence)


def bound(argument: str) -> Condition:
    """Of a clamp."""
    taken = "a number, or none"
    return one(argument, taken, lambda value: value is None or is_number(value), TESTS)


def equal(argument: str, wanted: Argument, evidence: str = CASES) -> Condition:
    """One value alone."""
    said = "none" if wanted is None else str(wanted)
    return one(
        argument, said, lambda value: type(value) is type(wanted) and value == wanted, evidence
    )


def is_number(value: object) -> bool:
    """Whether it is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def a_tensor(value: object) -> TensorValue:
    """A tensor. Raises TypeError."""
    if not isinstance(value, TensorValue):
        raise TypeError("no tensor")
    return value


def a_float(value: Argument) -> TensorValue:
    """A tensor of floats. Raises TypeError."""
    tensor = a_tensor(value)
    if tensor.dtype not in (torch.float32, torch.float16):
        raise TypeError("no float tensor")
    return tensor


def whole(value: object) -> int:
    """A whole number, stored as one or as a float. Raises TypeError, ValueError."""
    if not is_number(value) or value != int(value):  # type: ignore[call-overload]
        raise TypeError("no whole number")
    return int(value)  # type: ignore[call-overload]


def wholes(value: Argument) -> tuple[int, ...]:
    """A list of whole numbers; a single one stands for a list of one."""
    return tuple(map(whole, value)) if isinstance(value, tuple) else (whole(value),)


def shape(value: Argument) -> tuple[int, ...]:
    """Of a tensor. Raises TypeError."""
    return a_tensor(value).shape


def said(value: Argument) -> str:
    """An argument in words, for a message."""
    if isinstance(value, TensorValue):
        kind = str(value.dtype).removeprefix("torch.")
        return f"{'constant ' if value.constant is not None else ''}{kind} {value.shape}"
    if isinstance(value, tuple):
        return f"({', '.join(map(said, value))})"
    return "none" if value is None else repr(value)
