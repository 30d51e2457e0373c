"""What the Vulkan runtime of ExecuTorch 1.5 is known to get wrong, as a table of rules.

On the phone such an operator gives wrong numbers without a word, or the file does not load. A rule
goes when a release of the runtime computes it rightly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from edge_models.errors import InputError
from export_targets.lowering.graph import module_path, operator_name

ON_LAVAPIPE = "seen on the runtime's source of August 2026 on Mesa's software device"
SHOWN = 4  # refusals that a message lists


@dataclass(frozen=True)
class Fault:
    """Calls of ``operators`` for which ``holds`` is true are refused. ``fault`` is what the runtime
    does with them, ``evidence`` how that is known.
    """

    operators: tuple[str, ...]
    holds: Callable[[fx.Node], bool]
    fault: str
    evidence: str


CONVOLUTIONS = ("conv2d", "convolution")


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution."""

    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.groups == self.inputs

    @property
    def grouped(self) -> bool:
        return self.groups > 1 and not self.depthwise


def _window(node: fx.Node) -> Window:
    x, weight = _shape(node.args[0]), _shape(node.args[1])
    long = operator_name(node) == "convolution"  # with transposed and output padding before groups
    stride, padding, dilation = (_pair(node, place, default) for place, default in FIELDS)
    groups = _argument(node, 8 if long else 6, 1)
    return Window(x[1], weight[0], weight[2:], stride, padding, dilation, int(groups))


FIELDS = ((3, 1), (4, 0), (5, 1))  # stride, padding, dilation: place and default


def _pair(node: fx.Node, place: int, default: int) -> tuple[int, ...]:
    value = _argument(node, place, [default, default])
    pair = tuple(value) if isinstance(value, Sequence) else (value,)
    return pair * 2 if len(pair) == 1 else pair


def _argument(node: fx.Node, place: int, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else default


def _shape(argument: object) -> tuple[int, ...]:
    assert isinstance(argument, fx.Node)
    return tuple(argument.meta["val"].shape)


def _is_quantized(argument: object) -> bool:
    """Whether a tensor is dequantized just before, perhaps under another shape."""
    while isinstance(argument, fx.Node) and operator_name(argument) in RESHAPES:
        argument = argument.args[0]
    return isinstance(argument, fx.Node) and "dequantize" in str(argument.target)


RESHAPES = ("view", "view_copy", "permute_copy", "t_copy", "squeeze_copy", "unsqueeze_copy")


def _depthwise_without_kernel(node: fx.Node) -> bool:
    window = _window(node)
    known = window.kernel in ((3, 3), (5, 5))
    exact = window.stride == window.dilation and min(window.padding) > 0
    return window.depthwise and not (known and exact)


def _grouped_off_texel(node: fx.Node) -> bool:
    window = _window(node)
    return window.grouped and (
        window.outputs // window.groups % 4 != 0 or window.inputs // window.groups % 4 != 0
    )


def _grouped_pointwise(node: fx.Node) -> bool:
    window = _window(node)
    return window.grouped and window.kernel == (1, 1)


def _of_a_batch(node: fx.Node) -> bool:
    return _shape(node.args[0])[0] != 1


def _pool_without_stride(node: fx.Node) -> bool:
    return not _argument(node, 2, [])


def _norm_without_affine(node: fx.Node) -> bool:
    return _argument(node, 2, None) is None or _argument(node, 3, None) is None


def _linear_without_kernel(node: fx.Node) -> bool:
    """Quantized weights, but an input or output that is not."""
    first = 1 if operator_name(node) == "addmm" else 0  # whose bias comes first
    x, weight = node.args[first : first + 2]
    if not _is_quantized(weight):
        return False
    users = list(node.users)
    while len(users) == 1 and operator_name(users[0]) in (*RESHAPES, "relu"):
        users = list(users[0].users)
    requantized = len(users) == 1 and "quantize_per_tensor" in str(users[0].target)
    return not (_is_quantized(x) and requantized)


def _always(_: fx.Node) -> bool:
    return True


FAULTS = (
    Fault(
        CONVOLUTIONS,
        _depthwise_without_kernel,
        "computes a depthwise convolution wrongly unless it is 3x3 or 5x5 with padding and a "
        "stride equal to its dilation; 7x7 with stride 2 does not load",
        ON_LAVAPIPE,
    ),
    Fault(
        CONVOLUTIONS,
        _grouped_pointwise,
        "computes a 1x1 convolution with groups wrongly",
        ON_LAVAPIPE,
    ),
    Fault(
        CONVOLUTIONS,
        _grouped_off_texel,
        "computes a convolution with groups wrongly unless the channels of a group are a multiple "
        "of 4",
        f"{ON_LAVAPIPE}: about 0 dB",
    ),
    Fault(
        CONVOLUTIONS,
        _of_a_batch,
        "has no convolution of a batch above 1",
        "the partitioner of ExecuTorch 1.5.1 leaves it outside",
    ),
    Fault(
        ("avg_pool2d", "max_pool2d", "max_pool2d_with_indices"),
        _pool_without_stride,
        "does not load a pool without an explicit stride",
        ON_LAVAPIPE,
    ),
    Fault(
        ("native_layer_norm", "layer_norm"),
        _norm_without_affine,
        "aborts the process that loads a layer norm without a weight or a bias",
        "https://github.com/pytorch/executorch/issues/22504, mended upstream after 1.5.1; "
        f"{ON_LAVAPIPE}: it aborts, and runs with both",
    ),
    Fault(
        ("logical_not", "scaled_dot_product_attention"),
        _always,
        "does not load it",
        ON_LAVAPIPE,
    ),
    Fault(
        ("linear", "mm", "addmm"),
        _linear_without_kernel,
        "has no INT8 linear unless its input and output are quantized with fixed scales",
        "https://github.com/pytorch/executorch/issues/22775: it fails at the first inference",
    ),
)


def refuse_faults(graph_module: fx.GraphModule) -> None:
    """Raises InputError that names each operator and module that the runtime gets wrong."""
    found = [
        f"{operator_name(node)} of {module_path(node) or 'the model'}: the runtime {fault.fault} "
        f"({fault.evidence})"
        for node in graph_module.graph.nodes
        if node.op == "call_function"
        for fault in FAULTS
        if operator_name(node) in fault.operators and fault.holds(node)
    ]
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InputError(
            f"The Vulkan runtime cannot run this model: {'; '.join(found[:SHOWN])}{more}.",
            "Use another target, such as xnnpack, or the edge form at batch 1.",
        )
