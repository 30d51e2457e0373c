"""A candidate's own layers put into a reference layer, whatever their names."""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from edge_models.edge.network.calls import Calls, calls_of
from edge_models.edge.network.known_layer import Candidate

Unit = tuple[nn.Module, ...]  # a convolution with the norm of its map, or a layer alone
PRODUCTS = (nn.Conv2d, nn.Linear)
NORMS_OF_MAPS = (nn.BatchNorm2d, nn.GroupNorm)
NORMS = (*NORMS_OF_MAPS, nn.LayerNorm)


def leaves_of(module: nn.Module, calls: Calls) -> tuple[nn.Module, ...]:
    """The convolutions, linears and norms in a module in the order of their calls."""
    own = {layer for layer in module.modules() if isinstance(layer, (*PRODUCTS, *NORMS))}
    return tuple(layer for layer in calls if layer in own)


def loose_parameters(module: nn.Module) -> tuple[tuple[str, nn.Parameter], ...]:
    """The parameters of a module, by name, that no convolution, linear or norm holds."""
    held = {
        id(parameter)
        for layer in module.modules()
        if isinstance(layer, (*PRODUCTS, *NORMS))
        for parameter in layer.parameters(recurse=False)
    }
    return tuple(pair for pair in module.named_parameters() if id(pair[1]) not in held)


def filled(candidate: Candidate, blanks: Iterable[nn.Module], most: int) -> Iterator[nn.Module]:
    """The blanks with the candidate's layers in their places, in each order that the shapes
    allow, the order of the calls first; at most so many.
    """
    ways = (way for blank in blanks for way in _assignments(candidate, blank))
    for blank, pairs in itertools.islice(ways, most):
        for path, layer in pairs:
            blank.set_submodule(path, layer)
        loose = loose_parameters(candidate.module)
        for (path, _), (_, parameter) in zip(loose_parameters(blank), loose, strict=True):
            owner, _, name = path.rpartition(".")
            setattr(blank.get_submodule(owner), name, parameter)
        yield blank


def _assignments(
    candidate: Candidate, blank: nn.Module
) -> Iterator[tuple[nn.Module, list[tuple[str, nn.Module]]]]:
    blank = blank.eval()
    arguments = [torch.zeros(shape) for shape in candidate.call.shapes]
    try:
        calls = calls_of(blank, (*arguments, *candidate.call.numbers))
    except RuntimeError:  # torch's, of shapes that do not go together: no such layer then
        return
    if [p.shape for _, p in loose_parameters(blank)] != [
        p.shape for _, p in loose_parameters(candidate.module)
    ]:
        return
    paths = {layer: path for path, layer in blank.named_modules()}
    wanted, held = _by_signature(leaves_of(blank, calls)), _by_signature(candidate.leaves)
    if {key: len(units) for key, units in wanted.items()} != {
        key: len(units) for key, units in held.items()
    }:
        return
    for order in _orders(held):
        pairs = [
            (paths[place], layer)
            for key, places in wanted.items()
            for unit_of_places, unit in zip(places, order[key], strict=True)
            for place, layer in zip(unit_of_places, unit, strict=True)
        ]
        yield blank, pairs


def _orders(held: dict[Hashable, list[Unit]]) -> Iterator[dict[Hashable, Sequence[Unit]]]:
    """The units as they are, then each group of one signature in its other orders, smaller groups
    first, then all groups in all orders.
    """
    yield dict(held)
    groups = sorted((key for key in held if len(held[key]) > 1), key=lambda key: len(held[key]))
    for key in groups:
        for order in itertools.islice(itertools.permutations(held[key]), 1, None):
            yield {**held, key: order}
    if len(groups) > 1:
        for orders in itertools.product(*(itertools.permutations(held[key]) for key in groups)):
            yield {**held, **dict(zip(groups, orders, strict=True))}


def _by_signature(leaves: Iterable[nn.Module]) -> dict[Hashable, list[Unit]]:
    """Units of one signature together, each list in the order of the calls."""
    units: list[Unit] = []
    for leaf in leaves:
        behind = units and len(units[-1]) == 1 and isinstance(units[-1][0], PRODUCTS)
        if behind and isinstance(leaf, NORMS_OF_MAPS):
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
