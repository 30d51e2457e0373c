"""Reading FX graphs: where a node comes from and which operators stayed float."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from difflib import get_close_matches

import torch
from torch import fx, nn

from edge_models.edge.network.program import arguments
from edge_models.errors import InputError
from edge_models.spec import FloatRule
from export_targets.artifact.manifest import FloatModule

WEIGHTED = ("conv2d", "linear")
PRODUCTS = (*WEIGHTED, "bmm")
PLAIN = {"stride": [1, 1], "padding": [0, 0], "groups": 1}  # what a pointwise convolution has
# Operators that move or describe numbers and compute none.
LAYOUT = frozenset(
    (
        *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "slice", "select"),
        *("cat", "expand", "contiguous", "clone", "detach", "max_pool2d", "relu"),
    )
)
# Operators that are float where all that they read is kept so: INT8 between floats would cost
# accuracy, and the time of its conversions.
FOLLOWING = ("add", "mul", "cat", "pad")
# What the quantizers give the scale of its input to, where that is quantized.
PASSING = LAYOUT - {"cat"} | {"mean", "adaptive_avg_pool2d", "hardtanh", "squeeze", "dropout"}


def module_path(node: fx.Node) -> str:
    """The path of the module that a node comes from, as in ``blocks.3.trans_block.attn``."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return _clean(stack[-1][0]) if stack else ""


def lies_in(node: fx.Node, module: type[nn.Module]) -> bool:
    """Whether a node comes from a module of a class, or from one inside it."""
    kinds = [kind for _, kind in node.meta.get("nn_module_stack", {}).values()]
    return module in kinds or f"{module.__module__}.{module.__qualname__}" in kinds


def operator_name(node: fx.Node) -> str:
    """The short name of a call's operator: ``aten.conv2d.default`` -> ``conv2d``."""
    name = str(getattr(node.target, "__name__", node.target))
    parts = [part for part in name.split(".") if part not in ("aten", "default")]
    return parts[0] if parts else name


def multiply_accumulates(node: fx.Node) -> int:
    """Multiply-accumulates of a convolution or matrix product; 0 of any other call."""
    name = operator_name(node)
    if name in ("convolution", "conv2d"):
        weight = _shape(
            node.args[1]
        )  # (out, in / groups, h, w); transposed (in, out / groups, ...)
        transposed = name == "convolution" and bool(node.args[6])
        return math.prod(weight[1:]) * math.prod(_shape(node.args[0] if transposed else node))
    if name in ("linear", "bmm", "mm"):
        return math.prod(_shape(node)) * _shape(node.args[0])[-1]
    if name == "addmm":
        return math.prod(_shape(node)) * _shape(node.args[1])[-1]
    return 0


def _shape(argument: object) -> tuple[int, ...]:
    """The shape of a call's result."""
    assert isinstance(argument, fx.Node)
    return tuple(argument.meta["val"].shape)


def is_pointwise(node: fx.Node) -> bool:
    """Whether a node is a convolution of 1x1 without stride, padding and groups."""
    if operator_name(node) != "conv2d" or _shape(node.args[1])[2:] != (1, 1):
        return False
    given = arguments(node)
    return all(given[name] == value for name, value in PLAIN.items())


def is_last_product(node: fx.Node) -> bool:
    """Whether a node is a linear, or a convolution as one, whose result leaves the program."""
    product = is_pointwise(node) or operator_name(node) == "linear"
    return product and all(user.op == "output" for user in node.users)


def lies_below(module: str, path: str) -> bool:
    """Whether the module at one path is that at another, or inside it."""
    return f"{module}.".startswith(f"{path}.")


def ruling(node: fx.Node, rules: Iterable[FloatRule]) -> FloatRule | None:
    """The first rule that keeps a node float, if there is one."""
    path = module_path(node)
    for rule in rules:
        if not isinstance(rule.module, str):
            found = lies_in(node, rule.module)
        elif rule.whole_path:
            found = lies_below(path, rule.module)
        else:
            found = rule.module in path.split(".")
        if found:
            return rule
    return None


def keeping(node: fx.Node, rules: Iterable[FloatRule]) -> FloatRule | None:
    """The rule that keeps a node float: its own, or of one that follows what it reads the one of a
    path that keeps all of that.
    """
    rule = ruling(node, rules)
    if rule is not None or operator_name(node) not in FOLLOWING:
        return rule
    of_paths = [rule for rule in rules if rule.whole_path]
    found = [keeping(source, of_paths) for source in sources(node)] if of_paths else []
    return found[0] if found and all(found) else None


def sources(node: fx.Node) -> list[fx.Node]:
    """What computes the numbers that a node reads, but for constants."""
    found = map(computing, node.all_input_nodes)
    return [source for source in found if source.op != "get_attr"]


def computing(node: fx.Node) -> fx.Node:
    """The node itself, or what computes the numbers that it only hands on."""
    while passes(node):
        assert isinstance(node.args[0], fx.Node)
        node = node.args[0]
    return node


def readers(node: fx.Node) -> set[fx.Node]:
    """What reads the numbers that a node gives, itself or through what only hands them on."""
    found, waiting = set[fx.Node](), list(node.users)
    while waiting:
        user = waiting.pop()
        if passes(user):
            waiting += user.users
        else:
            found.add(user)
    return found


def passes(node: fx.Node) -> bool:
    """Whether a node only hands numbers on, quantizes or dequantizes them."""
    name = operator_name(node)
    return node.op == "call_function" and (name in PASSING or "quantize_per" in name)


def check_paths(program: torch.export.ExportedProgram, paths: Iterable[str]) -> None:
    """Raises InputError for a path that is no module of a program."""
    found = {module_path(node) for node in program.graph.nodes} - {""}
    known = {
        ".".join(parts[:end])
        for parts in (path.split(".") for path in found)
        for end in range(1, len(parts) + 1)
    }
    for path in paths:
        if path not in known:
            near = get_close_matches(path, known, cutoff=0.4) or sorted(known)[:3]
            raise InputError(
                f"The network has no module {path} to keep float.",
                f"There are {', '.join(near)} and others; the manifest lists float_modules.",
            )


def float_modules(
    graph_module: fx.GraphModule, rules: Iterable[FloatRule], otherwise: str
) -> tuple[FloatModule, ...]:
    """What computes in float in a quantized graph, by module, and whose rule says so, or
    ``otherwise``.

    A convolution or linear computes in INT8 where its weight is dequantized, a sum or product of
    activations where both its inputs are and its result is quantized again; every other arithmetic
    operator is float.
    """
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for node in graph_module.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        name = operator_name(node)
        if "quantize" in name or "choose_qparams" in name or name in LAYOUT:
            continue
        if in_int8(node):
            continue
        ruled = keeping(node, rules)
        rule = otherwise if ruled is None else f"{ruled.name}: {ruled.why}"
        found[module_path(node), rule][name] += 1
    return tuple(
        FloatModule(module=module, operators=dict(operators), rule=rule)
        for (module, rule), operators in found.items()
    )


def in_int8(node: fx.Node) -> bool:
    """Whether a call of a quantized graph computes with integers on the device."""
    name = operator_name(node)
    if name in WEIGHTED:
        return _dequantized(node.args[1])
    requantized = all("quantize_per_tensor" in str(user.target) for user in node.users)
    return name in ("add", "mul", "bmm") and all(map(_dequantized, node.args)) and requantized


def _dequantized(argument: object) -> bool:
    return isinstance(argument, fx.Node) and "dequantize" in str(argument.target)


def _clean(path: str) -> str:
    # torch.export writes L['self'].blocks.3 or blocks.slice(...) forms; keep the dotted path.
    path = re.sub(r"^L\['self'\]\.?", "", path)
    return re.sub(r"\['?([^'\]]+)'?\]", r".\1", path).lstrip(".")
