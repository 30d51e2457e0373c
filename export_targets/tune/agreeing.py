"""On how many images built files answer as FP32: images that calibrated and searched nothing."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from edge_models.checkpoint import LoadedModel
from edge_models.parity import wilson_interval
from edge_models.reference.heads import one_output, run_eager
from export_targets.artifact.folder import Artifact, write_report
from export_targets.artifact.latency_folder import model_digest
from export_targets.artifact.tuning import Agreement
from export_targets.plan import Plan, choose_images
from export_targets.progress import Reporter
from export_targets.prove import programs
from export_targets.prove.labelled import Classes
from export_targets.prove.verify import saved_logits
from export_targets.runner import runner_named
from export_targets.search.images import Halves, halves
from export_targets.search.lost import lost
from export_targets.target import target_named

KEPT = ".agreement.json"  # after the start of a model file's digest, beside the builds


def to_judge(plans: Mapping[str, Plan], images: str | Path | None, reporter: Reporter) -> Halves:
    """The images of a tune: halved as every search does, without those that any build calibrates
    on. Raises InputError where there are too few.
    """
    calibrated = (plan for plan in plans.values() if plan.recipe.takes_calibration)
    plan = next(calibrated, next(iter(plans.values())))
    calibration = choose_images(plan, reporter).calibration
    asked = replace(plan, goal=None, request=replace(plan.request, images=images))
    return halves(asked, Classes(0, ()), calibration, reporter)


def agreements(
    built: Mapping[str, Artifact],
    work: Path,
    plan: Plan,
    loaded: LoadedModel,
    pixels: Tensor,
    reporter: Reporter,
) -> dict[str, Agreement]:
    """Of each built file, by name, on ``pixels`` and its target's runner. FP32 answers once for all
    of them, and a file that was judged on them before is not run again.
    """
    images = sha256(pixels.numpy().tobytes()).hexdigest()

    @cache
    def expected() -> Tensor:
        reference = one_output(plan.spec, loaded.module, plan.request.heads)
        with reporter.stage("Reference logits to agree with"):
            return run_eager(reference, plan.inputs(pixels)[0])

    found = {}
    for name, artifact in built.items():
        kept = f"{model_digest(artifact.manifest)[:12]}{KEPT}"
        known = _read(work / kept)
        if known is None or known.images != images:
            reporter.note(f"{name} on {pixels.shape[:2].numel()} images:")
            known = _judged(artifact, pixels, images, expected(), reporter)
            write_report(work, kept, known)
        found[name] = known
    return found


def _read(path: Path) -> Agreement | None:
    try:
        return Agreement.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _judged(
    artifact: Artifact, pixels: Tensor, images: str, expected: Tensor, reporter: Reporter
) -> Agreement:
    target = target_named(artifact.manifest.target.name)
    runner = runner_named(target.runner, target.name)
    actual = saved_logits(artifact, runner, programs.given(artifact, pixels), reporter)
    differing = lost(expected, actual, pixels.shape[1])
    judged, agreeing = len(differing), int((~differing).sum())
    return Agreement(
        images=images,
        judged=judged,
        agreeing=agreeing,
        interval=wilson_interval(agreeing, judged),
    )
