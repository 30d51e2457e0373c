"""Groups of INT8 layers that go back to float together: modules, by their paths."""

from collections import Counter
from collections.abc import Iterable
from itertools import takewhile

from torch import fx

from export_targets.lowering.graph import PRODUCTS, in_int8, lies_below, module_path, operator_name

MOST_GROUPS = 64  # into how many modules a network is divided


def groups(quantized: fx.GraphModule, most: int = MOST_GROUPS) -> tuple[str, ...]:
    """At most ``most`` modules, none inside another, that hold the INT8 products of a graph.

    The module with the most products is divided into those inside it, again and again; the whole
    network first.
    """
    layers = Counter(_layers(quantized))
    found, whole = _parts("", layers), list[str]()
    while found:
        path = max(found, key=lambda path: sum(layers[inner] for inner in _inside(path, layers)))
        found.remove(path)
        parts = _parts(path, layers)
        if parts and len(found) + len(whole) + len(parts) <= most:
            found += parts
        else:
            whole.append(path)
    order = list(layers)
    return tuple(sorted(whole, key=lambda path: order.index(next(iter(_inside(path, order))))))


def holds(paths: Iterable[str], module: str) -> bool:
    """Whether a module is one of those at ``paths``, or inside one."""
    return any(lies_below(module, path) for path in paths)


def parts_of(quantized: fx.GraphModule, path: str) -> list[str]:
    """The modules inside one that its INT8 products can be divided into; none where it computes a
    product itself, or holds a single module of them.
    """
    return _parts(path, _layers(quantized))


def _layers(quantized: fx.GraphModule) -> list[str]:
    """The module of each product that computes in INT8."""
    nodes = [n for n in quantized.graph.nodes if operator_name(n) in PRODUCTS and in_int8(n)]
    return [module_path(node) for node in nodes]


def _inside(path: str, layers: Iterable[str]) -> Iterable[str]:
    return (layer for layer in layers if not path or holds([path], layer))


def _parts(path: str, layers: Iterable[str]) -> list[str]:
    inner = list(dict.fromkeys(_inside(path, layers)))
    names = [layer.split(".") for layer in inner]
    common = takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False))
    depth = len(list(common))
    parts = [".".join(name[: depth + 1]) for name in names]
    return [] if path in inner or len(inner) < 2 else list(dict.fromkeys(parts))
