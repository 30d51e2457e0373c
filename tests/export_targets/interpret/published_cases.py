"""ExecuTorch's own test cases of Vulkan operators, as arguments of the interpreter's table."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from export_targets.interpret.vk.conditions import Argument
from export_targets.interpret.vk.graph import TensorValue
from export_targets.interpret.vk.taken import TAKEN

TENSORS = ("self", "other", "input", "weight", "bias", "mat2")
DEFAULTS: dict[str, Argument] = {
    "alpha": 1,
    "dim": 0,
    "start": None,
    "end": None,
    "step": 1,
    "dtype": None,
    "implicit": False,
    "memory_format": None,
    "ceil_mode": False,
}
STORAGES = {"utils::kBuffer": "BUFFER", "utils::kTexture3D": "TEXTURE_3D"}


@dataclass(frozen=True)
class Published:
    """One call that ExecuTorch tests, its tensors in one kind of resource."""

    operator: str
    given: tuple[Argument, ...]

    @property
    def named(self) -> dict[str, Argument]:
        return dict(zip(TAKEN[self.operator].arguments, self.given, strict=True))

    def __str__(self) -> str:
        words = (
            str(value.shape) if isinstance(value, TensorValue) else str(value)
            for value in self.given
        )
        return f"{self.operator}({', '.join(words)})"


def published_cases() -> Iterator[Published]:
    """Every case of the operators in the table."""
    from executorch.backends.vulkan.test.op_tests.cases import test_suites

    for operator, suites in test_suites.items():
        if operator not in TAKEN:
            continue
        for suite in suites if isinstance(suites, list) else [suites]:
            for case in suite.input_cases:
                for storage in suite.storage_types:
                    yield _published(operator, case, STORAGES[storage])


def _published(operator: str, case: object, storage: str) -> Published:
    names = TAKEN[operator].arguments
    alone = len(names) == 1  # such a case is its tensor's shape
    values = list(case) if isinstance(case, tuple) and not alone else [case]
    given = []
    for place, name in enumerate(names):
        value = values[place] if place < len(values) else DEFAULTS[name]
        if name == "tensors":
            assert isinstance(value, list)
            given.append(tuple(_tensor(shape, storage, False) for shape in value))
        elif name in TENSORS and value is not None:
            given.append(_tensor(value, storage, name in ("weight", "bias")))
        else:
            given.append(tuple(value) if isinstance(value, list | tuple) else value)
    return Published(operator, tuple(given))


def _tensor(shape: object, storage: str, constant: bool) -> TensorValue:
    sizes = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    held = torch.empty(0) if constant else None
    return TensorValue(torch.float32, sizes, held, storage)  # type: ignore[arg-type]
