"""Which modules stay float so that a quantized network agrees with its float one, at least cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from edge_models.parity import wilson_interval
from export_targets.search.groups import holds, parts_of
from export_targets.search.sensitivity import Costs
from export_targets.search.simulation import Simulation

MOST_TRIALS = 32


@dataclass(frozen=True)
class Trial:
    """The network with some modules in float: of ``samples`` images so many are ``agreeing``.
    ``int8_share`` is of the multiply-accumulates; where it is nothing, nothing is ``reached``.
    """

    modules: tuple[str, ...]
    reached: bool
    agreeing: int
    samples: int
    int8_share: float


def most_differing(samples: int, least: float) -> int:
    """How many of the images may differ where a share of ``least`` is claimed for all: as many as
    leave the lower end of the Wilson interval there, none of too few to say it.
    """
    allowed = (n for n in range(samples) if wilson_interval(samples - n, samples)[0] < least)
    return max(next(allowed, samples) - 1, 0)


class Search:
    """``inputs``: (samples, B, 3, H, W) of the images to agree on; ``least``: the agreement asked
    for. ``say`` is told every trial.
    """

    def __init__(
        self,
        simulation: Simulation,
        inputs: Tensor,
        least: float,
        say: Callable[[str], None],
    ) -> None:
        self.simulation, self.inputs, self.say = simulation, inputs, say
        self.allowed = most_differing(len(inputs), least)
        floating = simulation.left_out(lambda _: True)
        self.expected = [simulation.answer(sample, floating).argmax(-1) for sample in inputs]
        self.macs = sum(simulation.macs.values())
        self.trials = 0

    def run(self, found: Costs) -> Trial:
        """The modules that give most for their cost, as many as it takes; then without those that
        are not needed. Where all of them are not enough, the trial has not ``reached``.
        """

        def worth(path: str) -> float:
            return (found.whole.noise - found.in_float[path].noise) / self.cost(path)

        ranked = sorted(found.in_float, key=worth, reverse=True)
        best, short, enough = self.trial(()), 0, 0
        while not best.reached:
            if enough == len(ranked):
                return best
            short, enough = enough, min(2 * enough or 1, len(ranked))
            best = self.trial(ranked[:enough])
        while enough - short > 1:
            middle = (short + enough) // 2
            tried = self.trial(ranked[:middle])
            best, short, enough = (
                (tried, short, middle) if tried.reached else (best, middle, enough)
            )
        return self.pruned(best)

    def pruned(self, best: Trial) -> Trial:
        """Without the modules that are not needed, the dearest first, and of the others without
        such parts.
        """
        waiting = sorted(best.modules, key=self.cost, reverse=True)
        while waiting and self.trials < MOST_TRIALS:
            path = waiting.pop(0)
            rest = tuple(module for module in best.modules if module != path)
            without = self.trial(rest)
            if without.reached:
                best = without
                continue
            parts = parts_of(self.simulation.quantized, path)
            divided = self.trial((*rest, *parts)) if len(parts) > 1 else without
            if divided.reached:
                best = divided
                waiting = sorted(parts, key=self.cost, reverse=True) + waiting
        return best

    def trial(self, modules: Sequence[str]) -> Trial:
        """Run until too many images differ; without modules in float, all of them."""
        left_out = self.simulation.left_out(partial(holds, modules))
        differing = samples = 0
        for sample, expected in zip(self.inputs, self.expected, strict=True):
            answer = self.simulation.answer(sample, left_out).argmax(-1)
            samples += 1
            differing += bool((answer != expected).any())
            if differing > self.allowed and modules:
                break
        self.trials += 1
        held = sum(self.simulation.macs_in(lambda module: not holds(modules, module)))
        reached = differing <= self.allowed and held > 0
        tried = Trial(tuple(modules), reached, samples - differing, samples, held / self.macs)
        self.say(described(tried))
        return tried

    def cost(self, path: str) -> int:
        """A module's multiply-accumulates: they stand for the time that it takes more in float."""
        return sum(self.simulation.macs_in(partial(holds, [path])))


def described(trial: Trial) -> str:
    """A line on a trial."""
    wrong = ", too few" if trial.int8_share else ", but nothing is left in INT8"
    return (
        f"{len(trial.modules)} modules in float, {trial.int8_share:.1%} of the "
        f"multiply-accumulates in INT8: {trial.agreeing} of {trial.samples} images agree"
        + ("" if trial.reached else wrong)
    )
