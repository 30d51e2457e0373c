"""What the tests of a build's search share."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from export_targets import pipeline
from export_targets.plan import Plan
from export_targets.target import Lowered
from tests.faults import Edit

Planted = Callable[[Edit], None]


@pytest.fixture
def planted(no_search_for_a_layer: None, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """What a build lowers is from then on another program than its search found: an edited one."""
    lowered = pipeline._lowered

    def plant(edit: Edit) -> None:
        def broken(plan: Plan, program: torch.export.ExportedProgram, *rest: Any) -> Lowered:
            module = program.module()
            edit(module)
            return lowered(plan, torch.export.export(module, (torch.zeros(plan.shape),)), *rest)

        monkeypatch.setattr(pipeline, "_lowered", broken)

    return plant
