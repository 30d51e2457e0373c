"""A Core ML program as data: what the executor runs and a reader of inventories counts."""

from collections import Counter
from dataclasses import dataclass

from export_targets.interpret.mil.types import TensorType, Value


@dataclass(frozen=True)
class Input:
    """An input of the model. ``kind``: "tensor", or "image" where an app gives a picture."""

    name: str
    kind: str
    type: TensorType


@dataclass(frozen=True)
class Output:
    """An output of the model. ``kind``: "tensor", "string" or "dictionary"."""

    name: str
    kind: str


@dataclass(frozen=True)
class Operation:
    """One call. An argument is the name of a value, a constant, or a list of these.

    ``results``: the name and the declared type of each; None for a type that is no tensor.
    """

    type: str
    arguments: dict[str, "str | Constant | list[str | Constant]"]
    results: tuple[tuple[str, TensorType | None], ...]


@dataclass(frozen=True)
class Constant:
    """A value that stands in the program itself."""

    value: Value


@dataclass(frozen=True)
class Program:
    """The model's function. ``constants`` by name; ``operations`` in their order.

    ``opset`` is the version of the operator set: "CoreML7" for iOS 17. ``metadata`` is what an app
    or Xcode shows.
    """

    opset: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    constants: dict[str, Value]
    operations: tuple[Operation, ...]
    metadata: dict[str, str]

    @property
    def inventory(self) -> dict[str, int]:
        """Calls by operator, the most frequent first; equal counts by name."""
        counts = Counter(operation.type for operation in self.operations)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
