"""Which modules stay float so that a quantized network answers as its float one, at least cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from edge_models.parity import wilson_interval
from export_targets.lowering.graph import operator_name
from export_targets.search.groups import holds, parts_of
from export_targets.search.lost import lost
from export_targets.search.sensitivity import Costs
from export_targets.search.simulation import Simulation

MOST_PASSES = 16  # over the images, after which modules are pruned no further


@dataclass(frozen=True)
class Trial:
    """The network with some modules in float: of ``samples`` images so many are ``kept``.
    ``int8_share`` is of the multiply-accumulates; where it is nothing, nothing is ``reached``.
    ``weight_bytes`` are of the layers that the recipe quantizes.
    """

    modules: tuple[str, ...]
    reached: bool
    kept: int
    samples: int
    int8_share: float
    weight_bytes: int


def most_lost(samples: int, least: float) -> int:
    """How many of the images may be lost where a share of ``least`` is claimed to be kept of all:
    as many as leave the lower end of the Wilson interval there, none of too few to say it.
    """
    allowed = (n for n in range(samples) if wilson_interval(samples - n, samples)[0] < least)
    return max(next(allowed, samples) - 1, 0)


class Search:
    """``inputs``: (samples, B, 3, H, W); ``least``: the share of their images that is to be kept.
    With their ``classes`` (samples, B) only a right answer can be lost, else any. ``say`` is told
    every trial. ``float_costs`` by operator and ``float_bytes`` are the target's.
    """

    def __init__(
        self,
        simulation: Simulation,
        inputs: Tensor,
        least: float,
        say: Callable[[str], None],
        classes: Tensor | None = None,
        float_costs: Mapping[str, float] = MappingProxyType({}),
        float_bytes: int = 4,
    ) -> None:
        self.simulation, self.inputs, self.say = simulation, inputs, say
        self.float_costs, self.float_bytes = float_costs, float_bytes
        self.classes, self.batch = classes, inputs.shape[1]
        self.allowed = most_lost(len(inputs) * self.batch, least)
        floating = simulation.left_out(lambda _: True)
        self.expected = torch.stack([simulation.answer(sample, floating) for sample in inputs])
        self.macs = sum(simulation.macs.values())
        self.times_lost, self.run_images = [0] * len(inputs), 0

    def run(self, found: Costs) -> Trial:
        """The modules that give most for their cost, as many as it takes; then without those that
        are not needed. Where all of them are not enough, or fewer than would leave nothing in INT8,
        the trial has not ``reached``.
        """

        def worth(path: str) -> float:
            return (found.whole.noise - found.in_float[path].noise) / self.cost(path)

        ranked = sorted(found.in_float, key=worth, reverse=True)
        best, short, enough = self.trial(()), 0, 0
        while not best.reached and enough < len(ranked):
            short, enough = enough, min(2 * enough or 1, len(ranked))
            best = self.trial(ranked[:enough])
        if not best.reached and best.int8_share:
            return best
        while enough - short > 1:
            middle = (short + enough) // 2
            tried = self.trial(ranked[:middle])
            best, short, enough = (
                (tried, short, middle) if tried.reached else (best, middle, enough)
            )
        return self.pruned(best) if best.reached else best

    def pruned(self, best: Trial) -> Trial:
        """Without the modules that are not needed, the dearest first, several at once where that
        is enough, and of the others without such parts.
        """
        waiting = sorted(best.modules, key=self.cost, reverse=True)
        together = max(len(waiting) // 2, 1)
        while waiting and self.run_images < MOST_PASSES * len(self.inputs):
            chosen = waiting[:together]
            rest = tuple(module for module in best.modules if module not in chosen)
            without = self.trial(rest)
            if without.reached:
                best, waiting, together = without, waiting[together:], 2 * together
            elif together > 1:
                together //= 2
            else:
                best, parts = self.divided(best, waiting.pop(0))
                waiting, together = [*parts, *waiting], 2
        return best

    def divided(self, best: Trial, path: str) -> tuple[Trial, list[str]]:
        """With the parts of a module in its place, which may be left out one by one, where they
        are enough; and these parts.
        """
        parts = parts_of(self.simulation.quantized, path)
        if len(parts) < 2:
            return best, []
        rest = (module for module in best.modules if module != path)
        tried = self.trial((*rest, *parts))
        return (tried, sorted(parts, key=self.cost, reverse=True)) if tried.reached else (best, [])

    def trial(self, modules: Sequence[str]) -> Trial:
        """Run until too many images are lost, first those that were lost most often; the first
        trial runs all of them.
        """
        left_out = self.simulation.left_out(partial(holds, modules))
        missing = samples = 0
        order = sorted(range(len(self.inputs)), key=lambda index: -self.times_lost[index])
        for index in order:
            answer, one = self.simulation.answer(self.inputs[index], left_out)[None], [index]
            classes = None if self.classes is None else self.classes[one]
            losses = int(lost(self.expected[one], answer, self.batch, classes).sum())
            self.times_lost[index] += losses
            missing, samples = missing + losses, samples + self.batch
            if missing > self.allowed and self.run_images:
                break
        self.run_images += samples // self.batch
        held = sum(self.simulation.macs_in(lambda module: not holds(modules, module)))
        reached = missing <= self.allowed and held > 0
        size = self.simulation.weight_bytes(left_out, self.float_bytes)
        share, kept = held / self.macs, samples - missing
        tried = Trial(tuple(modules), reached, kept, samples, share, size)
        self.say(described(tried, "agree" if self.classes is None else "lose no right answer"))
        return tried

    def cost(self, path: str) -> float:
        """What a module takes longer in float: by its multiply-accumulates, in any unit."""
        products = self.simulation.products_in(partial(holds, [path]))
        return sum(
            self.simulation.macs[product] * self.float_costs.get(operator_name(product), 1.0)
            for product in products
        )


def described(trial: Trial, kept: str) -> str:
    """A line on a trial; ``kept`` says what the images do that are."""
    wrong = ", too few" if trial.int8_share else ", but nothing is left in INT8"
    return (
        f"{len(trial.modules)} modules in float, {trial.int8_share:.1%} of the "
        f"multiply-accumulates in INT8, weights of {trial.weight_bytes / 1e6:.1f} MB: "
        f"{trial.kept} of {trial.samples} images {kept}" + ("" if trial.reached else wrong)
    )
