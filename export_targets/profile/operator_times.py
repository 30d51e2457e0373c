"""Where the time of an inference goes: the runtime's event trace, named by the source modules.

The runtime names its events by its own kernels ("Fully Connected (NC, F32) GEMM #3"); which module
asked for one follows from their order. A delegate runs its operators in the graph's order, but
fuses some (a ReLU into the convolution before it) and adds others (conversions, changes of layout):
the longest common subsequence of both lists pairs what they have in common.
"""

import re
from collections.abc import Sequence

import numpy as np
from pydantic import TypeAdapter

from edge_models.errors import InputError
from export_targets.artifact.folder import OPERATORS, Artifact, first_problem
from export_targets.artifact.latency_report import Operator, OperatorTable, rate
from export_targets.artifact.manifest import Undelegated
from export_targets.runner import Event
from export_targets.target import DelegatedOperator

EXECUTE = "Method::execute"
KERNEL = "native_call_"  # before the name of an operator outside the delegates
# Events that hold others.
AROUND = ("Method::", "Program::", "DELEGATE_CALL", "OPERATOR_CALL")
# The runtime's name of an operator, without its types and number, and the graph's: what both do.
SAME = {
    "product": (
        ("Convolution", "Deconvolution", "Fully Connected"),
        ("convolution", "conv2d", "linear", "addmm"),
    ),
    "batched product": (("Batch Matrix Multiply",), ("bmm",)),
    "add": (("Add",), ("add",)),
    "subtract": (("Subtract",), ("sub",)),
    "multiply": (("Multiply", "Square"), ("mul",)),
    "divide": (("Divide",), ("div",)),
    "exp": (("Exp",), ("exp",)),
    "reciprocal root": (("Reciprocal Square Root",), ("rsqrt",)),
    "root": (("Square Root",), ("sqrt",)),
    "mean": (("Mean",), ("mean",)),
    "sum": (("Sum",), ("sum",)),
    "softmax": (("Softmax",), ("_softmax",)),
    "gelu": (("GELU",), ("gelu",)),
    "sigmoid": (("Sigmoid",), ("sigmoid",)),
    "clamp": (("Clamp",), ("relu", "hardtanh", "clamp")),
    "maximum pool": (("Max Pooling",), ("max_pool2d",)),
    "average pool": (("Average Pooling",), ("avg_pool2d",)),
    "concatenate": (("Copy", "Concatenate"), ("cat",)),
    "reshape": (("Static Reshape",), ("view_copy", "squeeze_copy", "unsqueeze_copy")),
    "transpose": (("Transpose",), ("permute_copy", "transpose_copy")),
    "slice": (("Slice",), ("slice_copy",)),
    "pad": (("Constant Pad",), ("constant_pad_nd",)),
    "convert": (("Convert",), ()),
}
# What to sum by. An operator that is in none is a kind of its own.
KINDS = {
    "elementwise": (
        *("add", "subtract", "multiply", "divide", "exp", "reciprocal root", "root"),
        *("gelu", "sigmoid", "clamp"),
    ),
    "reduction": ("mean", "sum"),
    "pooling": ("maximum pool", "average pool"),
    "softmax": ("softmax",),
    "matrix product of activations": ("batched product",),
    "layout": ("concatenate", "reshape", "transpose", "slice", "pad"),
    "number conversion": ("convert",),
}
_BY_RUNTIME = {name: same for same, (names, _) in SAME.items() for name in names}
_BY_GRAPH = {name: same for same, (_, names) in SAME.items() for name in names}
_KIND = {same: kind for kind, group in KINDS.items() for same in group}


def operator_table(
    events: Sequence[Event],
    delegated: Sequence[DelegatedOperator],
    fallen: Sequence[Undelegated],
) -> OperatorTable:
    """The rows of one inference, in the order of execution. ``events`` in the runtime's order,
    ``delegated`` and ``fallen`` in the graph's.

    Times are means over the quicker half of the inferences: unlike medians they sum to the whole,
    and what disturbed the machine is in the other half. The runtime's clock inside a delegate ticks
    in microseconds; where that makes the rows more than the whole, the whole is their sum.
    """
    whole = np.array([event.times for event in events if event.name == EXECUTE])
    if len(whole) != 1:
        raise ValueError(f"the trace has {len(whole)} events {EXECUTE}")
    quicker = np.argsort(whole[0], kind="stable")[: (whole.shape[1] + 1) // 2]
    rows = of_operators(events)
    times = [float(np.mean(np.array(event.times)[quicker])) for event in rows]
    whole_ms = max(float(np.mean(whole[0][quicker])), sum(times))
    found = sources([event.name for event in rows], delegated, fallen)
    operators = [
        _row(event.name, source, milliseconds, whole_ms)
        for event, source, milliseconds in zip(rows, found, times, strict=True)
    ]
    return OperatorTable.of(len(quicker), whole_ms, operators)


def of_operators(events: Sequence[Event]) -> list[Event]:
    """The events of single operators. A delegate may name none of its own, as Core ML's does."""
    return [event for event in events if not event.name.startswith(AROUND)]


def align(one: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """The places of the longest common subsequence: {place in ``one``: place in ``other``}.

    "" is equal to nothing.
    """
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in reversed(range(len(one))):
        below, row = lengths[i + 1], lengths[i]
        for j in reversed(range(len(other))):
            equal = one[i] != "" and one[i] == other[j]
            row[j] = below[j + 1] + 1 if equal else max(below[j], row[j + 1])
    places, i, j = {}, 0, 0
    while i < len(one) and j < len(other):
        if one[i] != "" and one[i] == other[j]:
            places[i] = j
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return places


def sources(
    names: Sequence[str], delegated: Sequence[DelegatedOperator], fallen: Sequence[Undelegated]
) -> list[DelegatedOperator | Undelegated | None]:
    """The operator of the graph that each event of the runtime, by its name, runs, or None."""
    inside = align(
        ["" if name.startswith(KERNEL) else _BY_RUNTIME.get(bare_name(name), "") for name in names],
        [_BY_GRAPH.get(operator.operator, "") for operator in delegated],
    )
    outside = align(
        [bare_name(name) if name.startswith(KERNEL) else "" for name in names],
        [operator.operator for operator in fallen],
    )
    return [
        delegated[inside[i]] if i in inside else fallen[outside[i]] if i in outside else None
        for i in range(len(names))
    ]


def _row(
    name: str, source: DelegatedOperator | Undelegated | None, milliseconds: float, whole: float
) -> Operator:
    macs = source.macs or None if isinstance(source, DelegatedOperator) else None
    return Operator(
        operator=name.removeprefix(KERNEL),
        module=source.module if source is not None else "",
        kind=_kind(name, source),
        delegated=not name.startswith(KERNEL),
        ms=milliseconds,
        share=milliseconds / whole,
        macs=macs,
        gmac_s=rate(macs, milliseconds),
    )


def _kind(name: str, source: DelegatedOperator | Undelegated | None) -> str:
    bare = bare_name(name)
    same = _BY_GRAPH.get(bare, "") if name.startswith(KERNEL) else _BY_RUNTIME.get(bare, "")
    if same != "product":
        return _KIND.get(same, bare.lower())
    # the runtime computes a 1x1 convolution as a fully connected layer: the graph says what it is
    graph = source.operator if source is not None else bare
    return "linear" if graph in ("linear", "addmm", "Fully Connected") else "convolution"


def bare_name(name: str) -> str:
    """``Add (ND) #3`` -> ``Add``; ``native_call_mean.out`` -> ``mean``."""
    return re.sub(r" \(.*| #.*", "", name.removeprefix(KERNEL)).removesuffix(".out")


def delegated_operators(artifact: Artifact) -> tuple[DelegatedOperator, ...]:
    """The operators in an artifact's delegates, in their order. Raises InputError."""
    path = artifact.path(OPERATORS)
    rows = TypeAdapter(tuple[DelegatedOperator, ...])
    try:
        return rows.validate_json(path.read_bytes())
    except ValueError as error:
        raise InputError(
            f"The list of operators {path} is damaged: {first_problem(error)}",
            "Build the artifact again.",
        ) from error
