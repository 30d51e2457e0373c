"""The whole conversion: ``build`` is one straight function. Read it first."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from edge_models.edge.network import Recognized
from edge_models.errors import InputError, described
from edge_models.parity import ParityReport
from edge_models.reference.heads import one_output, run_eager
from export_targets.artifact import folder as artifact
from export_targets.artifact import replacement
from export_targets.artifact.manifest import Manifest
from export_targets.artifact.sensitivity import write_sensitivity
from export_targets.form import in_form, reference_program
from export_targets.plan import Plan, choose_images, load_model, read_labels, resolve, settle
from export_targets.progress import Reporter
from export_targets.prove.first_apart import first_apart
from export_targets.prove.hops import fallen, judge
from export_targets.represent import Represented, in_numbers, with_weights
from export_targets.request import BuildRequest
from export_targets.runner import RunnerError, runner_named
from export_targets.search.agreement import Searched, judged
from export_targets.search.images import to_agree_on
from export_targets.target import Lowered, Lowering
from export_targets.write_artifact import describe, write_evidence, write_golden

WITHOUT_PROGRAM = (
    "the network as it is does not export: the artifact holds no FP32 program of it, and `verify "
    "--images` and `evaluate` need --model"
)
OUTSIDE = (
    "Some operators fell out of the delegate, where this runner may not follow: change the modules "
    "that are named above, or take another --target."
)


@dataclass(frozen=True)
class BuildResult:
    """Where the artifact is. ``problems`` names each gate that failed; empty where all held."""

    folder: Path
    manifest: Manifest
    parity: ParityReport | None
    problems: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """What ``edgeform build --json`` prints."""
        parity = self.parity.model_dump(mode="json", by_alias=True) if self.parity else None
        manifest = self.manifest.model_dump(mode="json")
        return {"artifact": str(self.folder), "manifest": manifest, "parity": parity}


def build(request: BuildRequest, reporter: Reporter) -> BuildResult:
    """Checkpoint -> artifact folder, verified.

    Raises InputError for bad input, before anything at the artifact's final name is touched. A
    build whose gates fail is left in ``<out>.failed``; the artifact that was there before stays.
    """
    asked = resolve(request)
    with replacement.sole_build(asked.out):
        return _build(asked, reporter)


def _build(asked: Plan, reporter: Reporter) -> BuildResult:
    request = asked.request
    loaded = load_model(asked, reporter)
    plan = settle(asked, labels := read_labels(asked, loaded.classes))
    failed = plan.out.with_name(f"{plan.out.name}{replacement.FAILED}")
    replacement.check_replaceable(plan.out, plan.identity(loaded), request.force)
    images = choose_images(plan, reporter)
    inputs, given = plan.inputs(pixels := plan.batches(images.judged))
    halves = to_agree_on(plan, loaded.classes, labels, images.calibration, reporter)

    reference = one_output(plan.spec, loaded.module, request.heads)
    with reporter.stage("Reference logits"):
        logits = {"reference": run_eager(reference, inputs)}
    formed = in_form(plan, loaded, reference, inputs, reporter)
    represented = in_numbers(plan, formed.program, images, inputs, halves, loaded.classes, reporter)
    logits |= {"edge": formed.logits, **represented.logits}
    program = reference_program(reference, inputs[0]) if plan.spec.own else None

    with replacement.staging(plan.out) as folder:
        with reporter.stage(f"Lowering to {plan.target.name}"):
            lowering = plan.lowering(loaded, labels)
            lowered = _lowered(plan, represented.program, lowering, folder / plan.target.file)
        reporter.notes((*lowered.notes, *_own_notes(lowered, formed.recognized, program)))
        saved = with_weights(represented.program, lowered.weights)
        if lowered.weights:
            with reporter.stage("Logits with the compressed weights"):
                logits["quantized"] = run_eager(saved.module(), inputs)
        logits |= _saved_logits(plan, folder, given, failed, lowered, reporter)
        agreed = judged(plan, represented.searched, reference, folder / plan.target.file, reporter)
        with reporter.stage("Artifact"):
            write_evidence(folder, loaded, saved, lowered.operators, represented.layers, program)
            write_golden(folder, plan.golden_samples, pixels, given, logits, labels)
            _write_search(folder, represented.searched)
            stayed_float = represented.float_modules + lowered.float_modules
            made = (loaded, images, lowered, stayed_float, formed.recognized, agreed.section)
            manifest = describe(folder, plan, *made, inputs, logits)
            artifact.write_manifest(folder, manifest)
            parity: ParityReport | None = None
            problems: tuple[str, ...] = ()
            if request.verify:
                source, by = images.judged.source, plan.target.runner
                parity, problems = judge(manifest, by, source, logits, {}, lowered.delegation)
                problems += agreed.problems
                problems += _first_apart(plan, represented, lowering, given, parity, reporter)
                artifact.write_parity(folder, parity)
            place = failed if problems else plan.out
            replacement.publish(folder, place)
            if not problems:
                replacement.remove(failed)  # of an earlier build
    return BuildResult(place, manifest, parity, problems)


def _write_search(folder: Path, searched: Searched | None) -> None:
    if searched is not None:
        write_sensitivity(folder, searched.sensitivity)


def _lowered(
    plan: Plan, program: torch.export.ExportedProgram, lowering: Lowering, path: Path
) -> Lowered:
    """Raises InputError where a network of one's own is beyond the target's compiler."""
    try:
        return plan.target.lower(program, lowering, path)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # compilers raise whatever they stumble on
        if plan.spec.own is None:
            raise
        cause = error.__cause__ or error
        raise InputError(
            f"{plan.target.name}'s compiler does not take the network: {described(cause)}",
            "Try another --recipe or --target, or parts of the network, to see which module it is.",
        ) from error


def _own_notes(
    lowered: Lowered,
    recognized: tuple[Recognized, ...] | None,
    program: torch.export.ExportedProgram | None,
) -> list[str]:
    """What became of the layers of a network of one's own, and what no delegate took."""
    if recognized is None:
        return []
    found = [
        f"{layer.path}: taken as {layer.kind}, {layer.sqnr_db:.0f} dB"
        if layer.kind and layer.sqnr_db is not None
        else f"{layer.path}: left as it is: {layer.why}"
        for layer in recognized
    ]
    kept = [] if program else [WITHOUT_PROGRAM]
    return [*(found or ["no known layer was recognized"]), *kept, *fallen(lowered.delegation)]


def _saved_logits(
    plan: Plan, folder: Path, inputs: Tensor, failed: Path, lowered: Lowered, reporter: Reporter
) -> dict[str, Tensor]:
    """Of the saved file on the target's runner, and on its others where a gate asks for them. A
    file that does not run is left in ``failed``.
    """
    others = plan.target.gates[plan.recipe.name].others
    logits = {}
    for program, name in {
        "file": plan.target.runner,
        **{program: plan.target.other_runners[program] for program in others},
    }.items():
        runner = runner_named(name, plan.target.name)
        with reporter.steps(f"Saved file on the runner {name}", len(inputs)) as advance:
            try:
                logits[program] = runner.run(folder / plan.target.file, inputs, advance)
            except RunnerError as error:
                replacement.set_aside(folder, failed, str(error))
                remedy = error.remedy if lowered.delegation.whole else OUTSIDE
                raise RunnerError(f"{error}; it is in {failed}", remedy) from error
    return logits


def _first_apart(
    plan: Plan,
    represented: Represented,
    lowering: Lowering,
    inputs: Tensor,
    parity: ParityReport,
    reporter: Reporter,
) -> tuple[str, ...]:
    """Which layer of an INT8 file is not its graph's, where the lower hop says that one is not."""
    failed = [hop for hop in parity.hops if hop.name == "lower" and hop.status == "failed"]
    if not failed or not represented.layers or plan.takes_image or plan.request.form != "edge":
        return ()
    runner = runner_named(plan.target.runner, plan.target.name)

    def run(program: torch.export.ExportedProgram, chosen: Tensor) -> Tensor:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, plan.target.file)
            plan.target.lower(program, lowering, path)
            return runner.run(path, chosen, lambda: None)

    least = failed[0].gate.min_sqnr_db
    with reporter.stage("Layer that differs in the file, by halves"):
        found = first_apart(represented.program, inputs, least, run)
    return (f"hop lower: {found}",)
