"""What a lowering to ExecuTorch delegated and what fell out, from its graph and its file."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from export_targets.artifact.manifest import Delegation, Undelegated
from export_targets.lowering.graph import module_path, multiply_accumulates, operator_name
from export_targets.target import DelegatedOperator, Lowered


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """Delegates, and {operator: calls} outside them, in a saved ``.pte``."""
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall

    plan = deserialize_pte_binary(path.read_bytes()).program.execution_plan[0]
    outside: Counter[str] = Counter()
    delegates = set()
    for instruction in plan.chains[0].instructions:
        call = instruction.instr_args
        if isinstance(call, KernelCall):
            outside[plan.operators[call.op_index].name.removeprefix("aten::")] += 1
        if isinstance(call, DelegateCall):
            delegates.add(call.delegate_index)
    return len(delegates), dict(outside)


def delegate_backends(path: Path) -> list[str]:
    """The id of each delegate's backend in a saved ``.pte``."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    plans = deserialize_pte_binary(path.read_bytes()).program.execution_plan
    return [delegate.id for plan in plans for delegate in plan.delegates]


class RefusalLog(logging.Handler):
    """While open, collects from a partitioner's log why it refused a node, by node name."""

    def __init__(self, logger: str) -> None:
        super().__init__(logging.DEBUG)
        self.reasons: dict[str, str] = {}
        self.logger = logging.getLogger(logger)
        self.level_before, self.propagate_before = self.logger.level, self.logger.propagate

    def emit(self, record: logging.LogRecord) -> None:
        from executorch.exir.backend.utils import WhyNoPartition

        if isinstance(record.msg, WhyNoPartition) and record.msg.node is not None:
            self.reasons.setdefault(record.msg.node.name, record.msg.reason)

    def __enter__(self) -> "RefusalLog":
        self.logger.addHandler(self)
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        return self

    def __exit__(self, *exception: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)
        self.logger.propagate = self.propagate_before


def read_delegates(
    graph_module: torch.fx.GraphModule, reasons: Mapping[str, str], unknown: str
) -> Lowered:
    """What went into delegates and what fell out, from the program after partitioning.

    ``reasons`` by node name, ``unknown`` the reason of a node that is not among them.
    """
    from executorch.exir.delegate import executorch_call_delegate
    from executorch.exir.lowered_backend_module import get_lowered_backend_modules

    fallen = [
        Undelegated(
            operator=operator_name(node),
            module=module_path(node),
            why=reasons.get(node.name, unknown),
        )
        for node in _operators(graph_module)
        if node.target is not executorch_call_delegate
    ]
    delegates = get_lowered_backend_modules(graph_module)
    operators = tuple(
        DelegatedOperator(
            operator=operator_name(node),
            module=module_path(node),
            debug_handle=node.meta.get("debug_handle", 0),
            macs=multiply_accumulates(node),
        )
        for delegate in delegates
        for node in _operators(delegate.original_module.graph_module)
    )
    delegation = Delegation(
        delegates=len(delegates),
        delegated_ops=len(operators),
        undelegated=dict(Counter(item.operator for item in fallen)),
        fallen=tuple(fallen),
    )
    return Lowered(delegation, operators)


def _operators(graph_module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    return [
        node
        for node in graph_module.graph.nodes
        if node.op == "call_function" and operator_name(node) != "getitem"
    ]
