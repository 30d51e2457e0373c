"""edgeform from Python: what the command line does, as functions with typed results.

    import edgeform

    request = edgeform.BuildRequest("digits_cotnet", "xnnpack", recipe="int8", out="digits")
    built = edgeform.build(request)
    for hop in edgeform.verify(built.folder).report.hops:
        print(hop.name, hop.sqnr_db, hop.top1_agreement, hop.status)

Importing this module loads no library; the first use of a name does. Nothing is printed unless
``progress`` is asked for, but for warnings of torch and its libraries, and nothing of the caller's
process is changed. Every function raises ``InputError`` for bad input and for a damaged artifact:
its ``what`` and ``remedy`` are for a person. Gates that fail raise nothing: ``problems`` names
them.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from edge_models.errors import InputError as InputError
    from edge_models.errors import RunnerError as RunnerError
    from edge_models.parity import ParityReport as ParityReport
    from export_targets.adapt.report import AdaptReport as AdaptReport
    from export_targets.adapt.run import Adapted as Adapted
    from export_targets.artifact.folder import Artifact as Artifact
    from export_targets.artifact.latency_report import LatencyReport as LatencyReport
    from export_targets.artifact.sensitivity import Sensitivity as Sensitivity
    from export_targets.pipeline import BuildResult as BuildResult
    from export_targets.profile.profile import Profile as Profile
    from export_targets.progress import Reporter
    from export_targets.prove.evaluate import EvaluationReport as EvaluationReport
    from export_targets.prove.verify import Verification as Verification
    from export_targets.request import BuildRequest as BuildRequest
    from export_targets.tune.run import Tuned as Tuned

_FROM = {
    "InputError": "edge_models.errors",
    "RunnerError": "edge_models.errors",
    "ParityReport": "edge_models.parity",
    "AdaptReport": "export_targets.adapt.report",
    "Adapted": "export_targets.adapt.run",
    "Artifact": "export_targets.artifact.folder",
    "LatencyReport": "export_targets.artifact.latency_report",
    "BuildResult": "export_targets.pipeline",
    "Profile": "export_targets.profile.profile",
    "EvaluationReport": "export_targets.prove.evaluate",
    "Verification": "export_targets.prove.verify",
    "BuildRequest": "export_targets.request",
    "Sensitivity": "export_targets.artifact.sensitivity",
    "Tuned": "export_targets.tune.run",
}
_FUNCTIONS = (
    *("build", "open_artifact", "verify", "evaluate", "sensitivity", "tune", "adapt", "profile"),
    "report",
)
__all__ = [*_FUNCTIONS, *_FROM]

StrPath = str | Path


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'edgeform' has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def build(request: "BuildRequest", *, progress: bool = False) -> "BuildResult":
    """Checkpoint -> artifact folder, verified; minutes at real size.

    ``folder`` of the result ends in ``.failed`` where a gate failed, and ``problems`` names it; the
    artifact that was there before stays. ``parity`` holds the figures of every hop, SQNR in dB.
    """
    from export_targets.pipeline import build as run

    return run(request, _reporter(progress))


def open_artifact(folder: StrPath) -> "Artifact":
    """An artifact folder, its files compared with their digests.

    ``inputs()`` are its golden inputs (samples, B, 3, H, W), ``manifest`` all that it says.
    """
    from export_targets.artifact.folder import open_artifact as run

    return run(Path(folder))


def verify(
    folder: StrPath,
    *,
    images: StrPath | None = None,
    runner: str | None = None,
    strict: bool = False,
    trust_graphs: bool = False,
    network: "nn.Module | str | None" = None,
    progress: bool = False,
) -> "Verification":
    """An artifact's digests, wholeness and every parity hop, on its golden inputs or on the
    ``images`` of a folder, where ``strict`` stops at one that cannot be read; ``trust_graphs``
    loads ``lowered.pt2``, which can carry code. Images need the ``network`` of an artifact of one's
    own, itself or as "FILE.py:FUNCTION", or ``trust_graphs``.
    """
    from export_targets.prove.verify import verify as run

    reporter = _reporter(progress)
    return run(Path(folder), _path(images), runner, trust_graphs, reporter, strict, network)


def evaluate(
    folder: StrPath,
    images: StrPath,
    *,
    limit: int | None = None,
    labels: StrPath | None = None,
    class_order: str | None = None,
    runner: str | None = None,
    strict: bool = False,
    trust_graphs: bool = False,
    workers: int | None = None,
    on: str | None = None,
    resume: bool = False,
    network: "nn.Module | str | None" = None,
    progress: bool = False,
) -> "EvaluationReport":
    """Top-1, top-5 and agreement, each in [0, 1], of an artifact's programs over the labelled
    images of ``images/<class>/``, a folder or its address (``s3://``, ``https://``): all, or
    ``limit`` of them. ``labels`` (a file) or ``class_order`` ("natural", "sorted") say which class
    each folder is where their names do not; ``network`` as for ``verify``.

    ``workers`` processes judge, by default one for each core, or with ``on="ray"`` a
    Ray cluster; ``resume`` goes on where an evaluation of the same files was interrupted.
    """
    from edge_models.image_folder import path_at
    from export_targets.prove.evaluate import Choice, Work
    from export_targets.prove.evaluate import evaluate as run

    choice = Choice(path_at(images), limit, _path(labels), class_order, strict)
    work = Work(workers, on, resume)
    return run(Path(folder), choice, runner, trust_graphs, _reporter(progress), network, work)


def sensitivity(
    folder: StrPath,
    *,
    images: StrPath | None = None,
    strict: bool = False,
    trust_graphs: bool = False,
    network: "nn.Module | str | None" = None,
    progress: bool = False,
) -> "Sensitivity":
    """What each module of an INT8 artifact costs in SQNR and agreement, on its golden inputs or the
    ``images`` of a folder, evenly; stored in the artifact. It loads ``lowered.pt2``, which can
    carry code: only with ``trust_graphs``. ``network`` as for ``verify``.
    """
    from export_targets.search.of_artifact import sensitivity as run

    reporter = _reporter(progress)
    return run(Path(folder), _path(images), trust_graphs, reporter, strict, network)


def tune(
    request: "BuildRequest",
    *,
    at_least: float,
    targets: Sequence[str] = (),
    recipes: Sequence[str] = (),
    agreements: Sequence[float] = (),
    runner: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> "Tuned":
    """Recipes of a model, each built, judged on the request's ``images`` and timed by ``runner``;
    the best file that agrees with FP32 on ``at_least`` of them is put at the request's ``out``.

    ``targets``: by default the request's own; ``recipes``: that of the request, or all that a
    target can do; those in INT8 also with a search for each of ``agreements``. The builds stay in
    ``work`` of the result and are not made again, ``tuning`` has what was measured of each, and
    ``problems`` says what to try where ``out`` is None.
    """
    from export_targets.tune.asked import Asked
    from export_targets.tune.run import tune as run

    asked = Asked(
        request=request,
        targets=tuple(targets) or (request.target,),
        recipes=tuple(recipes) or ((request.recipe,) if request.recipe else ()),
        agreements=tuple(agreements),
        at_least=at_least,
        runner=runner,
        threads=threads,
        workers=workers,
    )
    return run(asked, _reporter(progress))


def adapt(
    request: "BuildRequest",
    *,
    minutes: float = 10.0,
    out: StrPath | None = None,
    progress: bool = False,
) -> "Adapted":
    """Weights of a model of the catalog that lose less in the request's recipe, learned from the
    FP32 model's answers to the request's ``images``, without labels, in at most so many ``minutes``
    and written to ``out``, a ``.safetensors`` file that ``build`` takes as a checkpoint.

    ``report`` of the result has the agreement with FP32 before and after, on images that were not
    learned from; ``problems`` says why nothing was written where nothing was gained.
    """
    from export_targets.adapt.run import adapt as run

    return run(request, minutes, _path(out), _reporter(progress))


def profile(
    folders: Sequence[StrPath],
    *,
    baseline: str | None = None,
    runner: str | None = None,
    iterations: int = 120,
    warmup: int = 10,
    threads: int | None = None,
    network: "nn.Module | str | None" = None,
    progress: bool = False,
) -> "Profile":
    """Latency in ms of one or several artifacts, measured in turns, with their ratios; each report
    is kept in its artifact. ``baseline="published"`` builds and measures that form too,
    from the ``network`` of artifacts of one's own.
    """
    from export_targets.profile.profile import Settings, profile_all

    settings = Settings(iterations, warmup, threads)
    paths = [Path(folder) for folder in folders]
    return profile_all(paths, baseline, runner, settings, _reporter(progress), network)


def report(folders: Sequence[StrPath], out: StrPath, *, progress: bool = False) -> Path:
    """Write one HTML page about artifacts to ``out``, whole or not at all; its path."""
    from export_targets.report.page import write_report

    return write_report([Path(folder) for folder in folders], Path(out), _reporter(progress))


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _reporter(progress: bool) -> "Reporter":
    from export_targets.progress import silent_reporter, stderr_reporter

    return stderr_reporter() if progress else silent_reporter()
