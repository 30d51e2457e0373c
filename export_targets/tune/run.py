"""``tune``: recipes and agreements of one model, each built and measured, and one chosen."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from edge_models.checkpoint import LoadedModel
from edge_models.errors import InputError
from export_targets.artifact import replacement
from export_targets.artifact.folder import open_artifact, write_report
from export_targets.artifact.tuning import TUNING, Tuning
from export_targets.matrix.run import run_matrix
from export_targets.plan import Plan, load_model, read_labels, settle
from export_targets.progress import Reporter
from export_targets.tune.agreeing import agreements, to_judge
from export_targets.tune.asked import Asked, attempts
from export_targets.tune.candidates import candidates, chosen, problem
from export_targets.tune.timing import HOST, latencies, untimed

WORK = ".tune"  # after the name of what is chosen, beside it: the folder of the builds


@dataclass(frozen=True)
class Tuned:
    """What was found, in the folder ``work``; ``out`` is the chosen artifact, None where no file
    agrees as asked, and ``problems`` says what to try.
    """

    tuning: Tuning
    work: Path
    out: Path | None
    problems: tuple[str, ...]

    @property
    def built(self) -> list[Path]:
        """The artifacts whose gates held."""
        return [self.work / one.folder for one in self.tuning.candidates if one.passed]

    def document(self) -> dict[str, object]:
        """What ``edgeform tune --json`` prints."""
        out = None if self.out is None else str(self.out)
        return {"artifact": out, "tuning": self.tuning.model_dump(mode="json")}


def tune(asked: Asked, reporter: Reporter) -> Tuned:
    """Build and measure everything that is asked for and put the chosen artifact at its place.

    What stands in the work folder and was asked for alike is not built or judged again. Raises
    InputError for bad input, before anything is built. The artifact that was there before stays
    where no file agrees as asked.
    """
    tried = attempts(asked)
    plans = {attempt.cell.name: attempt.plan for attempt in tried}
    without_times = untimed(asked.runner, asked.targets)
    first = tried[0].plan
    work = first.out.with_name(f"{first.out.name}{WORK}")
    with replacement.sole_build(first.out):
        loaded = load_model(first, reporter)
        _check_out([*plans.values()], loaded)
        halves = to_judge(plans, asked.request.images, reporter)
        pixels = halves.judged.pixels
        if not asked.agreements:  # nothing searches
            pixels = torch.cat([halves.searched.pixels, pixels])

        rows = run_matrix([one.cell for one in tried], work, reporter, asked.workers)
        built = {row.name: open_artifact(Path(row.artifact)) for row in rows if row.passed}
        agreeing = agreements(built, work, first, loaded, pixels, reporter)
        times = latencies(built, asked.runner, asked.threads, without_times, reporter)

        searched = {name: plan.request.agreement for name, plan in plans.items()}
        found = candidates(rows, searched, built, agreeing, times, asked.at_least)
        best = chosen(found)
        tuning = Tuning(
            model=first.spec.name,
            images=f"{pixels.shape[:2].numel()} images, from {halves.source}",
            at_least=asked.at_least,
            runner=asked.runner or HOST,
            device=next((report.device.name for report in times.values()), None),
            untimed=without_times,
            candidates=found,
            chosen=best.name if best else None,
        )
        write_report(work, TUNING, tuning)
        if best is None:
            return Tuned(tuning, work, None, (problem(tuning),))
        _put(work / best.folder, first.out)
    return Tuned(tuning, work, first.out, ())


def _check_out(plans: Iterable[Plan], loaded: LoadedModel) -> None:
    """Raises InputError where ``out`` holds what no artifact of these plans may replace."""
    refusals = []
    for plan in plans:
        settled = settle(plan, read_labels(plan, loaded.classes))
        try:
            replacement.check_replaceable(plan.out, settled.identity(loaded), plan.request.force)
        except InputError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _put(folder: Path, out: Path) -> None:
    with replacement.staging(out) as staged:
        shutil.copytree(folder, staged, dirs_exist_ok=True)
        replacement.publish(staged, out)
