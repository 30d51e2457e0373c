"""ModelSpec: what the product knows of one published model, as data. See ``specs/`` for each."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
Size = tuple[int, int]  # (height, width)
Interpolation = Literal["bilinear", "bicubic"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)
ResizeMode = Literal["crop", "stretch"]
RESIZE_MODES: tuple[str, ...] = get_args(ResizeMode)
OutputKind = Literal["logits", "tensors"]
OUTPUT_KINDS: tuple[str, ...] = get_args(OutputKind)
SMALLEST_CROP = 1 / 16  # of the resized shorter side: a smaller one makes vast images of small ones

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputSpec:
    """The input a model was trained for.

    ``size`` is (height, width) in pixels. An image's shorter side is resized to
    ``round(size / crop)`` before the centre crop; with ``resize`` "stretch" both sides are resized
    to ``size`` and nothing is cut off. ``mean`` and ``std`` are of RGB in [0, 1].
    """

    size: tuple[int, int] = (224, 224)
    crop: float = 0.875
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    resize: ResizeMode = "crop"


DIGITS_INPUT = InputSpec(
    size=(64, 64), crop=1.0, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
DIGITS_LABELS = tuple(str(digit) for digit in range(10))


def _same_key(key: str) -> str:
    return key


@dataclass(frozen=True)
class FloatRule:
    """A module of the edge form whose operators stay float at INT8.

    ``module`` is its class, or a part of its path, with ``whole_path`` the path itself; ``recipes``
    the names of the recipes that the rule is for, empty for all.
    """

    module: "type[nn.Module] | str"
    why: str
    recipes: tuple[str, ...] = ()
    whole_path: bool = False

    @property
    def name(self) -> str:
        """Of the module: the class's name, or the part of a path."""
        return self.module if isinstance(self.module, str) else self.module.__name__


@dataclass(frozen=True)
class OutputTensor:
    """A tensor that a network returns, by its name."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class OwnNetwork:
    """What a network of one's own returns, and ``place``, where it is from; ``code`` says whether
    a user's function was run for it.
    """

    place: str
    kind: OutputKind
    tensors: tuple[OutputTensor, ...]
    code: bool

    @property
    def numbers(self) -> int:
        """How many numbers it returns."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, a line each."""
        returned = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in self.tensors)
        ran = (f"{self.place} was run as your own code",) if self.code else ()
        return (*ran, f"{self.place} returns {self.kind}: {returned}")


@dataclass(frozen=True)
class ModelSpec:
    """One published model, or a network of one's own.

    ``build(**config)`` gives the reference module; ``read_config`` reads from a checkpoint's
    shapes the arguments that may differ from ``config``; ``published_key`` maps another library's
    key to the published one. ``family`` names the file in ``edge_models/edge`` that makes the edge
    form. ``labels`` are the class names, where they are fixed; ``float_rules`` what INT8 leaves
    float in this model on every target. ``embedded`` is a file in ``edge_models/weights`` for
    models whose trained weights ship with the package; ``digits`` says that scikit-learn's digits
    are the model's own images, to calibrate and to judge on; ``two_heads`` says that ``build``
    gives a module with two outputs; ``own`` is of a network that is in no catalog.
    """

    name: str
    family: str
    build: Callable[..., "nn.Module"]
    config: Mapping[str, Any]
    read_config: Callable[[Mapping[str, Shape]], dict[str, Any]]
    published_key: Callable[[str], str] = _same_key
    input: InputSpec = field(default_factory=InputSpec)
    labels: tuple[str, ...] = ()
    float_rules: tuple[FloatRule, ...] = ()
    embedded: str | None = None
    digits: bool = False
    two_heads: bool = False
    own: OwnNetwork | None = None
