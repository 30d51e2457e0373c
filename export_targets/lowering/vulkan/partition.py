"""The Vulkan partitioner, checked and silenced."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner
from executorch.backends.vulkan.utils import node_io_str

from export_targets.lowering.vulkan.faults import refuse_faults

SKIPPED = re.compile(r"Due to \[(.*)\], skipping (.*)", re.DOTALL)


class VulkanLog(logging.Handler):
    """Collects why the partitioner left a call outside: by the call's text in the log, and by the
    node's name.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.by_call: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if found := SKIPPED.search(record.getMessage()):
            reason, call = found.groups()
            self.by_call.setdefault(call, reason)


@contextmanager
def vulkan_log() -> Iterator[VulkanLog]:
    """While open, what the backend writes goes to the log given; it writes to the root logger and
    sets that one's level.
    """
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    log = VulkanLog()
    try:
        root.handlers[:] = [log]
        yield log
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class CheckedPartitioner(VulkanPartitioner):  # type: ignore[misc]  # the library has no types
    """The backend's partitioner with its compile ``options``. It raises InputError for what the
    runtime gets wrong, and adds to the log why a node was left outside, by the node's name.
    """

    def __init__(self, options: Mapping[str, Any], log: VulkanLog) -> None:
        super().__init__(dict(options))
        self.log = log

    def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[Any, None]:
        """Of every operator it wants kept it takes all: one decomposition does."""
        kept, _ = super().ops_to_not_decompose(ep)
        return kept, None

    def partition(self, exported_program: torch.export.ExportedProgram) -> Any:
        refuse_faults(exported_program.graph_module)
        result = super().partition(exported_program)
        for node in exported_program.graph_module.graph.nodes:
            if node.op == "call_function" and "delegation_tag" not in node.meta:
                reason = self.log.by_call.get(node_io_str(node))
                if reason is not None:
                    self.log.reasons[node.name] = reason
        return result
