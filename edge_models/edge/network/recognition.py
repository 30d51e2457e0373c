"""Recognition: known layers in a network, proven by running, and their edge forms in place."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edge_models.edge.forms import Forms
from edge_models.edge.network import layers
from edge_models.edge.network.assignment import filled, leaves_of
from edge_models.edge.network.calls import Call, Calls
from edge_models.edge.network.known_layer import Candidate, KnownLayer
from edge_models.parity import measure
from edge_models.registry import collect

LEAST_DB = 100.0  # of a layer's edge form against the layer itself
DEVIATIONS = (1.0, 3.0)  # of the random arguments: what a layer answers must differ
SEED = 1
MOST_TRIES = 24  # ways to put a candidate's layers into a reference


@dataclass(frozen=True)
class Recognized:
    """What became of a layer that looked like a known one.

    ``path`` is in the user's network; ``kind`` what it was replaced as, None where it stayed, with
    ``why``; ``sqnr_db`` the agreement of the edge form with it on random input, None where none
    could be measured.
    """

    path: str
    kind: str | None
    why: str
    sqnr_db: float | None


class InPlace(nn.Module):
    """An edge form that is called as the layer in whose place it stands, and returns so."""

    def __init__(self, form: nn.Module, structure: pytree.TreeSpec) -> None:
        super().__init__()
        self.form = form
        self.structure = structure

    def forward(self, *by_position: object, **by_name: object) -> object:
        leaves = pytree.tree_leaves((by_position, by_name))
        results = self.form(*(leaf for leaf in leaves if isinstance(leaf, Tensor)))
        return pytree.tree_unflatten(pytree.tree_leaves(results), self.structure)


@cache
def known_layers() -> tuple[KnownLayer, ...]:
    """All, in no order."""
    return tuple(collect(layers, "KNOWN").values())


def replace_known(
    network: nn.Module, calls: Calls, forms: Forms
) -> tuple[nn.Module, tuple[Recognized, ...]]:
    """The network, changed in place, with the edge form of each known layer in all of its places,
    and what became of those that looked like one; outer modules first, nothing inside a replaced
    one. Of a module that stayed around a replaced one nothing is said.
    """
    found: list[Recognized] = []
    done: list[str] = []
    for path, module in list(network.named_modules(remove_duplicate=False)):
        if any(path == over or path.startswith(f"{over}.") for over in done):
            continue
        form, said = _recognize(path, module, calls, forms)
        if said is not None:
            found.append(said)
        if form is None:
            continue
        if path == "":
            return form, tuple(found)
        network.set_submodule(path, form)
        done.append(path)
    around = {path.rsplit(".", cut)[0] for path in done for cut in range(1, path.count(".") + 1)}
    return network, tuple(item for item in found if not (done and item.path in {"", *around}))


def _recognize(
    path: str, module: nn.Module, calls: Calls, forms: Forms
) -> tuple[nn.Module | None, Recognized | None]:
    best: Recognized | None = None
    for known in known_layers():
        by_class = type(module) is known.reference
        if module not in calls or calls[module] is None:
            if by_class:
                why = "it is called with inputs of several shapes"
                if module not in calls:
                    why = "it is not called as a module"
                return None, Recognized(path, None, f"{known.name}: {why}", None)
            continue
        call = calls[module]
        assert call is not None
        if tuple(map(len, call.shapes)) != known.ranks:
            continue
        candidate = Candidate(module, call, leaves_of(module, calls))
        form, said = _proven(path, candidate, known, forms)
        if form is not None:
            return form, said
        best = best or said
    return None, best


def _proven(
    path: str, candidate: Candidate, known: KnownLayer, forms: Forms
) -> tuple[nn.Module | None, Recognized | None]:
    """The edge form of the first reference that is the candidate, or why none is."""
    module, call = candidate.module, candidate.call
    if type(module) is known.reference:
        references = iter([module])
    else:
        references = filled(candidate, known.blanks(candidate), MOST_TRIES)
    highest: float | None = None
    why = ""
    for reference in references:
        if hooked := [name for name, m in module.named_modules() if _has_hooks(m)]:
            why = f"{known.name}: {hooked[0] or 'it'} has hooks, which an edge form would not call"
            break
        try:
            form = _placed(known.edge(reference, candidate, forms).eval(), call)
            agreement = _agreement(module, form, call)
        except ValueError as error:
            why = f"{known.name}: {error}"
            continue
        if agreement >= LEAST_DB:
            return form, Recognized(path, known.name, "", agreement)
        highest = agreement if highest is None else max(highest, agreement)
        why = f"its layers are those of {known.name}, what it computes is not: {highest:.0f} dB"
    return None, Recognized(path, None, why, highest) if why else None


def _placed(form: nn.Module, call: Call) -> nn.Module:
    return form if call.of_one_tensor else InPlace(form, call.result_structure)


def _agreement(module: nn.Module, form: nn.Module, call: Call) -> float:
    """The lowest SQNR in dB of the form's results on random arguments. Raises ValueError, with a
    reason, where they cannot be compared.
    """
    generator = torch.Generator().manual_seed(SEED)
    expected: list[list[Tensor]] = []
    actual: list[list[Tensor]] = []
    for deviation in DEVIATIONS:
        state = generator.get_state()
        for results, layer in ((expected, module), (actual, form)):
            generator.set_state(state)  # each its own tensors: a layer may change them
            by_position, by_name = call.drawn(generator, deviation)
            results.append(_tensors(layer(*by_position, **by_name)))
    return min(
        measure(torch.stack(whole).flatten(1), torch.stack(edge).flatten(1)).sqnr_db
        for whole, edge in zip(zip(*expected, strict=True), zip(*actual, strict=True), strict=True)
    )


def _tensors(results: object) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
