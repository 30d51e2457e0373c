"""Operators that the converter does not write, from programs of MIL's own builder."""

from typing import Any

import pytest
import torch
from torch import Tensor

from export_targets.interpret.mil.execute import execute
from tests.export_targets.interpret.built import BUILT, Built
from tests.export_targets.interpret.built_compressed import COMPRESSED
from tests.export_targets.interpret.converted import program_of

ALL = BUILT + COMPRESSED
LABELS = [f"class {i}" for i in range(6)]


def converted(case: Built) -> Any:
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813

    target = getattr(ct.target, case.target)

    @mb.program(  # type: ignore[untyped-decorator]
        input_specs=[mb.TensorSpec(case.shape)], opset_version=target
    )
    def program(x: Any) -> Any:
        return case.build(mb, x)

    options = {}
    if case.operator == "classify":
        options["classifier_config"] = ct.ClassifierConfig(LABELS)
    return ct.convert(
        program,
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
        pass_pipeline=ct.PassPipeline.EMPTY,
        **options,
    )


@pytest.mark.parametrize(
    "case", ALL, ids=[f"{index}-{case.operator}" for index, case in enumerate(ALL)]
)
def test_a_built_operator_computes_what_torch_computes(case: Built) -> None:
    torch.manual_seed(0)
    x = torch.randn(case.shape)
    program = program_of(converted(case))
    assert case.operator in program.inventory
    results = execute(program, {program.inputs[0].name: x})
    found = [value for value in results.values() if isinstance(value, Tensor)]
    assert len(found) == 1
    torch.testing.assert_close(found[0], case.expected(x), rtol=1e-5, atol=1e-5)
    if case.operator == "classify":
        label = next(value for value in results.values() if isinstance(value, str))
        assert label == LABELS[int(x.argmax())]
