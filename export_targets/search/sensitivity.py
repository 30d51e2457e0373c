"""What each module costs in INT8: the network with it alone in float, and the other way round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from export_targets.artifact.interface import OutputSection
from export_targets.artifact.sensitivity import Cost, ModuleCost, Sensitivity
from export_targets.prove.layer_errors import Energies
from export_targets.prove.outputs import by_output
from export_targets.search.groups import holds
from export_targets.search.simulation import LeftOut, Modules, Simulation, Values
from quantize.one_thread_each import one_thread_each

TINY = 1e-30  # a signal's energy where all samples have the same output


@dataclass
class Tally:
    """The outputs with some layers in float beside the float graph's, sample by sample."""

    output: OutputSection
    energies: list[Energies] = field(default_factory=list)
    agreeing: int = 0
    answers: int = 0

    def add(self, expected: Tensor, actual: Tensor) -> None:
        """Outputs of a sample, (rows, numbers) each."""
        wanted, found = (by_output(rows[None], self.output) for rows in (expected, actual))
        self.energies = self.energies or [Energies() for _ in wanted]
        for energies, one, other in zip(self.energies, wanted, found, strict=True):
            energies.add(one.double(), other.double())
            self.agreeing += int((one.argmax(-1) == other.argmax(-1)).sum())
            self.answers += len(one)

    @property
    def noise(self) -> float:
        """The energy of the errors by that of what differs between the samples, of all outputs."""
        return sum(energies.noise / max(energies.signal, TINY) for energies in self.energies)

    @property
    def cost(self) -> Cost:
        """The figures of all samples."""
        figures = [energies.sqnr_db for energies in self.energies]
        agreement = None if self.output.kind == "tensors" else self.agreeing / self.answers
        worst = min((figure for figure in figures if figure is not None), default=None)
        return Cost(sqnr_db=worst, agreement=agreement)


@dataclass(frozen=True)
class Costs:
    """By module: the tally with it in float, and, where that was measured, with it alone in INT8;
    ``whole`` with none in float.
    """

    whole: Tally
    in_float: dict[str, Tally]
    alone: dict[str, Tally]


def module_costs(
    simulation: Simulation,
    modules: Sequence[str],
    inputs: Tensor,
    output: OutputSection,
    alone_too: bool,
    advance: Callable[[], None],
) -> Costs:
    """Of ``modules`` on ``inputs``, (samples, B, 3, H, W). What a choice leaves as it is in the
    whole network is not computed again.
    """
    in_float = {module: Tally(output) for module in modules}
    alone = {module: Tally(output) for module in modules if alone_too}
    result = Costs(Tally(output), in_float, alone)
    none, every = simulation.left_out(lambda _: False), simulation.left_out(lambda _: True)
    near_int8 = [_Choice(simulation, partial(holds, [m]), none, in_float[m]) for m in modules]
    near_float = [_Choice(simulation, partial(_outside, m), every, alone[m]) for m in alone]
    with one_thread_each() as pool:
        for sample in inputs:
            quantized, floating = simulation.values(sample, none), simulation.values(sample, every)
            expected = simulation.returned(floating)
            result.whole.add(expected, simulation.returned(quantized))
            for values, choices in ((quantized, near_int8), (floating, near_float)):
                list(pool.map(partial(_try, simulation, sample, values, expected), choices))
            advance()
    return result


class _Choice:
    """Layers in float, other ones than ``before`` in one module, and what that leaves the same."""

    def __init__(
        self,
        simulation: Simulation,
        in_float: Modules,
        before: LeftOut,
        tally: Tally,
    ) -> None:
        self.left_out, self.tally = simulation.left_out(in_float), tally
        self.same = simulation.untouched(before, self.left_out)


def _try(
    simulation: Simulation, sample: Tensor, values: Values, expected: Tensor, choice: _Choice
) -> None:
    known = {node: values[node] for node in choice.same}
    changed = simulation.values(sample, choice.left_out, known)
    choice.tally.add(expected, simulation.returned(changed))


def described(
    found: Costs, simulation: Simulation, artifact: str, images: str, samples: int
) -> Sensitivity:
    """The figures as an artifact keeps them."""
    rows = []
    for module, tally in found.in_float.items():
        macs = simulation.macs_in(partial(holds, [module]))
        rows.append(
            ModuleCost(
                module=module,
                layers=len(macs),
                macs=sum(macs),
                in_float=tally.cost,
                alone=found.alone[module].cost if found.alone else None,
            )
        )
    return Sensitivity(
        artifact=artifact,
        images=images,
        samples=samples,
        whole=found.whole.cost,
        modules=tuple(rows),
    )


def _outside(path: str, module: str) -> bool:
    return not holds([path], module)
