"""Both graphs of a program, as a build makes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, fx, nn

from edge_models.checkpoint import load_reference
from edge_models.reference.heads import one_output
from export_targets.form import in_form
from export_targets.plan import Plan, choose_images, resolve
from export_targets.progress import silent_reporter
from export_targets.represent import calibrated
from export_targets.request import BuildRequest
from export_targets.search.simulation import Simulation


@dataclass(frozen=True)
class Graphs:
    """Of an embedded model, for a target in INT8; ``recipe`` as named."""

    model: str
    target: str = "xnnpack"
    recipe: str = "int8"

    @cached_property
    def plan(self) -> Plan:
        return resolve(
            BuildRequest(self.model, self.target, recipe=self.recipe, calibration_samples=8)
        )

    @cached_property
    def inputs(self) -> Tensor:
        """Of the golden images, (samples, 1, 3, H, W)."""
        images = choose_images(self.plan, silent_reporter())
        return self.plan.inputs(self.plan.batches(images.judged))[0]

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        loaded = load_reference(self.plan.spec, None)
        reference = one_output(self.plan.spec, loaded.module)
        return in_form(self.plan, loaded, reference, self.inputs, silent_reporter()).program

    def quantized(self, in_float: Sequence[str] = ()) -> fx.GraphModule:
        """With modules in float as ``--keep-float`` keeps them."""
        plan = replace(self.plan, found_float=tuple(in_float))
        calibration = choose_images(plan, silent_reporter()).calibration
        return calibrated(plan, self.program, calibration, silent_reporter())

    @cached_property
    def simulation(self) -> Simulation:
        return Simulation(self.program.module(), self.quantized())


class OneDestroyed(nn.Module):
    """``bad`` has a weight a thousand times the others in each row, for a channel that is always
    zero: in float it does nothing, in INT8 it leaves the others no steps.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 16, 3, stride=2)
        self.bad = nn.Conv2d(16, 16, 1)
        self.third = nn.Conv2d(16, 16, 3, stride=2)
        self.head = nn.Linear(16, 10)
        with torch.no_grad():
            self.first.weight[0] = 0
            self.first.bias[0] = -1  # type: ignore[index]
            self.bad.weight[:, 0] = 1000 * self.bad.weight.abs().amax()
            self.head.bias -= self(torch.randn(64, 3, 32, 32)).mean(0)  # no class wins everywhere

    def forward(self, x: Tensor) -> Tensor:
        x = self.bad(self.first(x).relu()).relu()
        return self.head(self.third(x).relu().amax((2, 3)))
