"""The whole learning: ``adapt`` is one straight function."""

import copy
import hashlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_models.checkpoint import LoadedModel
from edge_models.errors import InputError
from edge_models.images import normalize
from edge_models.parity import measure
from edge_models.reference.heads import one_output, stack_outputs
from export_targets.adapt.images import Parts, parts_of
from export_targets.adapt.kept import Kept
from export_targets.adapt.learning import BATCH, Lesson, Logits, begin, learn, set_parameters
from export_targets.adapt.report import AdaptReport, Agreeing
from export_targets.adapt.student import in_int8, in_palettes, live_weights
from export_targets.artifact.manifest import to_json
from export_targets.form import published_edge_form
from export_targets.lowering.export import exported
from export_targets.plan import Plan, load_model, resolve
from export_targets.progress import Reporter
from export_targets.represent import calibrated, palettized_program
from export_targets.request import BuildRequest
from quantize.calibration import SYNTHETIC, Images
from quantize.palettes import weighted_layers


@dataclass(frozen=True)
class Adapted:
    """What was learned; ``problems`` says why there is no checkpoint, empty where there is one."""

    report: AdaptReport
    problems: tuple[str, ...]


def adapt(request: BuildRequest, minutes: float, out: Path | None, reporter: Reporter) -> Adapted:
    """Learn weights whose answers in the request's recipe are those of its model in FP32, from the
    request's images, in so many minutes at most, and write them as a checkpoint of the model.

    ``out`` is a file of safetensors; one that is there is replaced if the same request wrote it,
    another one only with the request's ``force``. Raises InputError.
    """
    plan = _resolved(request)
    place = _place(plan, out)
    loaded = load_model(plan, reporter)
    parts = parts_of(plan, request.images, reporter)
    kept = Kept(place, _identity(plan, loaded, parts))
    kept.check_replaceable(request.force)

    teacher = _logits(one_output(plan.spec, loaded.module))
    module = copy.deepcopy(loaded.module).requires_grad_(False)
    student = _student(plan, module, parts.learned, reporter)
    floating = _logits(one_output(plan.spec, module))
    learned, held_out, judged = (normalize(part, plan.spec.input) for part in parts.images)
    with reporter.stage("Before, on images that are not learned from"), torch.no_grad():
        expected, known = teacher(judged), teacher(held_out)
        before = _agreeing(expected, student(judged))
    lesson = Lesson(teacher, student, floating, module, learned, held_out, known, request.seed)
    unlearned, state = lesson.score(), kept.read()
    if state:
        reporter.note(f"{kept.stopped.name}: goes on after {state.steps} steps")
    deadline = time.monotonic() + 60 * minutes
    with reporter.stage("Learning"):
        state = learn(lesson, state or begin(lesson, unlearned), deadline, kept.write, reporter)
    set_parameters(module, state.part("best"))
    again = _student(plan, module, parts.learned, reporter)  # its ranges, palettes of new weights
    with reporter.stage("After"), torch.no_grad():
        after, in_fp32 = (_agreeing(expected, side(judged)) for side in (again, floating))
        gained = replace(lesson, student=again).score().better(unlearned)
    kept.end(dict(module.state_dict()) if gained else None, state.ended)
    report = AdaptReport(
        model=plan.spec.name,
        target=plan.target.name,
        recipe=plan.recipe.name,
        checkpoint=str(place) if gained else None,
        images=parts.source,
        learned_from=len(parts.learned),
        held_out=len(parts.held_out),
        steps=state.steps,
        ended=state.ended,
        before=before,
        after=after,
        floating=in_fp32,
    )
    return Adapted(report, () if gained else (_nothing(report),))


def _resolved(request: BuildRequest) -> Plan:
    """The plan of the learning, whose programs take one image. Raises InputError."""
    calibration = request.images or SYNTHETIC
    plan = resolve(replace(request, calibration=calibration, images=None, batch=1))
    recipe = plan.recipe
    if plan.spec.own:
        raise InputError(
            f"{plan.spec.name} is no model of the catalog, whose edge form its weights are for.",
            "Say --agreement to `edgeform build`: it leaves modules float.",
        )
    if not recipe.takes_calibration and not recipe.quantized:
        raise InputError(
            f"The recipe {recipe.name} rounds nothing that could be learned back.",
            "Say --recipe int8, or of Core ML's palettized_4bit, _6bit or _mixed.",
        )
    if plan.goal is not None:
        raise InputError(
            "A learning searches for nothing that stays float.",
            f"Leave {plan.goal.option} away, or say it to `edgeform build`.",
        )
    if request.images is None and not plan.spec.digits:
        raise InputError(
            "There are no images to learn from.", "Give a folder of them: --images DIR."
        )
    return plan


def _place(plan: Plan, out: Path | None) -> Path:
    place = out or Path(f"{plan.spec.name}-{plan.target.name}-{plan.recipe.name}.safetensors")
    if place.suffix != ".safetensors":
        raise InputError(f"{place} is no name of a checkpoint.", "Call it NAME.safetensors.")
    return place


def _identity(plan: Plan, loaded: LoadedModel, parts: Parts) -> str:
    """Digest of what the learned weights depend on beside the time."""
    facts = asdict(plan.identity(loaded))
    facts |= {"images": parts.sha256(), "seed": plan.request.seed}
    return hashlib.sha256(to_json(facts).encode()).hexdigest()


def _student(plan: Plan, module: nn.Module, crops: Tensor, reporter: Reporter) -> Logits:
    """A module in the recipe's numbers as a build makes them of its weights now, and with those
    that it has when it is called; ``crops`` calibrate, uint8 (N, 3, H, W).
    """
    edge = published_edge_form(plan, module)
    program = exported(edge, normalize(crops[:1], plan.spec.input))
    images = Images("images to learn from", crops[: plan.request.calibration_samples])
    if plan.recipe.weights:
        palettes = palettized_program(plan, program, plan.recipe.weights, images, reporter)
        answer = in_palettes(program.module(), weighted_layers(palettes.module()))
    else:
        answer = in_int8(program.module(), calibrated(plan, program, images, reporter))
    return lambda images: answer(live_weights(plan, module), images)


def _logits(network: nn.Module) -> Logits:
    return lambda images: torch.cat([stack_outputs(network(x)) for x in images.split(BATCH)])


def _agreeing(expected: Tensor, actual: Tensor) -> Agreeing:
    found = measure(expected, actual)
    return Agreeing(
        judged=len(expected),
        agreement=found.top1_agreement,
        interval=found.agreement_interval,
        median_sqnr_db=found.median_sqnr_db,
    )


def _nothing(report: AdaptReport) -> str:
    return (
        f"nothing was gained on {report.held_out} images that were held out, in {report.steps} "
        "steps: give more images or --minutes, or build with --agreement"
    )
