"""A candidate's own layers put into a reference layer, whatever their names."""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator

import torch
from torch import Tensor, nn

from edge_models.edge.network.calls import Calls, calls_of
from edge_models.edge.network.known_layer import Candidate

Unit = tuple[nn.Module, ...]  # a convolution or linear with the norm behind it, or one of them
PRODUCTS = (nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def leaves_of(module: nn.Module, calls: Calls) -> tuple[nn.Module, ...]:
    """The layers with parameters in a module in the order of their calls; none where a parameter
    of the module is in no such layer, or a layer is not called.
    """
    inside = [layer for layer in module.modules() if layer._parameters]
    if not all(isinstance(layer, (*PRODUCTS, *NORMS)) and layer in calls for layer in inside):
        return ()
    own = set(inside)
    return tuple(layer for layer in calls if layer in own)


def filled(candidate: Candidate, blanks: Iterable[nn.Module], most: int) -> Iterator[nn.Module]:
    """The blanks with the candidate's layers in their places, in each order that the shapes
    allow, the order of the calls first; at most so many.
    """
    ways = (way for blank in blanks for way in _assignments(candidate, blank))
    for blank, pairs in itertools.islice(ways, most):
        for path, layer in pairs:
            blank.set_submodule(path, layer)
        yield blank


def _assignments(
    candidate: Candidate, blank: nn.Module
) -> Iterator[tuple[nn.Module, list[tuple[str, nn.Module]]]]:
    blank = blank.eval()
    arguments = [torch.zeros(shape) for shape in candidate.call.shapes]
    calls = calls_of(blank, (*arguments, *candidate.call.numbers))
    paths = {layer: path for path, layer in blank.named_modules()}
    wanted, held = _by_signature(leaves_of(blank, calls)), _by_signature(candidate.leaves)
    if {key: len(units) for key, units in wanted.items()} != {
        key: len(units) for key, units in held.items()
    }:
        return
    for orders in itertools.product(*(itertools.permutations(held[key]) for key in wanted)):
        yield (
            blank,
            [
                (paths[place], layer)
                for places, order in zip(wanted.values(), orders, strict=True)
                for unit_of_places, unit in zip(places, order, strict=True)
                for place, layer in zip(unit_of_places, unit, strict=True)
            ],
        )


def _by_signature(leaves: Iterable[nn.Module]) -> dict[Hashable, list[Unit]]:
    """Units of one signature together, each list in the order of the calls."""
    units: list[Unit] = []
    for leaf in leaves:
        behind = units and len(units[-1]) == 1 and isinstance(units[-1][0], PRODUCTS)
        if behind and isinstance(leaf, NORMS):
            units[-1] = (units[-1][0], leaf)
        else:
            units.append((leaf,))
    found: dict[Hashable, list[Unit]] = defaultdict(list)
    for unit in units:
        found[tuple(map(_signature, unit))].append(unit)
    return found


def _signature(leaf: nn.Module) -> Hashable:
    """Kind and shapes of a layer: what tells which places it may stand in."""
    kind = next(kind for kind in (*PRODUCTS, *NORMS) if isinstance(leaf, kind))
    weight = leaf.weight
    shape = tuple(weight.shape) if isinstance(weight, Tensor) else None
    if isinstance(leaf, nn.Conv2d):
        return kind, shape, leaf.stride
    if isinstance(leaf, nn.GroupNorm):
        return kind, shape, leaf.num_groups
    return kind, shape
