"""Runner: something that executes a saved model file on given inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from edge_models.errors import InputError
from edge_models.errors import RunnerError as RunnerError  # what a runner raises
from edge_models.registry import collect, named
from export_targets import runners
from export_targets.target import target_named


@dataclass(frozen=True)
class Event:
    """An event of a runtime's trace: its name, and its milliseconds in each inference."""

    name: str
    times: tuple[float, ...]


@dataclass(frozen=True)
class Runner:
    """``run(model, inputs, advance)`` executes a saved file, inputs (samples, B, 3, H, W), calls
    ``advance`` after each sample and returns its logits (samples, rows, classes). ``targets`` are
    the names of the targets it can execute beside those that name it.

    ``load(model)`` gives the same of one input, for a process of its own, which it may end.
    ``check(target)`` raises InputError where this system cannot execute files of a target;
    ``absent()`` says what is to do before it can, empty where nothing is.

    ``turns(artifact folder, threads, warm-up)`` gives the command of a process that measures in
    turns (``turns.py``), ``trace(artifact folder, threads, inferences)`` the runtime's events;
    0 threads are the runtime's own choice. ``untimed`` says why a runner without them gives no
    times. ``fallen(model)`` names the operators that fall out of the unit of the chip that was
    chosen, a line each.

    A runner on a connected device measures by itself: ``measure(artifact folder, threads, warm-up,
    iterations, where its LatencyReport goes, advance)``. ``variant(what follows the name)`` is the
    runner of one of several devices; where ``chooses_units``, also held to compute units.
    """

    name: str
    summary: str
    run: Callable[[Path, Tensor, Callable[[], None]], Tensor]
    targets: tuple[str, ...] = ()
    load: Callable[[Path], Callable[[Tensor], Tensor]] | None = None
    turns: Callable[[Path, int, int], list[str]] | None = None
    trace: Callable[[Path, int, int], list[Event]] | None = None
    untimed: str = ""
    absent: Callable[[], str] = str
    check: Callable[[str], None] = lambda target: None
    fallen: Callable[[Path], Sequence[str]] | None = None
    measure: Callable[[Path, int, int, int, Path, Callable[[], None]], None] | None = None
    variant: Callable[[str], "Runner"] | None = None
    chooses_units: bool = False

    def executes(self, target: str) -> bool:
        """Whether it can execute the files of a target by that name."""
        return target in self.targets or self.name in target_named(target).runners


@cache
def all_runners() -> dict[str, Runner]:
    """Every ``RUNNER`` of every module in ``export_targets/runners``, by name."""
    return collect(runners, "RUNNER")


def runner_named(name: str, target: str) -> Runner:
    """One runner by name, its variant by ``name:variant``, that can execute a target's files here.
    Raises InputError.
    """
    found = all_runners()
    kind, _, variant = name.partition(":")
    runner = named(found, "runner", kind if variant and kind in found else name)
    if variant:
        if runner.variant is None:
            raise InputError(f"The runner {kind} has no devices to name.", f"Use --runner {kind}.")
        runner = runner.variant(variant)
    if not runner.executes(target):
        able = [other.name for other in found.values() if runs_here(other, target)]
        raise InputError(
            f"The runner {name} cannot execute files of the target {target}.",
            f"Use {', '.join(able)}." if able else "No runner here can.",
        )
    runner.check(target)
    return runner


def timing_runner(name: str, target: str) -> Runner:
    """A runner by name that can time a target's files here. Raises InputError."""
    chosen = runner_named(name, target)
    if chosen.turns is None and chosen.measure is None:
        raise InputError(
            f"The runner {chosen.name} gives no times: {chosen.untimed}.",
            "Measure on a device that the file is for; --import takes its report.",
        )
    return chosen


def runs_here(runner: Runner, target: str) -> bool:
    """Whether a runner can execute a target's files on this system, once it is built."""
    try:
        runner.check(target)
    except InputError:
        return False
    return runner.executes(target)


def on_units(runner: str | None, units: str) -> str:
    """The name of a runner held to compute units of the chip. Raises InputError for one that does
    not choose them.
    """
    kind = (runner or "").partition(":")[0]
    able = [name for name, other in all_runners().items() if other.chooses_units]
    if kind not in able:
        raise InputError(
            f"The runner {runner or 'of the target'} chooses no compute units: Core ML does.",
            f"Use --runner {' or '.join(able)}, or leave --compute-units away.",
        )
    return f"{runner}:{units}"
