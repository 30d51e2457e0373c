"""Instructions of each operator of one inference, named by the module that asked for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, zip_longest

from export_targets.profile.operator_times import bare_name, sources
from export_targets.target import DelegatedOperator

ROLES = 14  # rows of the table
OTHERS = "numbers and layouts, by the runtime"


@dataclass(frozen=True)
class OperatorCount:
    """What one operator executes; ``module`` is empty where the runtime added it."""

    name: str
    module: str
    instructions: int

    @property
    def role(self) -> str:
        """What modules of this kind share: ``stages.0.1.conv3`` -> ``stages.conv3``."""
        return ".".join(part for part in self.module.split(".") if not part.isdigit()) or OTHERS


def parse(text: str, delegated: Sequence[DelegatedOperator]) -> list[OperatorCount]:
    """The operators of the last inference, from what program and plugin wrote.

    The plugin noted how much had run at each reading of the clock, the last of which are those of
    the last inference: one before its first operator, then as many in each as the program says.
    """
    lines = [line.split("\t") for line in text.splitlines()]
    clock = [int(line[1]) for line in lines if line[0] == "clock"]
    read = [(line[1], int(line[2])) for line in lines if line[0] == "operator"]
    readings = sum(count for _, count in read)
    if len(clock) <= readings:
        raise ValueError(f"{readings} readings of operators, {len(clock)} of the clock")
    at = clock[len(clock) - readings - 1 :]
    ends = [at[place] for place in accumulate((count for _, count in read), initial=0)]
    found = sources([name for name, _ in read], delegated, ())
    return [
        OperatorCount(name, source.module if source else "", after - before)
        for (name, _), source, (before, after) in zip(read, found, pairwise(ends), strict=True)
    ]


def table(operators: Sequence[OperatorCount], instructions: int) -> str:
    """Millions of instructions by role and by kind of operator, as Markdown; ``instructions`` are
    those of the whole inference.
    """
    roles, kinds = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for operator in operators:
        roles[operator.role].append(operator.instructions)
        kinds[bare_name(operator.name)].append(operator.instructions)
    outside = instructions - sum(operator.instructions for operator in operators)
    lines = [
        f"| asked for by | operators | M | | kind | operators | M |\n{'|---' * 7}|",
        *(
            f"| {left} | | {right} |"
            for left, right in zip_longest(_rows(roles), _rows(kinds), fillvalue=" | | ")
        ),
        f"| outside operators | - | {outside / 1e6:.2f} | | | | |",
    ]
    return "\n".join(lines)


def _rows(groups: dict[str, list[int]]) -> list[str]:
    """Name, operators and M of the largest groups, and of all others together."""
    order = sorted(groups, key=lambda name: -sum(groups[name]))
    rest = [count for name in order[ROLES:] for count in groups[name]]
    shown = {name: groups[name] for name in order[:ROLES]} | ({"all others": rest} if rest else {})
    return [f"{name} | {len(each)} | {sum(each) / 1e6:.2f}" for name, each in shown.items()]
