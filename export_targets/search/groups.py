"""Groups of INT8 layers that go back to float together: modules, by their paths."""

from collections import Counter
from collections.abc import Iterable

from torch import fx

from export_targets.lowering.graph import PRODUCTS, in_int8, module_path, operator_name

MOST_GROUPS = 64  # into how many modules a network is divided


def int8_products(quantized: fx.GraphModule) -> list[fx.Node]:
    """The convolutions and linears of a quantized graph that compute in INT8."""
    return [n for n in quantized.graph.nodes if operator_name(n) in PRODUCTS and in_int8(n)]


def groups(quantized: fx.GraphModule, most: int = MOST_GROUPS) -> tuple[str, ...]:
    """At most ``most`` modules, none inside another, that hold the INT8 products of a graph.

    The module with the most products is divided into those inside it, again and again. One that
    computes a product itself or holds a single module of them is not divided, and of the whole
    network none is left.
    """
    layers = Counter(module_path(node) for node in int8_products(quantized))
    found, whole = [""], list[str]()
    while found:
        path = max(found, key=lambda path: sum(layers[inner] for inner in _inside(path, layers)))
        found.remove(path)
        parts = _parts(path, layers)
        divisible = path not in layers and (len(parts) > 1 or not path)
        if divisible and len(found) + len(whole) + len(parts) <= most:
            found += parts
        elif path:
            whole.append(path)
    order = list(layers)
    return tuple(sorted(whole, key=lambda path: order.index(next(iter(_inside(path, order))))))


def holds(paths: Iterable[str], module: str) -> bool:
    """Whether a module is one of those at ``paths``, or inside one."""
    return any(f"{module}.".startswith(f"{path}.") for path in paths)


def parts_of(quantized: fx.GraphModule, path: str) -> list[str]:
    """The modules right inside one that hold INT8 products; none where it computes one itself."""
    layers = [module_path(node) for node in int8_products(quantized)]
    return [] if path in layers else _parts(path, layers)


def _inside(path: str, layers: Iterable[str]) -> Iterable[str]:
    return (layer for layer in layers if not path or holds([path], layer))


def _parts(path: str, layers: Iterable[str]) -> list[str]:
    depth = path.count(".") + 1 if path else 0
    inner = (layer.split(".") for layer in _inside(path, layers) if layer != path)
    return list(dict.fromkeys(".".join(parts[: depth + 1]) for parts in inner))
