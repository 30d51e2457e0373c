"""Each operator against torch: modules converted by coremltools, saved, read and run."""

from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor

from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.operators import OPERATORS
from tests.export_targets.interpret.built import BUILT
from tests.export_targets.interpret.built_compressed import COMPRESSED
from tests.export_targets.interpret.cases import GROUPS, Group, Together
from tests.export_targets.interpret.converted import convert, inputs_of, program_of

EACH = [
    pytest.param(group, index, id=f"{group.name}-{index}-{case.operator}")
    for group in GROUPS
    for index, case in enumerate(group.cases)
]


@cache
def computed(group: Group) -> tuple[list[Tensor], list[Tensor]]:
    """What torch gives for each case of a group, and what the interpreter of the saved file."""
    import coremltools as ct

    torch.manual_seed(0)
    module = Together(group).eval()
    with torch.no_grad():
        for value in module.state_dict().values():  # running statistics too
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.1)
    inputs = tuple(torch.randn(shape) for shape in group.shapes)
    target = getattr(ct.target, group.target)
    program = program_of(convert(module, inputs, "float32", minimum_deployment_target=target))
    wanted = Counter(case.operator for case in group.cases)
    assert wanted - Counter(program.inventory) == Counter()
    results = execute(program, inputs_of(program, inputs))
    found = [results[output.name] for output in program.outputs]
    assert all(isinstance(value, Tensor) for value in found)
    with torch.no_grad():
        return list(module(*inputs)), found  # type: ignore[return-value]


@pytest.mark.parametrize(("group", "index"), EACH)
def test_an_operator_computes_what_torch_computes(group: Group, index: int) -> None:
    expected, found = computed(group)
    assert len(expected) == len(found)
    # the format adds an epsilon of 1e-4 to what it inverts
    loose = 1e-3 if group.cases[index].operator == "inverse" else 1e-5
    torch.testing.assert_close(found[index], expected[index], rtol=loose, atol=1e-5)


def test_no_operator_is_untested() -> None:
    converted = {case.operator for group in GROUPS for case in group.cases}
    assert converted | {case.operator for case in BUILT + COMPRESSED} == set(OPERATORS)
