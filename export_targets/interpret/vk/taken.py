"""The table of what the Vulkan runtime is known to take: operator, arguments, evidence.

On a phone what lies outside may abort the process, fail or answer wrongly, so an interpreter that
computed it would call a file right that is not. ``docs/vulkan.md`` shows the table; a test holds
the two together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk import taken_floats, taken_integers, taken_layout, taken_maps
from export_targets.interpret.vk.conditions import Argument, Condition, said
from export_targets.interpret.vk.graph import Call, Graph, TensorValue, Value, Values


@dataclass(frozen=True)
class Taken:
    """The names of an operator's arguments, in the order of its schema, and what they may be."""

    arguments: tuple[str, ...]
    conditions: tuple[Condition, ...]


TAKEN: Mapping[str, Taken] = {
    operator: Taken(tuple(arguments.split()), conditions)
    for room in (taken_floats, taken_maps, taken_layout, taken_integers)
    for operator, (arguments, conditions) in room.TABLE.items()
}


def refuse_untaken(graph: Graph) -> None:
    """Raises RefusedError for the first call that is not known to be taken, by operator and
    argument.
    """
    for place, operator, why in refusals(graph):
        raise RefusedError(f"call {place}, {operator}, {why}")


def refusals(graph: Graph) -> Iterator[tuple[int, str, str]]:
    """The place, the operator and the reason of each call that is not known to be taken."""
    for place, call in enumerate(graph.calls):
        if why := untaken(call.operator, _arguments(graph, call)):
            yield place, call.operator, why


def untaken(operator: str, given: tuple[Argument, ...]) -> str:
    """Why a call is refused, naming the argument; empty where it is taken."""
    taken = TAKEN.get(operator)
    if taken is None:
        return "is an operator that this interpreter does not know"
    if len(given) != len(taken.arguments):
        return f"has {len(given)} arguments, not {len(taken.arguments)}"
    named = dict(zip(taken.arguments, given, strict=True))
    for condition in taken.conditions:
        try:
            held = condition.holds(named)
        except (IndexError, TypeError, ValueError):  # an argument of another kind or length
            held = False
        if not held:
            return (
                f"has {condition.argument} = {said(named[condition.argument])}: the runtime is "
                f"known to take {condition.taken} ({condition.evidence})"
            )
    return ""


def _arguments(graph: Graph, call: Call) -> tuple[Argument, ...]:
    return tuple(_argument(graph, graph.values[number]) for number in call.arguments)


def _argument(graph: Graph, value: Value) -> Argument:
    if not isinstance(value, Values):
        return value
    held = (graph.values[number] for number in value.numbers)
    return tuple(item for item in held if isinstance(item, TensorValue | int | float))
